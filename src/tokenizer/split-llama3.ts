/**
 * The cl100k rule of Llama 3, written from the regular expression in `LLAMA3.patterns[0]`; and the scanners of the
 * alternatives that Llama 4 kept.
 */
import { classAt, LETTER, NEWLINE, NUMBER, runEnd, runEndWithout, SPACE, width } from "./character-classes.ts";
import type { SplitRule } from "./split.ts";

function llama3PieceEnd(text: string, start: number, end: number): number {
  const contraction = contractionEnd(text, start, end);
  if (contraction > start) return contraction;
  const first = classAt(text, start);
  if (first & LETTER) return runEnd(text, start, end, LETTER);
  if (first & NUMBER) return numberEnd(text, start, end);
  const second = start + width(first);
  // One character that is neither letter, number nor newline may lead a word.
  if (!(first & NEWLINE) && second < end && classAt(text, second) & LETTER) return runEnd(text, second, end, LETTER);
  const symbols = symbolsStart(text, start, end);
  if (symbols < 0) return spacesEnd(text, start, end);
  return runEnd(text, runEndWithout(text, symbols, end, SPACE | LETTER | NUMBER), end, NEWLINE);
}

/** End of an English contraction at `at`, in any case (U+017F folds to s); `at` when there is none. */
export function contractionEnd(text: string, at: number, end: number): number {
  if (at + 1 >= end || text.charCodeAt(at) !== 39) return at;
  const one = text[at + 1];
  if ("sStTmMdD\u017f".includes(one)) return at + 2;
  if (at + 2 >= end) return at;
  const two = text[at + 2];
  if ("rRvV".includes(one) && "eE".includes(two)) return at + 3;
  if ("lL".includes(one) && "lL".includes(two)) return at + 3;
  return at;
}

/** Up to three digits. */
export function numberEnd(text: string, start: number, end: number): number {
  let at = start;
  for (let digits = 0; digits < 3 && at < end; digits++) {
    const classes = classAt(text, at);
    if (!(classes & NUMBER)) break;
    at += width(classes);
  }
  return at;
}

/** Where the symbols begin that `start` leads into, directly or by one space; -1 when none do. */
export function symbolsStart(text: string, start: number, end: number): number {
  const at = text.charCodeAt(start) === 32 ? start + 1 : start;
  return at < end && !(classAt(text, at) & (SPACE | LETTER | NUMBER)) ? at : -1;
}

/** Up to the last newline of the run; else the run, less one character when something follows that may take it. */
export function spacesEnd(text: string, start: number, end: number): number {
  let at = start;
  let lastNewline = -1;
  for (; at < end; at++) {
    const classes = classAt(text, at);
    if (!(classes & SPACE)) break;
    if (classes & NEWLINE) lastNewline = at + 1;
  }
  if (lastNewline >= 0) return lastNewline;
  return at < end && at - start > 1 ? at - 1 : at;
}

export const LLAMA3: SplitRule = {
  name: "llama-bpe",
  ggufNames: ["llama-bpe", "llama3", "llama-v3"],
  patterns: [
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
  pieceEnd: llama3PieceEnd,
  ggufAddBos: true,
  ggufIgnoreMerges: true,
};
