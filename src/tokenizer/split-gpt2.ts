/** The rule of GPT-2, written from the regular expression in `GPT2.patterns[0]`, and SmolLM's: digits apart, then GPT-2. */
import { classAt, LETTER, NUMBER, runEnd, runEndWithout, SPACE, width } from "./character-classes.ts";
import type { SplitRule } from "./split.ts";

function gpt2PieceEnd(text: string, start: number, end: number): number {
  const contraction = lowercaseContractionEnd(text, start, end);
  if (contraction > start) return contraction;
  const at = text.charCodeAt(start) === 32 && start + 1 < end ? start + 1 : start;
  const classes = classAt(text, at);
  if (classes & LETTER) return runEnd(text, at, end, LETTER);
  if (classes & NUMBER) return runEnd(text, at, end, NUMBER);
  if (!(classes & SPACE)) return runEndWithout(text, at, end, SPACE | LETTER | NUMBER);
  const spaces = runEnd(text, start, end, SPACE);
  // All but the last one: what follows may take that.
  return spaces < end && spaces - start > 1 ? spaces - 1 : spaces;
}

function smollmPieceEnd(text: string, start: number, end: number): number {
  const first = classAt(text, start);
  if (first & NUMBER) return start + width(first);
  if (!(first & SPACE)) return gpt2PieceEnd(text, start, end);
  // The text ends at a digit as far as GPT-2's part sees: the spaces before it stay together.
  const spaces = runEnd(text, start, end, SPACE);
  return spaces < end && classAt(text, spaces) & NUMBER ? spaces : gpt2PieceEnd(text, start, end);
}

function lowercaseContractionEnd(text: string, at: number, end: number): number {
  if (at + 1 >= end || text.charCodeAt(at) !== 39) return at;
  if ("stmd".includes(text[at + 1])) return at + 2;
  return at + 2 < end && ["re", "ve", "ll"].includes(text.slice(at + 1, at + 3)) ? at + 3 : at;
}

export const GPT2: SplitRule = {
  name: "gpt2",
  ggufNames: ["gpt-2", "gpt2"],
  patterns: ["'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"],
  pieceEnd: gpt2PieceEnd,
  ggufAddBos: false,
  ggufIgnoreMerges: false,
};

/** In `tokenizer.json` the two steps stand one after the other, without a pattern to compare. */
export const SMOLLM: SplitRule = {
  name: "smollm",
  ggufNames: ["smollm"],
  patterns: [],
  pieceEnd: smollmPieceEnd,
  ggufAddBos: false,
  ggufIgnoreMerges: false,
};
