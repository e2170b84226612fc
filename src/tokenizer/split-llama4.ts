/** The o200k rule of Llama 4. */
import {
  CASELESS,
  classAt,
  LETTER,
  LOWER,
  MARK,
  NEWLINE,
  NUMBER,
  runEndWithout,
  SPACE,
  UPPER,
  width,
} from "./character-classes.ts";
import type { SplitRule } from "./split.ts";
import { contractionEnd, numberEnd, spacesEnd, symbolsStart } from "./split-llama3.ts";

const WORD_HEAD = UPPER | CASELESS | MARK;
const WORD_TAIL = LOWER | CASELESS | MARK;

/**
 * Seven alternatives, the first that matches wins.
 * Written from the regular expression in `LLAMA4.patterns[0]`, with its backtracking worked out by hand.
 */
function llama4PieceEnd(text: string, start: number, end: number): number {
  const first = classAt(text, start);
  const second = start + width(first);
  if (!(first & (NUMBER | NEWLINE))) {
    // One character that is neither letter, number nor newline may lead a word.
    let word = wordEnd(text, first & LETTER ? start : second, end, !(first & MARK));
    // A mark that cannot lead the word after it is a word itself.
    if (word < 0 && first & MARK) word = second;
    if (word >= 0) return contractionEnd(text, word, end);
  }
  if (first & NUMBER) return numberEnd(text, start, end);
  const symbols = symbolsStart(text, start, end);
  return symbols < 0 ? spacesEnd(text, start, end) : symbolsEnd(text, symbols, end);
}

/** `head* tail+`, else (when `allCaps`) `head+`; -1 when neither matches. */
function wordEnd(text: string, start: number, end: number, allCaps: boolean): number {
  let at = start;
  let lastShared = -1; // end of the last character that is head and tail: where `tail+` falls back to
  let classes = 0;
  for (; at < end; at += width(classes)) {
    classes = classAt(text, at);
    if (!(classes & WORD_HEAD)) break;
    if (classes & (CASELESS | MARK)) lastShared = at + width(classes);
  }
  if (at < end && classes & LOWER) {
    for (; at < end; at += width(classes)) {
      classes = classAt(text, at);
      if (!(classes & WORD_TAIL)) break;
    }
    return at;
  }
  if (lastShared >= 0) return lastShared;
  return allCaps && at > start ? at : -1;
}

function symbolsEnd(text: string, start: number, end: number): number {
  let at = runEndWithout(text, start, end, SPACE | LETTER | NUMBER);
  while (at < end && (classAt(text, at) & NEWLINE || text.charCodeAt(at) === 47)) at++;
  return at;
}

export const LLAMA4: SplitRule = {
  name: "llama4",
  ggufNames: ["llama4", "gpt-4o"],
  patterns: [
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
  pieceEnd: llama4PieceEnd,
  // Converters did not always write the key; a Llama 4 is trained with the token in front.
  ggufAddBos: true,
  ggufIgnoreMerges: false,
};
