import { ANY, type CodePoints, PLAIN, utf8, without } from "./code-points.ts";
import { bytes, choice, EMPTY, type Fragment, literal, optional, repeat, sequence } from "./fragment.ts";
import { patternFragment, writeInJson } from "./regex.ts";

/** What JSON is written of: strings, and what stands between values. */

const HEX = bytes([
  [48, 57],
  [65, 70],
  [97, 102],
]);
const HEX_NOT_D = bytes([
  [48, 57],
  [65, 67],
  [69, 70],
  [97, 99],
  [101, 102],
]);
const D = bytes([
  [68, 68],
  [100, 100],
]);
const ESCAPE = sequence(
  literal("\\"),
  choice(
    bytes([...'"\\/bfnrt'].map((char) => [char.charCodeAt(0), char.charCodeAt(0)] as const)),
    sequence(
      literal("u"),
      choice(
        sequence(HEX_NOT_D, HEX, HEX, HEX),
        sequence(D, bytes([[48, 55]]), HEX, HEX),
        // A pair of surrogates is one code point; half of one is no Unicode.
        sequence(
          D,
          bytes([
            [56, 57],
            [65, 66],
            [97, 98],
          ]),
          HEX,
          HEX,
          literal("\\u"),
          D,
          bytes([
            [67, 70],
            [99, 102],
          ]),
          HEX,
          HEX,
        ),
      ),
    ),
  ),
);
export const QUOTE = literal('"');
const UNESCAPED = utf8([...PLAIN, [0x7f, 0x7f]].sort((a, b) => a[0] - b[0]) as CodePoints);
const CHARACTER = choice(UNESCAPED, ESCAPE);
/** A string of so many code points. */
export const textOf = (min: number, max: number) => sequence(QUOTE, repeat(CHARACTER, min, max, true), QUOTE);
export const FREE_TEXT = textOf(0, Number.POSITIVE_INFINITY);
const SPACE = optional(literal(" "));
export const COLON = sequence(literal(":"), SPACE);
export const COMMA = sequence(literal(","), SPACE);

const AROUND = repeat(writeInJson(ANY), 0, Number.POSITIVE_INFINITY, true);
/** What stands in a string that holds what the pattern looks for. */
export const inString = (pattern: string, field: string) =>
  patternFragment(pattern, { whole: false, write: writeInJson, around: AROUND, field });

/** Names that are none of these: without escapes, so that each has one spelling. */
export function otherNames(names: readonly string[]): Fragment {
  const branch = (tails: readonly string[][]): Fragment => {
    const next = new Map<string, string[][]>();
    for (const tail of tails) if (tail.length > 0) next.set(tail[0], [...(next.get(tail[0]) ?? []), tail.slice(1)]);
    const taken = [...next.keys()].map((char) => [char.codePointAt(0)!, char.codePointAt(0)!] as const);
    const other = sequence(utf8(without(PLAIN, taken)), repeat(utf8(PLAIN), 0, Number.POSITIVE_INFINITY, true));
    const parts = [other, ...[...next].map(([char, rest]) => sequence(literal(char), branch(rest)))];
    return tails.some((tail) => tail.length === 0) ? choice(...parts) : choice(EMPTY, ...parts);
  };
  return branch(names.filter((name) => !/["\\\u0000-\u001f\u007f]/.test(name)).map((name) => [...name]));
}
