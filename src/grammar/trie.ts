import { has, PLAIN } from "./code-points.ts";
import { compareBytes } from "./program.ts";

/** The bytes of a vocabulary, as what an automaton is walked over. */

/** Nodes in the order of a walk that goes down first. */
export interface Trie {
  readonly bytes: Uint8Array;
  /** Bytes before this one: the place of its node's state in a walk. */
  readonly depths: Uint16Array;
  /** The first node that is not below. */
  readonly skips: Int32Array;
  /** [nodes + 1] Where the ids of each node begin in `ids`. */
  readonly begins: Int32Array;
  readonly ids: Int32Array;
}

export class VocabularyBytes {
  readonly size: number;
  readonly all: Trie;
  /** Those that are not plain text, which the walk of a state of text must look at. */
  readonly odd: Trie;
  readonly oddIds: Int32Array; //   ascending
  /** Never allowed: no bytes, or no text. */
  readonly neverIds: Int32Array; // ascending
  /** Those that are whole plain code points, by how many, then by id. */
  readonly plainIds: Int32Array;
  readonly plainCounts: Uint16Array;
  readonly longest: number;
  readonly mostPoints: number;
  /** Working memory of masks in the making: nothing in it outlives one. */
  readonly found: Int32Array; // [vocab] ids of a walk
  readonly marks: Uint8Array; // [vocab]
  readonly path: Int32Array; //  states of a walk, by depth

  /** `bytesOf`: null for an id that stands for no text. */
  constructor(size: number, bytesOf: (id: number) => Uint8Array | null) {
    const texts: Uint8Array[] = [];
    const shown: number[] = [];
    const odd: number[] = [];
    const never: number[] = [];
    const plain: [id: number, count: number][] = [];
    let longest = 1;
    for (let id = 0; id < size; id++) {
      const bytes = bytesOf(id);
      if (bytes === null || bytes.length === 0) {
        never.push(id);
        continue;
      }
      texts[id] = bytes;
      shown.push(id);
      longest = Math.max(longest, bytes.length);
      const count = plainPoints(bytes);
      if (count < 0) odd.push(id);
      else plain.push([id, count]);
    }
    plain.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    this.size = size;
    this.longest = longest;
    this.found = new Int32Array(size);
    this.marks = new Uint8Array(size);
    this.path = new Int32Array(longest + 1);
    this.oddIds = Int32Array.from(odd);
    this.neverIds = Int32Array.from(never);
    this.plainIds = Int32Array.from(plain, ([id]) => id);
    this.plainCounts = Uint16Array.from(plain, ([, count]) => count);
    this.mostPoints = plain.at(-1)?.[1] ?? 0;
    // Most differ in their first six bytes, which are one number.
    const heads = new Float64Array(size);
    for (const id of shown) for (let at = 0; at < 6; at++) heads[id] = heads[id] * 256 + (texts[id][at] ?? 0);
    const order = (ids: number[]) =>
      ids.sort((a, b) => heads[a] - heads[b] || compareBytes(texts[a], texts[b]) || a - b);
    this.all = buildTrie(order(shown), texts);
    this.odd = buildTrie(order(odd), texts);
  }
}

function buildTrie(sorted: readonly number[], texts: readonly Uint8Array[]): Trie {
  const bytes: number[] = [];
  const depths: number[] = [];
  const skips: number[] = [];
  const begins: number[] = [];
  const path: number[] = [];
  let before: Uint8Array = new Uint8Array(0);
  const close = (depth: number) => {
    while (path.length > depth) skips[path.pop()!] = bytes.length;
  };
  for (const [place, id] of sorted.entries()) {
    const text = texts[id];
    let same = 0;
    while (same < before.length && same < text.length && before[same] === text[same]) same++;
    close(same);
    for (let at = same; at < text.length; at++) {
      path.push(bytes.length);
      bytes.push(text[at]);
      depths.push(at);
      // Inner nodes have no ids: theirs begin where those of the next node do.
      begins.push(place);
    }
    before = text;
  }
  close(0);
  begins.push(sorted.length);
  return {
    bytes: Uint8Array.from(bytes),
    depths: Uint16Array.from(depths),
    skips: Int32Array.from(skips),
    begins: Int32Array.from(begins),
    ids: Int32Array.from(sorted),
  };
}

/** How many plain code points these bytes are; -1: they are something else, or half of one. */
function plainPoints(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    const lead = bytes[at];
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length === 0 || at + length > bytes.length) return -1;
    let point = length === 1 ? lead : lead & (0xff >> (length + 1));
    for (let next = 1; next < length; next++) {
      if ((bytes[at + next] & 0xc0) !== 0x80) return -1;
      point = (point << 6) | (bytes[at + next] & 0x3f);
    }
    const isShortest = point >= [0, 0, 0x80, 0x800, 0x10000][length];
    if (!isShortest || (point >= 0xd800 && point <= 0xdfff) || !has(PLAIN, point)) return -1;
    at += length;
  }
  return count;
}
