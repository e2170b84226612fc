import { PEAK } from "../../assembly/abi.ts";
import { expWeights } from "../exact.ts";
import type { Drawing } from "./draw.ts";

/** What is known of every PEAK logits of a row before anyone reads them. */
export interface Spans {
  /** The largest logit of each. */
  readonly peaks: Float32Array;
  /** sum(e^((logit - peak) * scale)) of each, where the scale of `spanScale` is not 0; null: not known. */
  readonly masses: Float32Array | null;
}

/** Relative error of a mass, with a margin (assembly/kernels/masses.ts says < 2^-19). */
export const MASS_ERROR = 2 ** -18;

/** Where fewer spans than this many times the wanted ones exist, reading the few saves too little. */
export const LEAST_SPANS = 4;

/** The same of changed logits, where a mass has to be made of each of their spans. */
const LEAST_SPANS_WEIGHED = 16;

/** So near to 1 the rounding of sums over all logits may keep tokens that no bound of theirs would. */
const LEAST_TAIL = 2 ** -20;

/** Whether every token can be drawn. */
export const cutsNothing = ({ temperature, topK, topP, minP, typicalP, topNSigma, xtc }: Drawing) =>
  temperature > 0 && topK === 0 && topP === 1 && minP === 0 && typicalP === 1 && topNSigma === 0 && !xtc;

/**
 * What a draw needs to know of spans so that few logits are read. null: it reads all of them; 0: peaks; else masses too, at this scale:
 * 1 / temperature.
 */
export function spanScale(drawing: Drawing): number | null {
  const { temperature, topK, topP, minP, typicalP, topNSigma } = drawing;
  if (topNSigma > 0) return null;
  if (temperature === 0 || topK > 0) return 0;
  if (typicalP < 1) return null;
  if (topP === 1 && minP > 0) return 0;
  if (topP === 1 ? !cutsNothing(drawing) : 1 - topP < LEAST_TAIL) return null;
  const scale = Math.fround(1 / temperature);
  return scale > 0 && scale < Number.POSITIVE_INFINITY ? scale : null;
}

/** Whether so many logits changed that all are read as fast. */
export function changesTooMany(changed: number, { peaks, masses }: Spans): boolean {
  return changed * (masses ? LEAST_SPANS_WEIGHED : LEAST_SPANS) > peaks.length;
}

/** The same where the logits of `changed` (ascending ids) have become `values[id]`. null: a logit is no finite number. */
export function changedSpans(
  spans: Spans,
  logits: Float32Array,
  changed: readonly number[],
  values: Float32Array,
  temperature: number,
): Spans | null {
  if (changed.length === 0) return spans;
  const peaks = spans.peaks.slice();
  const masses = spans.masses?.slice() ?? null;
  const weights = new Float64Array(PEAK);
  for (let next = 0; next < changed.length; ) {
    const span = Math.floor(changed[next] / PEAK);
    const own = logits.slice(span * PEAK, (span + 1) * PEAK);
    for (; changed[next] < (span + 1) * PEAK; next++) own[changed[next] % PEAK] = values[changed[next]];
    let peak = Number.NEGATIVE_INFINITY;
    for (const value of own) {
      if (!(value < Number.POSITIVE_INFINITY)) return null;
      if (value > peak) peak = value;
    }
    peaks[span] = peak;
    if (!masses) continue;
    masses[span] = peak === Number.NEGATIVE_INFINITY ? 0 : expWeights(own, own.length, peak, temperature, weights);
  }
  return { peaks, masses };
}

/** Of each span: what its likeliest token weighs and what all of it do, where the likeliest of all, of logit `max`, weighs 1. */
export function weighSpans(
  peaks: Float32Array,
  masses: Float32Array,
  max: number,
  temperature: number,
): { heaviest: Float64Array; weights: Float64Array } {
  const heaviest = new Float64Array(peaks.length);
  const weights = new Float64Array(peaks.length);
  expWeights(peaks, peaks.length, max, temperature, heaviest);
  for (let span = 0; span < weights.length; span++) weights[span] = heaviest[span] * masses[span];
  return { heaviest, weights };
}
