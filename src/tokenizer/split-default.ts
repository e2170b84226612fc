/**
 * What llama.cpp does with a byte-level GGUF file that names no rule of its own: runs of punctuation apart, then GPT-2's
 * pattern, then numbers apart, then their ASCII digits in threes. Source: the default case of `llm_tokenizer_bpe`.
 */
import { classAt, LETTER, NUMBER, runEnd, SPACE, width } from "./character-classes.ts";
import type { SplitRule } from "./split.ts";

const PUNCTUATION = /[\p{P}$+<=>^~|]/u;
const ascii = Array.from({ length: 128 }, (_, code) => PUNCTUATION.test(String.fromCharCode(code)));

function isPunctuation(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit < 128 ? ascii[unit] : PUNCTUATION.test(String.fromCodePoint(text.codePointAt(at)!));
}

function defaultPieceEnd(text: string, start: number, end: number): number {
  if (isPunctuation(text, start)) return symbolsEnd(text, start, end, true);
  // What follows a run of punctuation, or stands before one, sees nothing of it.
  const spaced = text.charCodeAt(start) === 32 && start + 1 < end && !isPunctuation(text, start + 1);
  const at = spaced ? start + 1 : start;
  const classes = classAt(text, at);
  if (classes & LETTER) return runEnd(text, at, end, LETTER);
  if (classes & NUMBER) return spaced ? at : numberEnd(text, at, end);
  if (!(classes & SPACE)) return symbolsEnd(text, at, end, false);
  const spaces = runEnd(text, start, end, SPACE);
  return spaces < end && spaces - start > 1 && !isPunctuation(text, spaces) ? spaces - 1 : spaces;
}

function symbolsEnd(text: string, start: number, end: number, punctuation: boolean): number {
  let at = start;
  while (at < end) {
    const classes = classAt(text, at);
    if (classes & (SPACE | LETTER | NUMBER) || isPunctuation(text, at) !== punctuation) break;
    at += width(classes);
  }
  return at;
}

/** Three ASCII digits, or what stands before the next three. */
function numberEnd(text: string, start: number, end: number): number {
  let digits = 0;
  for (let at = start; at < end; ) {
    const classes = classAt(text, at);
    if (!(classes & NUMBER)) return at;
    at += width(classes);
    const unit = text.charCodeAt(at - 1);
    digits = unit >= 48 && unit <= 57 ? digits + 1 : 0;
    if (digits === 3) return at - 3 === start ? at : at - 3;
  }
  return end;
}

export const DEFAULT: SplitRule = {
  name: "default",
  ggufNames: ["default"],
  patterns: [],
  pieceEnd: defaultPieceEnd,
  ggufAddBos: false,
  ggufIgnoreMerges: false,
};
