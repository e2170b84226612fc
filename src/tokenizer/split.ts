/**
 * Pre-tokenizer rules: where byte-pair merges may not cross.
 *
 * Each rule is a hand-written scanner that takes one look (at most two) at every character, so hostile text costs
 * linear time. Files name a rule or quote its regular expression; both are only ever compared with the texts in this
 * table, never compiled.
 */
import { EngineError } from "../error.ts";

/** End of the piece that starts at `start`; sees nothing from `end` on. Always greater than `start`. */
export type PieceEnd = (text: string, start: number, end: number) => number;

export interface SplitRule {
  readonly name: string;
  /** Values of `tokenizer.ggml.pre`. */
  readonly ggufNames: readonly string[];
  /** Regular expressions of `tokenizer.json`, by exact text. */
  readonly patterns: readonly string[];
  readonly pieceEnd: PieceEnd;
}

const UPPER = 1; // Lu, Lt
const LOWER = 2; // Ll
const CASELESS = 4; // Lm, Lo
const MARK = 8; // M: part of words, yet not a letter
const NUMBER = 16; // N
const SPACE = 32; // White_Space
const NEWLINE = 64; // CR, LF
const WIDE = 128; // outside the BMP: two UTF-16 units

const LETTER = UPPER | LOWER | CASELESS;
const WORD_HEAD = UPPER | CASELESS | MARK;
const WORD_TAIL = LOWER | CASELESS | MARK;

// JS \s is not White_Space: it has U+FEFF and lacks U+0085.
const CLASSES: readonly [RegExp, number][] = [
  [/[\p{Lu}\p{Lt}]/u, UPPER],
  [/\p{Ll}/u, LOWER],
  [/[\p{Lm}\p{Lo}]/u, CASELESS],
  [/\p{M}/u, MARK],
  [/\p{N}/u, NUMBER],
  [/[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u, SPACE],
  [/[\r\n]/, NEWLINE],
];

/** Classes of 256 code points each, made when a text first needs them. */
const pages: Uint8Array[] = [];
const ascii = page(0);

function page(index: number): Uint8Array {
  const classes = new Uint8Array(256);
  for (let low = 0; low < 256; low++) {
    const char = String.fromCodePoint(index * 256 + low);
    for (const [pattern, bit] of CLASSES) if (pattern.test(char)) classes[low] |= bit;
    if (index >= 256) classes[low] |= WIDE;
  }
  pages[index] = classes;
  return classes;
}

function classAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 128) return ascii[unit];
  const code = unit >= 0xd800 && unit < 0xdc00 ? text.codePointAt(at)! : unit;
  return (pages[code >> 8] ?? page(code >> 8))[code & 255];
}

const width = (classes: number): number => (classes & WIDE ? 2 : 1);

/**
 * The o200k rule of Llama 4: seven alternatives, the first that matches wins.
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
  const symbols = first & SPACE && text.charCodeAt(start) === 32 ? second : start;
  if (symbols < end && !(classAt(text, symbols) & (SPACE | LETTER | NUMBER))) return symbolsEnd(text, symbols, end);
  return spacesEnd(text, start, end);
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

/** English contractions after a word, in any case; U+017F folds to s. */
function contractionEnd(text: string, at: number, end: number): number {
  if (at + 1 >= end || text.charCodeAt(at) !== 39) return at;
  const one = text[at + 1];
  if ("sStTmMdD\u017f".includes(one)) return at + 2;
  if (at + 2 >= end) return at;
  const two = text[at + 2];
  if ("rRvV".includes(one) && "eE".includes(two)) return at + 3;
  if ("lL".includes(one) && "lL".includes(two)) return at + 3;
  return at;
}

function numberEnd(text: string, start: number, end: number): number {
  let at = start;
  for (let digits = 0; digits < 3 && at < end; digits++) {
    const classes = classAt(text, at);
    if (!(classes & NUMBER)) break;
    at += width(classes);
  }
  return at;
}

function symbolsEnd(text: string, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const classes = classAt(text, at);
    if (classes & (SPACE | LETTER | NUMBER)) break;
    at += width(classes);
  }
  while (at < end && (classAt(text, at) & NEWLINE || text.charCodeAt(at) === 47)) at++;
  return at;
}

/** Up to the last newline of the run; else the run, less one character when a word follows that may take it. */
function spacesEnd(text: string, start: number, end: number): number {
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

const LLAMA4: SplitRule = {
  name: "llama4",
  ggufNames: ["llama4", "gpt-4o"],
  patterns: [
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
  pieceEnd: llama4PieceEnd,
};

/** Every rule we know; a further one is a scanner and a row. */
export const SPLIT_RULES: readonly SplitRule[] = [LLAMA4];

/** The rule that a GGUF file names. */
export function ruleByName(name: string, file: string): SplitRule {
  const rule = SPLIT_RULES.find((one) => one.ggufNames.includes(name));
  if (rule) return rule;
  throw new EngineError("TOK_REGEX", "unknown pre-tokenizer rule", {
    at: { source: "tokenizer", file, field: "tokenizer.ggml.pre" },
    actual: name,
    limit: `one of ${SPLIT_RULES.flatMap((one) => one.ggufNames).join(", ")}`,
  });
}

/** The rule whose regular expression a `tokenizer.json` quotes. */
export function ruleByPattern(pattern: string, file: string, field: string): SplitRule {
  const rule = SPLIT_RULES.find((one) => one.patterns.includes(pattern));
  if (rule) return rule;
  throw new EngineError("TOK_REGEX", "unknown pre-tokenizer pattern", {
    at: { source: "tokenizer", file, field },
    actual: pattern,
    limit: `the exact pattern of ${SPLIT_RULES.map((one) => one.name).join(", ")}`,
  });
}

/** The pieces of a text, for tests and for the curious. */
export function splitText(rule: SplitRule, text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const next = rule.pieceEnd(text, at, text.length);
    pieces.push(text.slice(at, next));
    at = next;
  }
  return pieces;
}
