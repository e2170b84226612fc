import { has, PLAIN } from "./code-points.ts";

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
    const texts = new Texts(size, bytesOf);
    const { begins, points } = texts;
    const shown = new Int32Array(size);
    const odd = new Int32Array(size);
    const never = new Int32Array(size);
    const counts = { shown: 0, odd: 0, never: 0 };
    let longest = 1;
    for (let id = 0; id < size; id++) {
      const length = begins[id + 1] - begins[id];
      if (length === 0) never[counts.never++] = id;
      else {
        shown[counts.shown++] = id;
        if (length > longest) longest = length;
        if (points[id] === 0) odd[counts.odd++] = id;
      }
    }
    this.size = size;
    this.longest = longest;
    this.found = new Int32Array(size);
    this.marks = new Uint8Array(size);
    this.path = new Int32Array(longest + 1);
    this.oddIds = odd.slice(0, counts.odd);
    this.neverIds = never.slice(0, counts.never);
    this.plainIds = byPoints(points);
    this.plainCounts = new Uint16Array(this.plainIds.length);
    for (let at = 0; at < this.plainIds.length; at++) this.plainCounts[at] = points[this.plainIds[at]];
    this.mostPoints = this.plainCounts.at(-1) ?? 0;
    const sorted = sortTexts(shown.subarray(0, counts.shown), texts);
    let place = 0;
    for (const id of sorted) if (points[id] === 0) odd[place++] = id;
    this.all = buildTrie(sorted, texts, this.path);
    this.odd = buildTrie(odd.slice(0, counts.odd), texts, this.path);
  }
}

/** All texts one behind the other. Two hundred thousand arrays of a few bytes each would take longer than all that is done with them. */
class Texts {
  bytes = new Uint8Array(2 ** 20);
  /** [size + 1] */
  readonly begins: Int32Array;
  /** Whole plain code points of each; 0: it is something else, or half of one, or nothing. */
  readonly points: Uint16Array;

  constructor(size: number, bytesOf: (id: number) => Uint8Array | null) {
    this.begins = new Int32Array(size + 1);
    this.points = new Uint16Array(size);
    let end = 0;
    for (let id = 0; id < size; id++) {
      const text = bytesOf(id);
      const length = text?.length ?? 0;
      if (end + length > this.bytes.length) {
        const larger = new Uint8Array(2 * (end + length));
        larger.set(this.bytes);
        this.bytes = larger;
      }
      for (let at = 0; at < length; at++) this.bytes[end + at] = text![at];
      this.points[id] = plainPoints(this.bytes, end, end + length);
      end += length;
      this.begins[id + 1] = end;
    }
  }

  /** Two bytes from one on, as a number; what is not there is 0. */
  pair(id: number, from: number): number {
    const at = this.begins[id] + from;
    const left = this.begins[id + 1] - at;
    return left <= 0 ? 0 : (this.bytes[at] << 8) | (left === 1 ? 0 : this.bytes[at + 1]);
  }

  compare(a: number, b: number): number {
    const [from, other] = [this.begins[a], this.begins[b]];
    const [length, otherLength] = [this.begins[a + 1] - from, this.begins[b + 1] - other];
    const most = Math.min(length, otherLength);
    for (let at = 0; at < most; at++) {
      const difference = this.bytes[from + at] - this.bytes[other + at];
      if (difference !== 0) return difference;
    }
    return length - otherLength || a - b;
  }
}

/** Ids of plain text, by their number of code points, then by id. */
function byPoints(points: Uint16Array): Int32Array {
  const ends = new Int32Array(2 ** 16 + 1);
  for (const count of points) ends[count + 1]++;
  ends[1] = 0;
  for (let count = 1; count < ends.length; count++) ends[count] += ends[count - 1];
  const ids = new Int32Array(ends.at(-1)!);
  for (let id = 0; id < points.length; id++) if (points[id] > 0) ids[ends[points[id]]++] = id;
  return ids;
}

const HEAD = 8;

/** Ids in the order of their texts: counted into place by two bytes at a time, the last of the first eight first; few texts are the same up to there. */
function sortTexts(ids: Int32Array, texts: Texts): Int32Array {
  const { length } = ids;
  const pairs = new Uint16Array(length);
  const starts = new Int32Array(2 ** 16 + 1);
  let order = ids;
  let next = new Int32Array(length);
  let spare = new Int32Array(length);
  for (let from = HEAD - 2; from >= 0; from -= 2) {
    starts.fill(0);
    for (let place = 0; place < length; place++) {
      pairs[place] = texts.pair(order[place], from);
      starts[pairs[place] + 1]++;
    }
    for (let pair = 0; pair < 2 ** 16; pair++) starts[pair + 1] += starts[pair];
    for (let place = 0; place < length; place++) next[starts[pairs[place]]++] = order[place];
    order = next;
    [next, spare] = [spare, next];
  }
  for (let begin = 0; begin < length; ) {
    let end = begin + 1;
    while (end < length && sameHead(order[begin], order[end], texts)) end++;
    if (end > begin + FEW) order.subarray(begin, end).sort((a, b) => texts.compare(a, b));
    else insert(order, begin, end, texts);
    begin = end;
  }
  return order;
}

function sameHead(a: number, b: number, texts: Texts): boolean {
  for (let from = 0; from < HEAD; from += 2) if (texts.pair(a, from) !== texts.pair(b, from)) return false;
  return true;
}

const FEW = 16;

/** Sorts the few ids of [begin, end). */
function insert(order: Int32Array, begin: number, end: number, texts: Texts): void {
  for (let next = begin + 1; next < end; next++) {
    const id = order[next];
    let at = next;
    for (; at > begin && texts.compare(order[at - 1], id) > 0; at--) order[at] = order[at - 1];
    order[at] = id;
  }
}

/** `path`: room for the nodes of the longest text. */
function buildTrie(sorted: Int32Array, { bytes: all, begins: starts }: Texts, path: Int32Array): Trie {
  const shared = new Uint16Array(sorted.length);
  let most = 0;
  for (let place = 0; place < sorted.length; place++) {
    const start = starts[sorted[place]];
    const own = starts[sorted[place] + 1] - start;
    if (place > 0) {
      const before = starts[sorted[place - 1]];
      const length = Math.min(own, starts[sorted[place - 1] + 1] - before);
      let same = 0;
      while (same < length && all[before + same] === all[start + same]) same++;
      shared[place] = same;
    }
    most += own - shared[place];
  }
  const bytes = new Uint8Array(most);
  const depths = new Uint16Array(most);
  const skips = new Int32Array(most);
  const begins = new Int32Array(most + 1);
  let open = 0;
  let nodes = 0;
  for (let place = 0; place < sorted.length; place++) {
    const id = sorted[place];
    const start = starts[id];
    const own = starts[id + 1] - start;
    const same = shared[place];
    while (open > same) skips[path[--open]] = nodes;
    for (let at = same; at < own; at++) {
      path[open++] = nodes;
      bytes[nodes] = all[start + at];
      depths[nodes] = at;
      // Inner nodes have no ids: theirs begin where those of the next node do.
      begins[nodes++] = place;
    }
  }
  while (open > 0) skips[path[--open]] = nodes;
  begins[nodes] = sorted.length;
  return { bytes, depths, skips, begins, ids: sorted };
}

const LEAST = [0, 0, 0x80, 0x800, 0x10000];

/** How many plain code points these bytes are; 0: they are something else, or half of one. */
function plainPoints(bytes: Uint8Array, from: number, end: number): number {
  let count = 0;
  for (let at = from; at < end; count++) {
    const lead = bytes[at];
    if (lead < 0x80) {
      if (lead < 0x20 || lead === 0x22 || lead === 0x5c || lead === 0x7f) return 0;
      at++;
      continue;
    }
    const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length === 0 || at + length > end) return 0;
    let point = lead & (0xff >> (length + 1));
    for (let next = 1; next < length; next++) {
      if ((bytes[at + next] & 0xc0) !== 0x80) return 0;
      point = (point << 6) | (bytes[at + next] & 0x3f);
    }
    if (point < LEAST[length] || (point >= 0xd800 && point <= 0xdfff) || !has(PLAIN, point)) return 0;
    at += length;
  }
  return count;
}
