import type { Candidates } from "./candidates.ts";
import { reachedBy } from "./peaks.ts";
import { uniform } from "./random.ts";

/** Logits -> id, where nothing else is looked at: whoever has them may draw, and all draw the same. */

/** The cuts of a draw, and the seed of its numbers. */
export interface Drawing {
  /** 0: the likeliest. */
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly topNSigma: number;
  readonly xtc: { readonly probability: number; readonly threshold: number } | undefined;
  readonly seed: bigint;
}

/** Whether the tokens that peaks lead to are all that can be drawn. */
export const readsPeaks = ({ temperature, topK, topNSigma }: Pick<Drawing, "temperature" | "topK" | "topNSigma">) =>
  topNSigma === 0 && (temperature === 0 || topK > 0);

/** The token of step `step`. Throws MODEL_NONFINITE and SAMPLE_NO_CANDIDATE. `peaks`: the largest of every PEAK logits, where they are known. */
export function draw(
  candidates: Candidates,
  drawing: Drawing,
  step: number,
  logits: Float32Array,
  peaks: Float32Array | null,
): number {
  const { temperature, topK } = drawing;
  const least = peaks && readsPeaks(drawing) ? reachedBy(temperature > 0 ? topK : 1, peaks) : null;
  if (least === null || !peaks) candidates.load(logits);
  else candidates.narrow(logits, peaks, least, []);
  const likeliest = candidates.findLikeliest(step);
  return temperature > 0 ? candidates.ids[drawLoaded(candidates, drawing, step)] : likeliest;
}

/** Where in `ids` the token stands that is drawn of what is loaded, whose likeliest was found. */
export function drawLoaded(candidates: Candidates, drawing: Drawing, step: number): number {
  const { xtc, seed } = drawing;
  const excludes = xtc !== undefined && uniform(seed, step, true) < xtc.probability;
  return candidates.draw({ ...drawing, excluded: excludes ? xtc.threshold : null }, uniform(seed, step));
}

/** A drawing and its step as numbers, where no object can be handed over. */
export const DRAWING_NUMBERS = 11;

export function writeDrawing(to: Float64Array, { seed, xtc, ...cuts }: Drawing, step: number): void {
  const { temperature, topK, topP, minP, typicalP, topNSigma } = cuts;
  const { probability, threshold } = xtc ?? { probability: 0, threshold: 0 };
  const words = [Number(seed & 0xffffffffn), Number(seed >> 32n)];
  to.set([...words, step, temperature, topK, topP, minP, typicalP, topNSigma, probability, threshold]);
}

export function readDrawing(from: Float64Array): { drawing: Drawing; step: number } {
  const [low, high, step, temperature, topK, topP, minP, typicalP, topNSigma, probability, threshold] = from;
  const seed = BigInt(low) | (BigInt(high) << 32n);
  const xtc = probability > 0 ? { probability, threshold } : undefined;
  return { drawing: { temperature, topK, topP, minP, typicalP, topNSigma, xtc, seed }, step };
}
