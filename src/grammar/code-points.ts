import { bytes, choice, type Fragment, NOTHING, type Range, sequence } from "./fragment.ts";

/** Sets of code points as sorted, disjoint ranges, and their UTF-8 (RFC 3629): never a surrogate, never an overlong form. */

export type CodePoints = readonly Range[];

const LAST = 0x10ffff;
export const ANY: CodePoints = [[0, LAST]];
/** What most tokens are made of, and what stands in a JSON string as it is. */
export const PLAIN: CodePoints = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0x7e],
  [0x80, LAST],
];

export function union(...sets: CodePoints[]): CodePoints {
  const sorted = sets.flat().sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

export function complement(set: CodePoints): CodePoints {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [first, last] of union(set)) {
    if (first > next) rest.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) rest.push([next, LAST]);
  return rest;
}

export const without = (set: CodePoints, taken: CodePoints): CodePoints => complement(union(complement(set), taken));
export const covers = (set: CodePoints, part: CodePoints): boolean => without(part, set).length === 0;
export const has = (set: CodePoints, point: number): boolean =>
  set.some(([first, last]) => point >= first && point <= last);

const SURROGATES: CodePoints = [[0xd800, 0xdfff]];

const made = new WeakMap<CodePoints, Fragment>();

/** One code point of the set. */
export function utf8(set: CodePoints): Fragment {
  let fragment = made.get(set);
  if (!fragment) {
    fragment = encode(set);
    made.set(set, fragment);
  }
  return fragment;
}

function encode(set: CodePoints): Fragment {
  const single: Range[] = [];
  const longer: Fragment[] = [];
  for (const [first, last] of without(set, SURROGATES)) {
    if (first < 0x80) single.push([first, Math.min(last, 0x7f)]);
    for (const [low, high, length] of [
      [0x80, 0x7ff, 2],
      [0x800, 0xffff, 3],
      [0x10000, LAST, 4],
    ]) {
      if (first <= high && last >= low) cut(Math.max(first, low), Math.min(last, high), length, longer);
    }
  }
  if (single.length > 0) longer.unshift(bytes(single));
  return longer.length === 0 ? NOTHING : choice(...longer);
}

/** Ranges whose bytes vary freely, each place by itself. */
function cut(first: number, last: number, length: number, out: Fragment[]): void {
  for (let tail = 1; tail < length; tail++) {
    const mask = (1 << (6 * tail)) - 1;
    if ((first & ~mask) === (last & ~mask)) break;
    if ((first & mask) !== 0) {
      cut(first, first | mask, length, out);
      cut((first | mask) + 1, last, length, out);
      return;
    }
    if ((last & mask) !== mask) {
      cut(first, (last & ~mask) - 1, length, out);
      cut(last & ~mask, last, length, out);
      return;
    }
  }
  const low = spell(first, length);
  const high = spell(last, length);
  out.push(sequence(...low.map((byte, at) => bytes([[byte, high[at]]]))));
}

function spell(point: number, length: number): number[] {
  const out: number[] = [];
  for (let at = length - 2; at >= 0; at--) out.push(0x80 | ((point >> (6 * at)) & 0x3f));
  return [[0, 0, 0xc0, 0xe0, 0xf0][length] | (point >> (6 * (length - 1))), ...out];
}
