import { EngineError } from "../error.ts";
import type { AdapterChoice } from "../generate/adapter-choice.ts";
import { checkCall } from "../generate/options.ts";
import { isFunction, outOfRange, tell } from "../given.ts";
import {
  Comparison,
  type Divergence,
  type Measurable,
  ModelReference,
  type Perplexity,
  perplexityOf,
  type Reference,
} from "./divergence.ts";
import { encodeHeader, RowEncoder, type StoredLogits } from "./logits-file.ts";
import { logSumExp, negativeLogLikelihood } from "./score.ts";
import { piecesOf, type WindowRule, type Windows, WindowWalk } from "./windows.ts";

/** Perplexity of texts of any length, alone or beside a reference; of the logits never more than a piece is held. */

export interface DivergenceOptions {
  /** Ids of a window; longer texts are cut into such (`windows.ts` says what is scored). Default: 512, or the context if less. */
  window?: number;
  /** A window begins every so many ids and every id is scored. Default: whole windows, of each the second half. */
  stride?: number;
  /** Read `<|eot|>` and its like in text as control tokens. Default: as text. */
  specialTokens?: boolean;
  /** As of `generate`: of the model, not of its reference, which is measured as it is by default. */
  adapter?: AdapterChoice;
  /** After every step. */
  onProgress?: (progress: PerplexityProgress) => void;
  signal?: AbortSignal;
}

export interface PerplexityOptions extends DivergenceOptions {
  /** Gets the bytes of a logits file in order and is awaited; `openLogits` reads such a file. */
  saveLogits?: (bytes: Uint8Array) => unknown;
}

export interface PerplexityProgress {
  /** Positions computed, of all. */
  readonly done: number;
  readonly total: number;
  /** Of the ids scored so far; NaN before the first. */
  readonly meanNll: number;
}

/** What was measured on. */
export interface Measured {
  readonly ids: number;
  readonly scored: number;
  readonly windows: number;
  readonly window: number;
  /** null: whole windows beside each other. */
  readonly stride: number | null;
}

const WINDOW = 512;
const LEAST_WINDOW = 4;

/** `stored`: the windows of a file of logits are those of its reader. */
export function checkWindows(
  options: PerplexityOptions | undefined,
  context: number,
  stored: WindowRule | null,
  names: readonly (keyof PerplexityOptions)[],
): PerplexityOptions & { rule: WindowRule } {
  const checked = checkCall(options, names);
  for (const name of ["onProgress", "saveLogits"] as const) {
    if (checked[name] !== undefined && !isFunction(checked[name])) throw outOfRange(name, checked[name], "a function");
  }
  const { window = stored?.window ?? Math.min(WINDOW, context), stride = stored?.stride ?? null } = checked;
  if (!(Number.isSafeInteger(window) && window >= LEAST_WINDOW && window <= context))
    throw outOfRange("window", window, `an integer from ${LEAST_WINDOW} to ${context}, the context of the model`);
  if (stride !== null && !(Number.isSafeInteger(stride) && stride >= 1 && stride < window))
    throw outOfRange("stride", stride, `an integer from 1 to ${window - 1}, less than a window`);
  return { ...checked, rule: { window, stride } };
}

export function notReference(actual: unknown): EngineError {
  return new EngineError("REQ_PARAM", "reference", {
    at: { source: "prompt", field: "reference" },
    actual: tell(actual),
    limit: "a model, or logits of openLogits",
  });
}

/** Distributions over other tokens cannot be compared. */
export function otherIds(name: string): EngineError {
  return new EngineError("MODEL_TOKENS", "the reference has another vocabulary: the text has other ids there", {
    at: { source: "tokenizer", file: name },
  });
}

/** Bytes of logits that are held beside a model's own. */
const HELD_BYTES = 64 * 2 ** 20;

export async function measurePerplexity(
  model: Measurable,
  windows: Windows,
  options: PerplexityOptions,
): Promise<Perplexity & Measured> {
  const { nll } = await measure(model, windows, options, null, model.rows);
  return { ...perplexityOf(nll), ...measured(windows) };
}

export async function measureDivergence(
  model: Measurable,
  other: Measurable | StoredLogits,
  windows: Windows,
  options: DivergenceOptions,
): Promise<Divergence & Measured> {
  const stored = "reference" in other;
  const rows = stored ? model.rows : Math.min(model.rows, other.rows);
  const held = heldRows(model, rows);
  const reference = stored ? other.reference(held) : new ModelReference(other, held, options.signal);
  const comparison = new Comparison(windows.scored);
  try {
    const { nll } = await measure(model, windows, options, { reference, comparison }, rows);
    return { ...comparison.result(nll), ...measured(windows) };
  } finally {
    reference.close();
  }
}

function heldRows({ vocab }: Measurable, rows: number): number {
  return Math.max(1, Math.min(rows, Math.floor(HELD_BYTES / (4 * vocab))));
}

interface Beside {
  readonly reference: Reference;
  readonly comparison: Comparison;
}

async function measure(
  model: Measurable,
  windows: Windows,
  { saveLogits, onProgress, signal }: PerplexityOptions,
  beside: Beside | null,
  rows: number,
): Promise<{ nll: Float64Array }> {
  const { vocab } = model;
  const nll = new Float64Array(windows.scored);
  const walk = new WindowWalk(model.scheduler, signal, model.adapter);
  let sum = 0;
  let done = 0;
  try {
    await saveLogits?.(await encodeHeader(windows, vocab));
    const scoredRows = saveLogits || beside ? heldRows(model, rows) : rows;
    for (const piece of piecesOf(windows, rows, scoredRows)) {
      await beside?.reference.advance(piece);
      const encoder = saveLogits && new RowEncoder(piece.targets.length, vocab);
      await walk.run(piece, (logits, row) => {
        const index = piece.done + row;
        const total = logSumExp(logits);
        nll[index] = negativeLogLikelihood(logits, total, piece.targets[row]);
        sum += nll[index];
        encoder?.set(row, logits, nll[index]);
        if (!beside) return;
        const { reference, comparison } = beside;
        comparison.add(index, reference.logits(row), reference.nll(row), logits, total);
      });
      if (encoder && piece.targets.length > 0) await saveLogits?.(encoder.bytes);
      done += piece.inputs.length;
      onProgress?.({ done, total: windows.positions, meanNll: sum / (piece.done + piece.targets.length) });
    }
  } finally {
    walk.close();
  }
  return { nll };
}

function measured({ ids, scored, spans, window, stride }: Windows): Measured {
  return { ids: ids.length, scored, windows: spans.length, window, stride };
}
