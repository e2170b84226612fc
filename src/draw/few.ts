import { PEAK } from "../../assembly/abi.ts";
import { log } from "../exact.ts";
import type { Drawing } from "./draw.ts";
import { reachedBy } from "./peaks.ts";
import { LEAST_SPANS, MASS_ERROR, type Spans, weighSpans } from "./spans.ts";

/** Bounds of what all tokens weigh together; the likeliest weighs 1. */
export interface Mass {
  readonly least: number;
  readonly most: number;
}

/** Tokens among which is whatever a draw can choose: those whose logits reach `least`. */
export interface Few {
  readonly least: number;
  /** Of all tokens, where the cut is by a share of it; null: where the few are all that counts. */
  readonly mass: Mass | null;
}

/** Added to the logarithm of a weight: `expWeights` errs by 1e-10. */
const MARGIN = 1e-9;
/** Of making the bound better. */
const MOST_ROUNDS = 6;

/** null: all logits have to be read, since the few are not few, a logit is no finite number, or masses are not known. */
export function fewOf(drawing: Drawing, spans: Spans): Few | null {
  const { temperature, topK, topP, minP } = drawing;
  if (temperature === 0 || topK > 0) {
    const least = reachedBy(temperature > 0 ? topK : 1, spans.peaks);
    return least === null ? null : { least, mass: null };
  }
  if (topP === 1 && minP === 0) return null;
  const max = reachedBy(1, spans.peaks);
  const nucleus = max === null || topP === 1 ? null : nucleusOf(drawing, spans, max);
  if (max === null || (topP < 1 && !nucleus)) return null;
  const lightest = Math.max(minP, nucleus?.lightest ?? 0);
  return { least: max + temperature * (log(lightest) - MARGIN), mass: nucleus?.mass ?? null };
}

/** What all tokens weigh, and a weight that every token of the nucleus has. */
function nucleusOf(
  { temperature, topP }: Drawing,
  { peaks, masses }: Spans,
  max: number,
): { mass: Mass; lightest: number } | null {
  if (!masses) return null;
  const { heaviest, weights } = weighSpans(peaks, masses, max, temperature);
  let total = 0;
  for (const weight of weights) total += weight;
  const mass = { least: total * (1 - MASS_ERROR), most: total * (1 + MASS_ERROR) };
  // Tokens lighter than `lightest` weigh (1 - topP) total at most, so what comes before any of them exceeds topP: those of spans that hold no
  // others weigh what their masses say, PEAK of each other span that much each. The better the bound, the fewer those are; a span that falls
  // below it weighs less than was counted for it.
  let lightest = 0;
  let others = peaks.length;
  for (let round = 0, light = 0, before = Number.POSITIVE_INFINITY; round < MOST_ROUNDS && others < before; round++) {
    const bound = (((1 - topP) * mass.least - light * (1 + MASS_ERROR)) / (PEAK * others)) * (1 - 1e-9);
    lightest = Math.max(lightest, bound);
    before = others;
    light = 0;
    others = 0;
    for (let span = 0; span < heaviest.length; span++) {
      if (heaviest[span] < lightest) light += weights[span];
      else others++;
    }
  }
  return others * LEAST_SPANS > peaks.length ? null : { mass, lightest };
}
