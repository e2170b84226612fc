import { EngineError } from "../error.ts";
import { expWeights, log } from "../exact.ts";
import type { CheckedOptions } from "./options.ts";

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
  draw(options: Pick<CheckedOptions, "temperature" | "topK" | "topP" | "minP">, random: number): number {
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
