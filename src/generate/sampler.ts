import { EngineError } from "../error.ts";
import { expWeights, log } from "../exact.ts";
import { tell } from "../given.ts";
import type { CheckedOptions } from "./options.ts";
import type { Seed } from "./seed.ts";

export type SamplingOptions = Omit<
  CheckedOptions,
  "maxTokens" | "stop" | "stopIds" | "specialTokens" | "signal" | "seed"
> & {
  seed: Seed | bigint;
};

export interface TokenProbability {
  id: number;
  logProbability: number;
}

/**
 * Log-probabilities (natural) are those of the model after penalties and bias but before temperature, top-k, top-p and
 * min-p: what the model thinks of the allowed tokens, comparable between runs of different temperature.
 */
export interface SampledToken {
  id: number;
  logProbability?: number;
  /** The likeliest first, the lowest id first on ties; fewer than asked where fewer are possible. */
  top?: TokenProbability[];
}

/** A bias at the end of its range forbids the token. */
const BANNED = -100;
const MAX_F32 = 3.4028234663852886e38;

/**
 * Logits -> id. In this order: repetition, presence and frequency penalty, logit bias, temperature, top-k, top-p, min-p.
 *
 * The draw is a function of (seed, step) and walks the candidates in the order of their ids, so a token depends neither
 * on the batch nor on threads nor on the engine, and a rounding error in the logits hardly ever changes it.
 */
export class Sampler {
  readonly vocab: number;
  readonly #options: SamplingOptions;
  readonly #candidates: Candidates;
  readonly #seed: bigint;
  #seen = new Set<number>(); // ids of prompt and output, kept only if a repetition penalty asks for them
  #output = new Map<number, number>(); // id -> how often it is in the output

  /** Samplers of one thread may share `candidates`: nothing in it outlives a call of `sample`. */
  constructor(options: SamplingOptions, vocab: number, candidates = new Candidates(vocab)) {
    this.vocab = vocab;
    this.#options = options;
    this.#candidates = candidates;
    this.#seed = BigInt.asUintN(64, BigInt(options.seed));
  }

  /** The prompt counts for the repetition penalty, as in HF; presence and frequency see the output alone, as OpenAI's. */
  observePrompt(ids: ArrayLike<number>): void {
    for (let i = 0; i < ids.length; i++) {
      this.#checkId(ids[i], `prompt[${i}]`);
      if (this.#options.repetitionPenalty !== 1) this.#seen.add(ids[i]);
    }
  }

  /** `id` is now part of the output. */
  accept(id: number): void {
    this.#checkId(id, "id");
    if (this.#options.repetitionPenalty !== 1) this.#seen.add(id);
    this.#output.set(id, (this.#output.get(id) ?? 0) + 1);
  }

  clone(): Sampler {
    const copy = new Sampler(this.#options, this.vocab, this.#candidates);
    copy.#seen = new Set(this.#seen);
    copy.#output = new Map(this.#output);
    return copy;
  }

  /** The token of step `step` (0, 1, ...). Leaves `logits` and the history as they are: `accept` what is used. */
  sample(logits: Float32Array, step: number): SampledToken {
    const { temperature, logProbabilities } = this.#options;
    const candidates = this.#candidates;
    candidates.load(logits);
    this.#adjust(candidates.values);
    let id = candidates.findLikeliest(step);
    let value = candidates.values[id];
    const best = logProbabilities === undefined ? [] : candidates.best(logProbabilities);
    const normaliser = logProbabilities === undefined ? 0 : candidates.logSum();
    if (temperature > 0) {
      const at = candidates.draw(this.#options, uniform(this.#seed, step));
      id = candidates.ids[at];
      value = candidates.values[at];
    }
    if (logProbabilities === undefined) return { id };
    const top = best.map(([id, value]) => ({ id, logProbability: value - normaliser }));
    return { id, logProbability: value - normaliser, top };
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

/** The lowest kept value, and how many of those equal to it are kept (the lowest ids). */
interface Edge {
  value: number;
  ties: number;
}

/**
 * The tokens still in the running: `count` of them, in the order of their ids.
 *
 * Nothing is sorted. Top-k and top-p are one rule, "keep from the likeliest down while what came before is within a
 * limit", and a radix selection over the bits of the values finds its edge in linear time, however flat they are.
 */
export class Candidates {
  readonly values: Float32Array; // [vocab] the logits, then those of the candidates
  readonly ids: Int32Array; //      [vocab] of the candidates, valid after `draw`
  #count = 0;
  #max = 0;
  readonly #bits: Int32Array; //    [vocab] `values` again
  readonly #weights: Float64Array; // [vocab] exp((value - max) / temperature), at last their running sum
  readonly #bins = new Float64Array(2048);

  constructor(vocab: number) {
    this.values = new Float32Array(vocab);
    this.#bits = new Int32Array(this.values.buffer);
    this.ids = new Int32Array(vocab);
    this.#weights = new Float64Array(vocab);
  }

  load(logits: Float32Array): void {
    if (logits.length !== this.values.length) {
      const limit = this.values.length;
      throw new EngineError("MODEL_LOGITS", "wrong number of logits", { limit, actual: logits.length });
    }
    this.values.set(logits);
    this.#count = logits.length;
  }

  /** The id of the largest value, the lowest on ties. NaN and Infinity fail the one comparison made per value. */
  findLikeliest(step: number): number {
    const values = this.values;
    const count = values.length;
    let max = -Infinity;
    let likeliest = -1;
    for (let id = 0; id < count; id++) {
      const value = values[id];
      if (!(value <= max)) {
        if (!(value < Infinity)) throw notFinite(id, value, step);
        max = value;
        likeliest = id;
      }
    }
    if (likeliest < 0) throw new EngineError("SAMPLE_NO_CANDIDATE", `every token of step ${step} is forbidden`);
    this.#max = max;
    return likeliest;
  }

  /** The `wanted` likeliest ids with their values, best first. By insertion: at most 20, and most values fail at once. */
  best(wanted: number): [id: number, value: number][] {
    const best: [number, number][] = [];
    let least = -Infinity;
    for (let id = 0; id < this.values.length && wanted > 0; id++) {
      const value = this.values[id];
      if (value <= least) continue;
      let at = best.length;
      while (at > 0 && best[at - 1][1] < value) at--;
      best.splice(at, 0, [id, value]);
      if (best.length > wanted) best.pop();
      if (best.length === wanted) least = best[wanted - 1][1];
    }
    return best;
  }

  /** log(sum(exp(value))). */
  logSum(): number {
    return this.#max + log(this.#weigh(1));
  }

  /** Where in `ids` the token drawn by `random` in [0, 1) stands. */
  draw(options: Pick<SamplingOptions, "temperature" | "topK" | "topP" | "minP">, random: number): number {
    const { temperature, topK, topP, minP } = options;
    const few = topK > 0 && topK < this.#count;
    if (few) this.#keepLikeliest(topK);
    const total = this.#weigh(temperature);
    if (!few) this.#keepHeavy(Math.max(minP, lightestOf(topP, total, this.#count)));
    const edge = topP < 1 ? this.#edge(topP * total, true) : { value: -Infinity, ties: 0 };
    return this.#find(random * this.#accumulate(edge, Math.max(minP, Number.MIN_VALUE)));
  }

  /** Fill in the weights and give their sum. */
  #weigh(temperature: number): number {
    return expWeights(this.values, this.#count, this.#max, temperature, this.#weights);
  }

  /** Top-k of all tokens. */
  #keepLikeliest(topK: number): void {
    const { values, ids } = this;
    const count = this.#count;
    let { value: least, ties } = this.#edge(topK - 1, false);
    let kept = 0;
    for (let id = 0; id < count; id++) {
      const value = values[id];
      if (value > least || (value === least && ties-- > 0)) {
        ids[kept] = id;
        values[kept++] = value;
      }
    }
    this.#count = kept;
  }

  /** Of all tokens, those of at least this weight. Spares the later passes nearly the whole vocabulary. */
  #keepHeavy(least: number): void {
    const { values, ids } = this;
    const weights = this.#weights;
    const count = this.#count;
    let kept = 0;
    for (let id = 0; id < count; id++) {
      const weight = weights[id];
      if (weight >= least) {
        ids[kept] = id;
        values[kept] = values[id];
        weights[kept++] = weight;
      }
    }
    this.#count = kept;
  }

  /**
   * Where to stop when values are kept from the highest down while the weight (or the number) before them is <= limit.
   * Three rounds, over 11, 11 and 10 bits of the values as ordered integers: each finds the bin in which the limit is passed.
   */
  #edge(limit: number, weighted: boolean): Edge {
    const bits = this.#bits;
    const bins = this.#bins;
    const weights = this.#weights;
    const count = this.#count;
    let before = 0;
    let prefix = 0;
    for (const [shift, width] of ROUNDS) {
      const mask = (1 << width) - 1;
      bins.fill(0);
      for (let at = 0; at < count; at++) {
        const key = order(bits[at]) >>> shift;
        if (key >>> width === prefix) bins[key & mask] += weighted ? weights[at] : 1;
      }
      let bin = -1;
      for (let next = mask; next >= 0 && !(before + (bins[bin] ?? 0) > limit); next--) {
        if (bins[next] === 0) continue;
        if (bin >= 0) before += bins[bin];
        bin = next;
      }
      prefix = (prefix << width) | bin;
    }
    return this.#edgeAt(prefix, before, limit, weighted);
  }

  /** All values of one key are equal: the lowest ids are kept, as many as the limit still allows. */
  #edgeAt(key: number, before: number, limit: number, weighted: boolean): Edge {
    const edge = { value: -Infinity, ties: 0 };
    for (let at = 0; at < this.#count && before <= limit; at++) {
      if (order(this.#bits[at]) !== key) continue;
      edge.value = this.values[at];
      edge.ties++;
      before += weighted ? this.#weights[at] : 1;
    }
    return edge;
  }

  /** Drop what is beyond `edge` or lighter than `lightest`, and turn the weights into their running sum. Gives the sum. */
  #accumulate(edge: Edge, lightest: number): number {
    const { values, ids } = this;
    const weights = this.#weights;
    const count = this.#count;
    let { value: least, ties } = edge;
    let sum = 0;
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const value = values[at];
      const weight = weights[at];
      if (weight >= lightest && (value > least || (value === least && ties-- > 0))) {
        sum += weight;
        ids[kept] = ids[at];
        values[kept] = value;
        weights[kept++] = sum;
      }
    }
    this.#count = kept;
    return sum;
  }

  /** The first candidate whose running sum exceeds `target`: never one of weight 0. Rounding may reach past the last. */
  #find(target: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#weights[middle] > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function notFinite(id: number, value: number, step: number): EngineError {
  return new EngineError("MODEL_NONFINITE", `the model's logits of step ${step} are not finite`, {
    at: { source: "kernel", field: `logits[${id}]` },
    limit: "finite numbers, or -Infinity for a forbidden token",
    actual: String(value),
  });
}

/** Shift and width of the bits looked at, from the top. */
const ROUNDS: readonly (readonly [shift: number, width: number])[] = [
  [21, 11],
  [10, 11],
  [0, 10],
];

/** The bits of an f32 as an integer whose unsigned order is that of the numbers; -0 is 0. */
function order(bits: number): number {
  if (bits === -0x80000000) return -0x80000000;
  return bits ^ ((bits >> 31) | -0x80000000);
}

/**
 * A weight below which no token is in the nucleus: all tokens as light as this weigh less than (1 - topP) total
 * together, so what comes before any of them exceeds topP. (The margin covers the rounding of `total`.)
 */
function lightestOf(topP: number, total: number, count: number): number {
  return Math.max(Number.MIN_VALUE, (((1 - topP) * total) / count) * (1 - 1e-9));
}

/**
 * A number in [0, 1) with 53 random bits: the first two words of Philox4x32-10 (Salmon et al. 2011) at counter `step`
 * under key `seed`. Counter-based: no state, so step n draws the same whatever ran before it.
 */
export function uniform(seed: bigint, step: number): number {
  const key = [Number(seed & 0xffffffffn), Number(seed >> 32n)] as const;
  const [a, b] = philox([step >>> 0, Math.floor(step / 2 ** 32) >>> 0, 0, 0], key);
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
}

type Words = readonly [number, number, number, number];

/** Exported for its published test vectors. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  let [left, right] = key;
  for (let round = 0; round < 10; round++) {
    const highA = multiplyHigh(0xd2511f53, a);
    const highC = multiplyHigh(0xcd9e8d57, c);
    const lowA = Math.imul(0xd2511f53, a) >>> 0;
    const lowC = Math.imul(0xcd9e8d57, c) >>> 0;
    [a, b, c, d] = [(highC ^ b ^ left) >>> 0, lowC, (highA ^ d ^ right) >>> 0, lowA];
    left = (left + 0x9e3779b9) >>> 0;
    right = (right + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/** The upper 32 of the 64 bits of a product, from halves of 16 bits (every sum stays below 2^32). */
function multiplyHigh(x: number, y: number): number {
  const xHigh = x >>> 16;
  const xLow = x & 0xffff;
  const yHigh = y >>> 16;
  const yLow = y & 0xffff;
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16);
  const other = xLow * yHigh + (middle & 0xffff);
  return (xHigh * yHigh + (middle >>> 16) + (other >>> 16)) >>> 0;
}
