import { PEAK } from "../../assembly/abi.ts";
import { expWeights } from "../exact.ts";
import { reachedBy } from "./peaks.ts";
import { MASS_ERROR, type Spans, weighSpans } from "./spans.ts";

/**
 * The id that `random` in [0, 1) draws where nothing is cut: the first whose running sum of weights, in the order of ids, exceeds its share of
 * them all. By the masses of spans 64 logits are read. null: within their error it may be another, or a logit is no finite number.
 */
export function drawWhole(
  logits: Float32Array,
  { peaks, masses }: Spans,
  temperature: number,
  random: number,
): number | null {
  const max = reachedBy(1, peaks);
  if (max === null || !masses) return null;
  const { weights: ofSpans } = weighSpans(peaks, masses, max, temperature);
  let total = 0;
  for (const weight of ofSpans) total += weight;
  const target = random * total;
  let sum = 0;
  let span = 0;
  for (; span + 1 < ofSpans.length && sum + ofSpans[span] <= target; span++) sum += ofSpans[span];
  const first = span * PEAK;
  const values = logits.subarray(first, first + PEAK);
  const weights = new Float64Array(PEAK);
  expWeights(values, values.length, max, temperature, weights);
  // A sum and the target err by so much each, at most.
  const slack = 2 * MASS_ERROR * total;
  for (let at = 0; at < values.length; at++) {
    const before = sum;
    sum += weights[at];
    if (sum + slack <= target) continue;
    const alone = before + slack <= target || (span === 0 && at === 0);
    return sum - slack > target && alone ? first + at : null;
  }
  return null;
}
