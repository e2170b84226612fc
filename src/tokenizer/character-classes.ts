/** Classes of characters that the split rules ask for, by code point. */

export const UPPER = 1; // Lu, Lt
export const LOWER = 2; // Ll
export const CASELESS = 4; // Lm, Lo
export const MARK = 8; // M: part of words, yet not a letter
export const NUMBER = 16; // N
export const SPACE = 32; // White_Space
export const NEWLINE = 64; // CR, LF
const WIDE = 128; // outside the BMP: two UTF-16 units

export const LETTER = UPPER | LOWER | CASELESS;

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

/** Classes of the character at `at`, a bit each. */
export function classAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 128) return ascii[unit];
  const code = unit >= 0xd800 && unit < 0xdc00 ? text.codePointAt(at)! : unit;
  return (pages[code >> 8] ?? page(code >> 8))[code & 255];
}

/** UTF-16 units of a character with these classes. */
export const width = (classes: number): number => (classes & WIDE ? 2 : 1);

/** End of the run of characters in one of `classes`. */
export function runEnd(text: string, start: number, end: number, classes: number): number {
  let at = start;
  while (at < end) {
    const found = classAt(text, at);
    if (!(found & classes)) break;
    at += width(found);
  }
  return at;
}

/** End of the run of characters in none of `classes`. */
export function runEndWithout(text: string, start: number, end: number, classes: number): number {
  let at = start;
  while (at < end) {
    const found = classAt(text, at);
    if (found & classes) break;
    at += width(found);
  }
  return at;
}
