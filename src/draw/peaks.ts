import { findEdge, order } from "./edge.ts";
import { LEAST_SPANS } from "./spans.ts";

/**
 * A value that at least `count` logits reach, by the largest logit of each span alone. null: `count` is not few, or not all logits are
 * finite, so that all of them have to be read.
 */
export function reachedBy(count: number, peaks: Float32Array): number | null {
  if (count * LEAST_SPANS > peaks.length) return null;
  let largest = Number.NEGATIVE_INFINITY;
  for (let span = 0; span < peaks.length; span++) {
    const peak = peaks[span];
    if (!(peak < Number.POSITIVE_INFINITY)) return null;
    if (peak > largest) largest = peak;
  }
  const least = count === 1 ? largest : likeliest(count, peaks);
  return least === Number.NEGATIVE_INFINITY ? null : least;
}

/** So many are kept in order by insertion: most values fail at once. More are found by their bits. */
const FEW = 64;

/** The value of place `count` from the highest down. */
function likeliest(count: number, values: Float32Array): number {
  if (count <= FEW) return smallestOfLargest(count, values);
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const { key } = findEdge(bits, bits.length, null, count - 1);
  return values[bits.findIndex((one) => order(one) === key)];
}

function smallestOfLargest(count: number, values: Float32Array): number {
  const largest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY); // ascending
  for (let from = 0; from < values.length; from++) {
    const value = values[from];
    if (!(value > largest[0])) continue;
    let at = 0;
    for (; at + 1 < count && largest[at + 1] < value; at++) largest[at] = largest[at + 1];
    largest[at] = value;
  }
  return largest[0];
}
