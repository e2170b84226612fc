import { EngineError } from "../error.ts";
import type { Scheduler } from "../generate/scheduler.ts";
import type { Sequence } from "../generate/sequence.ts";

/**
 * A text that is longer than a model's context, in windows. Which ids are scored, and behind how many others:
 *
 *   not longer than a window   one window; every id but the first
 *   stride null                whole windows beside each other; in each the second half is scored. llama.cpp's rule, so that
 *                              figures can be compared; ids behind the last whole window are left out
 *   stride s                   a window begins every s ids; each scores what the one before has not seen: every id but the
 *                              first, once, behind at least window - s others
 *
 * Where the ids begin with the begin-of-text id, so does every window: it stands in the place of the window's first id.
 */

export interface WindowRule {
  /** Ids of a window. */
  readonly window: number;
  readonly stride: number | null;
}

export interface Windows extends WindowRule {
  readonly ids: readonly number[];
  /** The id that every window begins with; null: its own. */
  readonly begin: number | null;
  readonly spans: readonly Span[];
  /** Ids that are scored, all windows together. */
  readonly scored: number;
  /** Ids that are computed. */
  readonly positions: number;
}

/** Ids [start, end); those from `scoreFrom` on are scored. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly scoreFrom: number;
}

export function planWindows(ids: readonly number[], { window, stride }: WindowRule, begin: number | null): Windows {
  if (ids.length < 2) throw nothingToScore(ids.length, 2);
  const spans = [...spansOf(ids.length, window, stride)];
  return {
    ids,
    window,
    stride,
    begin: begin !== null && ids[0] === begin ? begin : null,
    spans,
    scored: spans.reduce((sum, { end, scoreFrom }) => sum + end - scoreFrom, 0),
    // Nothing is asked behind a window's last id.
    positions: spans.reduce((sum, { start, end }) => sum + end - 1 - start, 0),
  };
}

export function nothingToScore(actual: number, least: number): EngineError {
  return new EngineError("REQ_EMPTY_PROMPT", "nothing to score: the first id is not scored", {
    at: { source: "prompt" },
    actual: `${actual} ids`,
    limit: `at least ${least}`,
  });
}

function* spansOf(length: number, window: number, stride: number | null): Generator<Span> {
  if (length <= window) yield { start: 0, end: length, scoreFrom: 1 };
  else if (stride === null) {
    const half = Math.floor(window / 2) + 1;
    for (let start = 0; start + window <= length; start += window)
      yield { start, end: start + window, scoreFrom: start + half };
  } else {
    for (let start = 0, seen = 1; seen < length; start += stride) {
      const end = Math.min(start + window, length);
      yield { start, end, scoreFrom: seen };
      seen = end;
    }
  }
}

/** Rows of one step: consecutive ids of a window, and for those that are scored the ids that follow. */
export interface Piece {
  /** In the window; 0 begins a new one. */
  readonly position: number;
  readonly inputs: readonly number[];
  /** Empty where nothing is scored, else an id for every row. */
  readonly targets: readonly number[];
  /** Scored rows before this piece. */
  readonly done: number;
}

/** `rows` at most in a piece; `scoredRows` where logits are wanted. */
export function* piecesOf(windows: Windows, rows: number, scoredRows: number): Generator<Piece> {
  const { ids, spans, begin } = windows;
  let done = 0;
  for (const { start, end, scoreFrom } of spans) {
    // Row `at` predicts id at + 1.
    for (let at = start; at < end - 1; ) {
      const scores = at + 1 >= scoreFrom;
      const to = scores ? Math.min(end - 1, at + scoredRows) : Math.min(scoreFrom - 1, at + rows);
      const inputs = ids.slice(at, to);
      if (at === start && begin !== null) inputs[0] = begin;
      const targets = scores ? ids.slice(at + 1, to + 1) : [];
      yield { position: at - start, inputs, targets, done };
      done += targets.length;
      at = to;
    }
  }
}

/** One model on its way through the windows. */
export class WindowWalk {
  readonly #scheduler: Scheduler;
  readonly #signal: AbortSignal | undefined;
  readonly #sequence: Sequence;
  #ids: number[] = [];

  constructor(scheduler: Scheduler, signal: AbortSignal | undefined, adapter: number | null = null) {
    this.#scheduler = scheduler;
    this.#signal = signal;
    this.#sequence = scheduler.open({ adapter });
  }

  /** Pieces in the order of `piecesOf`; `onLogits` sees every row of a piece that is scored, counted in the piece. */
  async run(
    { position, inputs, targets }: Piece,
    onLogits: (logits: Float32Array, row: number) => void,
  ): Promise<void> {
    this.#ids = [...this.#ids.slice(0, position), ...inputs];
    await this.#scheduler.run(this.#sequence, {
      ids: this.#ids,
      logitsFrom: targets.length > 0 ? position : this.#ids.length,
      signal: this.#signal,
      onLogits: (logits, index) => {
        onLogits(logits, index - position);
        return null;
      },
    });
  }

  close(): void {
    this.#scheduler.close(this.#sequence);
  }
}
