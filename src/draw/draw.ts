import type { Candidates } from "./candidates.ts";
import { fewOf } from "./few.ts";
import { uniform } from "./random.ts";
import { cutsNothing, type Spans, spanScale } from "./spans.ts";
import { drawWhole } from "./whole.ts";

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

/** The token of step `step`. Throws MODEL_NONFINITE and SAMPLE_NO_CANDIDATE. `spans`: as `spanScale` wants them, where they are known. */
export function draw(
  candidates: Candidates,
  drawing: Drawing,
  step: number,
  logits: Float32Array,
  spans: Spans | null,
): number {
  const known = spanScale(drawing) === null ? null : spans;
  const whole =
    known && cutsNothing(drawing) ? drawWhole(logits, known, drawing.temperature, uniform(drawing.seed, step)) : null;
  if (whole !== null) return whole;
  const few = known && fewOf(drawing, known);
  if (few) candidates.narrow(logits, known.peaks, few, []);
  else candidates.load(logits);
  const likeliest = candidates.findLikeliest(step);
  if (drawing.temperature === 0) return likeliest;
  return candidates.ids[drawLoaded(candidates, drawing, step, () => candidates.load(logits))];
}

/**
 * Where in `ids` the token stands that is drawn of what is loaded, whose likeliest was found. `loadAll`: in the place of the few that are
 * loaded, where they do not say what is cut.
 */
export function drawLoaded(candidates: Candidates, drawing: Drawing, step: number, loadAll: () => void): number {
  const { xtc, seed } = drawing;
  const excludes = xtc !== undefined && uniform(seed, step, true) < xtc.probability;
  const cuts = { ...drawing, excluded: excludes ? xtc.threshold : null };
  const at = candidates.draw(cuts, uniform(seed, step));
  if (at !== null) return at;
  loadAll();
  candidates.findLikeliest(step);
  return candidates.draw(cuts, uniform(seed, step))!;
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
