import { findEdge, order } from "./edge.ts";

/**
 * Locally typical sampling (Meister et al. 2022): tokens are kept from the most typical down, by |surprise - entropy|, while the
 * probability before them is within a limit; of equal ones the lowest ids first.
 *
 * Surprise is ln(sum) + (max - value) / temperature, entropy its mean: so the distance is that of (max - value) from its own mean,
 * divided by the temperature, and no logarithm decides over a token. Distances are ordered by their f32 neighbours first, which keeps
 * their order, and exactly among those of one neighbour.
 */
export class Typicality {
  readonly #keys: Float32Array; // [vocab] -distance
  readonly #bits: Int32Array; //   [vocab] `#keys` again

  constructor(vocab: number) {
    this.#keys = new Float32Array(vocab);
    this.#bits = new Int32Array(this.#keys.buffer);
  }

  /** Of `count` values and their weights (sum `total`): which are kept, valid until the next call. */
  select(
    values: Float32Array,
    weights: Float64Array,
    count: number,
    max: number,
    total: number,
    limit: number,
  ): (at: number) => boolean {
    const keys = this.#keys;
    let sum = 0;
    for (let at = 0; at < count; at++) if (weights[at] > 0) sum += weights[at] * (max - values[at]);
    const mean = sum / total;
    const distance = (at: number) => Math.abs(max - values[at] - mean);
    for (let at = 0; at < count; at++) keys[at] = weights[at] > 0 ? -distance(at) : -Infinity;
    let { key, before } = findEdge(this.#bits, count, weights, limit);
    const tied: number[] = [];
    for (let at = 0; at < count; at++) if (keys[at] > -Infinity && order(this.#bits[at]) === key) tied.push(at);
    const edge = tied.length > 0 ? keys[tied[0]] : -Infinity;
    tied.sort((a, b) => distance(a) - distance(b) || a - b);
    for (const at of tied) {
      if (before > limit) break;
      before += weights[at];
      keys[at] = Infinity;
    }
    return (at) => keys[at] > edge;
  }
}
