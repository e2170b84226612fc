import { ANY, type CodePoints, PLAIN, utf8, without } from "./code-points.ts";
import { bytes, choice, EMPTY, type Fragment, literal, optional, type Range, repeat, sequence } from "./fragment.ts";
import { patternFragment } from "./regex.ts";
import type { Json } from "./schema-keywords.ts";

/** How values are written: as JSON, or as literals of another language. Lists, members and numbers are the same in all of them. */
export interface Notation {
  readonly null: string;
  readonly true: string;
  readonly false: string;
  /** One code point within quotes, as it is or escaped. */
  readonly character: Fragment;
  /** One code point of a set within quotes. */
  readonly write: (set: CodePoints) => Fragment;
  /** A value as a whole, in one spelling. */
  readonly value: (value: Json) => string;
}

export const QUOTE = literal('"');
const SPACE = optional(literal(" "));
export const COLON = sequence(literal(":"), SPACE);
export const COMMA = sequence(literal(","), SPACE);

/** Code points that stand within quotes as they are. */
export const UNESCAPED = utf8([...PLAIN, [0x7f, 0x7f] as const].sort((a, b) => a[0] - b[0]));

/** Hexadecimal digits, all or those up to a value or from one on. */
export function hexDigits(first = 0, last = 15): Fragment {
  const ranges = (
    [
      [0, 9, 48],
      [10, 15, 65],
      [10, 15, 97],
    ] as const
  ).flatMap(([low, high, base]): Range[] => {
    const [from, to] = [Math.max(first, low), Math.min(last, high)];
    return from > to ? [] : [[base + from - low, base + to - low]];
  });
  return bytes(ranges);
}

export const oneOf = (chars: string): Fragment =>
  bytes([...chars].map((char) => [char.charCodeAt(0), char.charCodeAt(0)] as const));

/** A string of so many code points. */
export const textOf = ({ character }: Notation, min: number, max: number): Fragment =>
  sequence(QUOTE, repeat(character, min, max, true), QUOTE);

/** A string that holds what the pattern looks for. */
export function patterned({ write }: Notation, pattern: string, field: string): Fragment {
  const around = repeat(write(ANY), 0, Number.POSITIVE_INFINITY, true);
  return sequence(QUOTE, patternFragment(pattern, { whole: false, write, around, field }), QUOTE);
}

/** One code point of a set: as it is but for the first of the quotes and below the space, which `spell` writes. */
export function escaping(set: CodePoints, spell: (char: string) => string): Fragment {
  const escaped: Fragment[] = [];
  for (const [first, last] of set) {
    for (let point = first; point <= Math.min(last, 0x5c); point++)
      if (point < 0x20 || point === 0x22 || point === 0x5c) escaped.push(literal(spell(String.fromCodePoint(point))));
  }
  return choice(utf8(without(set, NEEDS_ESCAPE)), ...escaped);
}

const NEEDS_ESCAPE: CodePoints = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];

/** Names that are none of these, without escapes, so that each has one spelling: a code point of `first`, then any of `later`. */
export function otherNames(names: readonly string[], first: CodePoints, later: CodePoints, empty: boolean): Fragment {
  const tail = repeat(utf8(later), 0, Number.POSITIVE_INFINITY, later === PLAIN);
  const branch = (tails: readonly string[][], start: CodePoints, mayEnd: boolean): Fragment => {
    const next = new Map<string, string[][]>();
    for (const tail of tails) if (tail.length > 0) next.set(tail[0], [...(next.get(tail[0]) ?? []), tail.slice(1)]);
    const taken = [...next.keys()].map((char) => [char.codePointAt(0)!, char.codePointAt(0)!] as const);
    const other = sequence(utf8(without(start, taken)), tail);
    const parts = [other, ...[...next].map(([char, rest]) => sequence(literal(char), branch(rest, later, true)))];
    return !mayEnd || tails.some((tail) => tail.length === 0) ? choice(...parts) : choice(EMPTY, ...parts);
  };
  return branch(
    names.filter((name) => !/["\\\u0000-\u001f\u007f]/.test(name)).map((name) => [...name]),
    first,
    empty,
  );
}
