import { Candidates } from "../draw/candidates.ts";
import { type Drawing, draw, drawLoaded } from "../draw/draw.ts";
import { fewOf } from "../draw/few.ts";
import { changedSpans, changesTooMany, cutsNothing, type Spans, spanScale } from "../draw/spans.ts";
import { EngineError } from "../error.ts";
import { MAX_F32 } from "../exact.ts";
import { tell } from "../given.ts";
import { stuck } from "../grammar/automaton.ts";
import type { Constraint } from "../grammar/constraint.ts";
import type { Dry } from "./dry.ts";
import { processLogits } from "./logits-processor.ts";
import type { CheckedOptions } from "./options.ts";
import type { Seed } from "./seed.ts";

type Always = "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty" | "presencePenalty" | "frequencyPenalty";
type Rare = "topNSigma" | "typicalP" | "xtc" | "logitsProcessor";

export type SamplingOptions = Pick<CheckedOptions, Always | "logitBias" | "logProbabilities"> &
  Partial<Pick<CheckedOptions, Rare>> & { seed: Seed | bigint };

export interface TokenProbability {
  id: number;
  logProbability: number;
}

/**
 * Log-probabilities (natural) are those of the model after penalties, bias and the caller's processor but before temperature
 * and every cut: what the model thinks of the allowed tokens, comparable between runs of different temperature.
 */
export interface SampledToken {
  id: number;
  logProbability?: number;
  /** The likeliest first, the lowest id first on ties; fewer than asked where fewer are possible. */
  top?: TokenProbability[];
}

/** A bias at the end of its range forbids the token. */
const BANNED = -100;

/**
 * Logits -> id. In this order: repetition, presence and frequency penalty, DRY, logit bias, logitsProcessor, minTokens, constraint, temperature,
 * top-n-sigma, top-k, typical, top-p, min-p, XTC. It is llama.cpp's but for the temperature, which llama.cpp has last: here, as in transformers
 * and text-generation-webui, the cuts are of the distribution that is drawn from.
 *
 * The draw is a function of (seed, step) and walks the candidates in the order of their ids, so a token depends neither
 * on the batch nor on threads nor on the engine, and a rounding error in the logits hardly ever changes it.
 */
export class Sampler {
  readonly vocab: number;
  readonly #options: SamplingOptions;
  readonly #candidates: Candidates;
  readonly #dry: Dry | undefined;
  readonly #drawing: Drawing;
  readonly #seen = new Set<number>(); // ids of prompt and output, kept only if a repetition penalty asks for them
  readonly #output = new Map<number, number>(); // id -> how often it is in the output
  readonly #ids: number[] = []; // of prompt and output, kept only if somebody reads them

  /** Samplers of one thread may share `candidates`: nothing in it outlives a call of `sample`. `dry` is of this text alone. */
  constructor(
    options: SamplingOptions,
    vocab: number,
    candidates = new Candidates(vocab),
    dry: Dry | undefined = undefined,
  ) {
    this.vocab = vocab;
    this.#options = options;
    this.#candidates = candidates;
    this.#dry = dry;
    const { topNSigma = 0, typicalP = 1, xtc } = options;
    this.#drawing = { ...options, topNSigma, typicalP, xtc, seed: BigInt.asUintN(64, BigInt(options.seed)) };
  }

  /** The prompt counts for the repetition penalty, as in HF; presence and frequency see the output alone, as OpenAI's. */
  observePrompt(ids: ArrayLike<number>): void {
    for (let i = 0; i < ids.length; i++) {
      this.#checkId(ids[i], `prompt[${i}]`);
      this.#remember(ids[i]);
    }
  }

  /** `id` is now part of the output. */
  accept(id: number): void {
    this.#checkId(id, "id");
    this.#remember(id);
    this.#output.set(id, (this.#output.get(id) ?? 0) + 1);
  }

  #remember(id: number): void {
    if (this.#options.repetitionPenalty !== 1) this.#seen.add(id);
    if (this.#options.logitsProcessor) this.#ids.push(id);
    this.#dry?.push(id);
  }

  /**
   * The token of step `step` (0, 1, ...), none of `forbidden` whatever a processor says, and one that `constraint` allows. Leaves
   * `logits` and the history as they are: `accept` what is used. `spans`: as `spanScale` wants them, where they are known.
   */
  sample(
    logits: Float32Array,
    step: number,
    forbidden: Iterable<number> = [],
    constraint: Constraint | null = null,
    spans: Spans | null = null,
  ): SampledToken {
    const { temperature, logProbabilities } = this.#options;
    const candidates = this.#candidates;
    const banned = [...forbidden];
    const { drawing } = this;
    if (drawing && banned.length === 0 && !constraint) return { id: draw(candidates, drawing, step, logits, spans) };
    const loadAll = () => {
      this.#loadAll(logits, step, banned);
      constraint?.apply(candidates.values);
    };
    if (!spans || constraint || this.spanScale === null || !this.#loadFew(logits, spans, banned)) loadAll();
    let id = this.#likeliest(step, constraint !== null);
    let value = candidates.values[id];
    const best = logProbabilities === undefined ? [] : candidates.best(logProbabilities);
    const normaliser = logProbabilities === undefined ? 0 : candidates.logSum();
    if (temperature > 0) {
      const at = drawLoaded(candidates, this.#drawing, step, loadAll);
      id = candidates.ids[at];
      value = candidates.values[at];
    }
    if (logProbabilities === undefined) return { id };
    const top = best.map(([id, value]) => ({ id, logProbability: value - normaliser }));
    return { id, logProbability: value - normaliser, top };
  }

  /** What `sample` without a constraint needs to know of spans (draw/spans.ts). */
  get spanScale(): number | null {
    const readsAll = !this.#wantsIdsAlone || (cutsNothing(this.#drawing) && this.drawing === null);
    return readsAll ? null : spanScale(this.#drawing);
  }

  get #wantsIdsAlone(): boolean {
    const { logProbabilities, logitsProcessor } = this.#options;
    return logProbabilities === undefined && !logitsProcessor && !this.#dry;
  }

  /** What `sample` without a constraint does, where it reads nothing but the logits and gives nothing but an id; else null. */
  get drawing(): Drawing | null {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.#options;
    const unchanged =
      repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0 && logitBias.size === 0;
    return unchanged && this.#wantsIdsAlone ? this.#drawing : null;
  }

  #loadAll(logits: Float32Array, step: number, forbidden: readonly number[]): void {
    const { logitsProcessor } = this.#options;
    const candidates = this.#candidates;
    candidates.load(logits);
    this.#adjust(candidates.values);
    if (logitsProcessor) {
      // Before a caller sees them: what is wrong with the model is not the caller's.
      candidates.findLikeliest(step);
      processLogits(logitsProcessor, candidates.values, this.#ids);
    }
    for (const id of forbidden) change(candidates.values, id, -Infinity);
  }

  /** The tokens among which those that can be drawn are. false: all have to be loaded. */
  #loadFew(logits: Float32Array, known: Spans, forbidden: readonly number[]): boolean {
    const { presencePenalty, frequencyPenalty, logitBias } = this.#options;
    if (changesTooMany(this.#seen.size, known)) return false;
    const written = presencePenalty !== 0 || frequencyPenalty !== 0 ? this.#output.keys() : [];
    const changed = new Set<number>([...logitBias.keys(), ...forbidden, ...this.#seen, ...written]);
    if (changesTooMany(changed.size, known)) return false;
    const candidates = this.#candidates;
    const ids = [...changed].sort((a, b) => a - b);
    candidates.loadSome(logits, ids);
    this.#adjust(candidates.values);
    for (const id of forbidden) change(candidates.values, id, -Infinity);
    const spans = changedSpans(known, logits, ids, candidates.values, this.#drawing.temperature);
    const few = spans && fewOf(this.#drawing, spans);
    if (!few) return false;
    candidates.narrow(logits, spans.peaks, few, ids);
    return true;
  }

  #likeliest(step: number, constrained: boolean): number {
    try {
      return this.#candidates.findLikeliest(step);
    } catch (error) {
      throw constrained && error instanceof EngineError && error.code === "SAMPLE_NO_CANDIDATE" ? stuck() : error;
    }
  }

  /** Penalties and bias, each touching only the ids it concerns and rounding to f32 as the logits are. */
  #adjust(values: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.#options;
    if (repetitionPenalty !== 1) {
      for (const id of this.#seen) {
        const value = values[id];
        change(values, id, value > 0 ? value / repetitionPenalty : value * repetitionPenalty);
      }
    }
    if (presencePenalty !== 0) {
      for (const id of this.#output.keys()) change(values, id, values[id] - presencePenalty);
    }
    if (frequencyPenalty !== 0) {
      for (const [id, times] of this.#output) change(values, id, values[id] - frequencyPenalty * times);
    }
    if (this.#dry) for (const [id, penalty] of this.#dry.penalties()) change(values, id, values[id] - penalty);
    for (const [id, bias] of logitBias) change(values, id, bias === BANNED ? -Infinity : values[id] + bias);
  }

  #checkId(id: number, field: string): void {
    if (Number.isInteger(id) && id >= 0 && id < this.vocab) return;
    throw new EngineError("REQ_TOKEN_ID", "not a token id", {
      at: { source: "prompt", field },
      limit: `an integer in [0, ${this.vocab - 1}]`,
      actual: tell(id),
    });
  }
}

/** A penalty must neither hide a NaN or Infinity of the model nor make one: 3e38 / 0.1 stays the largest number. */
function change(values: Float32Array, id: number, value: number): void {
  if (!(Math.abs(values[id]) < Infinity)) return;
  values[id] = value === -Infinity ? value : Math.max(-MAX_F32, Math.min(MAX_F32, value));
}
