import { DraftSpeculation } from "./draft.ts";
import type { GenerationStart } from "./generation.ts";
import { LookupSpeculation, type Speculation } from "./speculation.ts";

/** What guesses for a generation, as its options ask; null: nothing does. */
export function speculationOf(start: GenerationStart, signal: AbortSignal | undefined): Speculation | null {
  const { options, vocab, seed, candidates, prompt, constraint, rules, scheduler } = start;
  const { speculate } = options;
  if (speculate === false) return null;
  if (speculate === "lookup") return new LookupSpeculation(vocab);
  const endIds = new Set([...rules.stopIds, ...rules.stopNames.keys()]);
  const prompted = prompt.length;
  const parts = { options, vocab, seed, candidates, prompt: prompted, endIds, constraint, signal };
  return new DraftSpeculation({ drafter: speculate, own: scheduler, ...parts });
}
