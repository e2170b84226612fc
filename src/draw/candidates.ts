import { PEAK } from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";
import { expWeights, log } from "../exact.ts";
import type { Drawing } from "./draw.ts";
import { findEdge, order } from "./edge.ts";
import type { Few, Mass } from "./few.ts";
import { Typicality } from "./typicality.ts";

/** The lowest kept value, and how many of those equal to it are kept (the lowest ids). */
interface Edge {
  value: number;
  ties: number;
}

type Cuts = Pick<Drawing, "temperature" | "topK" | "topP" | "minP"> &
  Partial<Pick<Drawing, "topNSigma" | "typicalP">> & {
    /** The threshold of XTC where it takes tokens out of this draw. */
    readonly excluded?: number | null;
  };

const NO_EDGE: Edge = { value: -Infinity, ties: 0 };

/**
 * The tokens still in the running: `count` of them, in the order of their ids.
 *
 * Nothing is sorted. Top-k and top-p are one rule, "keep from the likeliest down while what came before is within a
 * limit", and a radix selection over the bits of the values finds its edge in linear time, however flat they are.
 */
export class Candidates {
  readonly values: Float32Array; // [vocab] the logits, then those of the candidates
  readonly ids: Int32Array; //      [vocab] of the candidates, valid after `narrow` and `draw`
  #count = 0;
  #max = 0;
  readonly #bits: Int32Array; //    [vocab] `values` again
  readonly #weights: Float64Array; // [vocab] exp((value - max) / temperature), at last their running sum
  /** Every token is still there: each stands at its own id. */
  #whole = true;
  /** Only those were loaded among which the likeliest are; what all together weigh, where it counts. */
  #narrowed = false;
  #mass: Mass | null = null;
  #typicality: Typicality | null = null;

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
    this.#whole = true;
    this.#narrowed = false;
    this.#mass = null;
  }

  /** The logits of `ids` alone, each at its id, to be changed before `narrow`. */
  loadSome(logits: Float32Array, ids: readonly number[]): void {
    for (const id of ids) this.values[id] = logits[id];
  }

  /**
   * Instead of all: the logits that reach `least`, in spans whose peaks do, and those of `changed` (ascending ids, by `loadSome`) with
   * the values that they have now.
   */
  narrow(logits: Float32Array, peaks: Float32Array, { least, mass }: Few, changed: readonly number[]): void {
    const { values, ids } = this;
    // Before the first of the others stand in their places.
    const changedTo = changed.map((id) => values[id]);
    let count = 0;
    let next = 0;
    for (let span = 0; span < peaks.length; span++) {
      const end = Math.min(logits.length, (span + 1) * PEAK);
      const reached = peaks[span] >= least;
      if (!reached && !(changed[next] < end)) continue;
      for (let id = span * PEAK; id < end; id++) {
        if (id === changed[next]) values[count] = changedTo[next++];
        else if (reached && logits[id] >= least) values[count] = logits[id];
        else continue;
        ids[count++] = id;
      }
    }
    this.#left(count);
    this.#narrowed = true;
    this.#mass = mass;
  }

  /** The id of the largest value, the lowest on ties. NaN and Infinity fail the one comparison made per value. */
  findLikeliest(step: number): number {
    const values = this.values;
    const count = this.#count;
    let max = -Infinity;
    let likeliest = -1;
    for (let at = 0; at < count; at++) {
      const value = values[at];
      if (!(value <= max)) {
        if (!(value < Infinity)) throw notFinite(at, value, step);
        max = value;
        likeliest = at;
      }
    }
    if (likeliest < 0) throw new EngineError("SAMPLE_NO_CANDIDATE", `every token of step ${step} is forbidden`);
    this.#max = max;
    return this.#whole ? likeliest : this.ids[likeliest];
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

  /** Where in `ids` the token drawn by `random` in [0, 1) stands. null: by the bounds of their mass it is open which tokens are cut. */
  draw(cuts: Cuts, random: number): number | null {
    const { temperature, topNSigma = 0, topK, typicalP = 1, topP, minP, excluded = null } = cuts;
    if (topNSigma > 0) this.#keepNear(topNSigma);
    const few = topK > 0 && (topK < this.#count || this.#narrowed);
    if (few) this.#keepLikeliest(topK);
    let total = this.#weigh(temperature);
    let heaviest = 1;
    if (typicalP < 1) [total, heaviest] = this.#keepTypical(typicalP, total);
    const lightest = minP * heaviest;
    const mass = this.#mass ?? { least: total, most: total };
    if (!few && !this.#narrowed) this.#keepHeavy(Math.max(lightest, lightestOf(topP, total, this.#count)));
    const edge = topP < 1 ? this.#edge(topP * mass.most, true) : NO_EDGE;
    if (topP < 1 && this.#mass && !isSame(edge, this.#edge(topP * mass.least, true))) return null;
    if (excluded === null) return this.#find(random * this.#accumulate(edge, Math.max(lightest, Number.MIN_VALUE)));
    this.#exclude(excluded * this.#accumulate(edge, Math.max(lightest, Number.MIN_VALUE), false));
    return this.#find(random * this.#accumulate(NO_EDGE, Number.MIN_VALUE));
  }

  /** Fill in the weights and give their sum. */
  #weigh(temperature: number): number {
    return expWeights(this.values, this.#count, this.#max, temperature, this.#weights);
  }

  /** Top-n-sigma: mean and standard deviation (of the population) are those of all logits that are not forbidden. */
  #keepNear(deviations: number): void {
    const { values, ids } = this;
    const count = this.#count;
    let allowed = 0;
    let sum = 0;
    for (let id = 0; id < count; id++) {
      if (values[id] === -Infinity) continue;
      allowed++;
      sum += values[id];
    }
    const mean = sum / allowed;
    let squares = 0;
    for (let id = 0; id < count; id++) if (values[id] > -Infinity) squares += (values[id] - mean) * (values[id] - mean);
    const least = this.#max - deviations * Math.sqrt(squares / allowed);
    let kept = 0;
    for (let id = 0; id < count; id++) {
      const value = values[id];
      if (!(value >= least) || value === -Infinity) continue;
      ids[kept] = id;
      values[kept++] = value;
    }
    this.#left(kept);
  }

  /** So many are left, and their ids are in `ids`. */
  #left(kept: number): void {
    this.#count = kept;
    this.#whole = false;
  }

  /** Top-k. */
  #keepLikeliest(topK: number): void {
    const { values, ids } = this;
    const count = this.#count;
    const whole = this.#whole;
    let { value: least, ties } = this.#edge(topK - 1, false);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const value = values[at];
      if (value > least || (value === least && ties-- > 0)) {
        ids[kept] = whole ? at : ids[at];
        values[kept++] = value;
      }
    }
    this.#left(kept);
  }

  /** Typical-p. Gives the weight of what is left, and that of the heaviest of it. */
  #keepTypical(typicalP: number, total: number): [total: number, heaviest: number] {
    const { values, ids } = this;
    const weights = this.#weights;
    const count = this.#count;
    const whole = this.#whole;
    this.#typicality ??= new Typicality(values.length);
    const keeps = this.#typicality.select(values, weights, count, this.#max, total, typicalP * total);
    let kept = 0;
    let sum = 0;
    let heaviest = 0;
    for (let at = 0; at < count; at++) {
      if (!keeps(at)) continue;
      const weight = weights[at];
      sum += weight;
      heaviest = Math.max(heaviest, weight);
      ids[kept] = whole ? at : ids[at];
      values[kept] = values[at];
      weights[kept++] = weight;
    }
    this.#left(kept);
    return [sum, heaviest];
  }

  /** Those of at least this weight. Spares the later passes nearly the whole vocabulary. */
  #keepHeavy(least: number): void {
    const { values, ids } = this;
    const weights = this.#weights;
    const count = this.#count;
    const whole = this.#whole;
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const weight = weights[at];
      if (weight >= least) {
        ids[kept] = whole ? at : ids[at];
        values[kept] = values[at];
        weights[kept++] = weight;
      }
    }
    this.#left(kept);
  }

  /** Where to stop when values are kept from the highest down while the weight (or the number) before them is <= limit. */
  #edge(limit: number, weighted: boolean): Edge {
    const { key, before } = findEdge(this.#bits, this.#count, weighted ? this.#weights : null, limit);
    return this.#edgeAt(key, before, limit, weighted);
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

  /** Drop what is beyond `edge` or lighter than `lightest`, and turn the weights into their running sum, if so. Gives the sum. */
  #accumulate(edge: Edge, lightest: number, running = true): number {
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
        weights[kept++] = running ? sum : weight;
      }
    }
    this.#count = kept;
    return sum;
  }

  /** XTC: of two or more that are at least so heavy the last stays, in the order of value and id. */
  #exclude(threshold: number): void {
    const { values, ids } = this;
    const weights = this.#weights;
    let heavy = 0;
    let last = 0;
    for (let at = 0; at < this.#count; at++) {
      if (weights[at] < threshold) continue;
      if (heavy++ === 0 || values[at] <= values[last]) last = at;
    }
    if (heavy < 2) return;
    let kept = 0;
    for (let at = 0; at < this.#count; at++) {
      if (weights[at] >= threshold && at !== last) continue;
      ids[kept] = ids[at];
      values[kept] = values[at];
      weights[kept++] = weights[at];
    }
    this.#count = kept;
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

const isSame = (one: Edge, other: Edge) => one.value === other.value && one.ties === other.ties;

function notFinite(id: number, value: number, step: number): EngineError {
  return new EngineError("MODEL_NONFINITE", `the model's logits of step ${step} are not finite`, {
    at: { source: "kernel", field: `logits[${id}]` },
    limit: "finite numbers, or -Infinity for a forbidden token",
    actual: String(value),
  });
}

/**
 * A weight below which no token is in the nucleus: all tokens as light as this weigh less than (1 - topP) total
 * together, so what comes before any of them exceeds topP. (The margin covers the rounding of `total`.)
 */
function lightestOf(topP: number, total: number, count: number): number {
  return Math.max(Number.MIN_VALUE, (((1 - topP) * total) / count) * (1 - 1e-9));
}
