/**
 * Byte-pair merging: from the byte tokens of a piece to its tokens, always the pair of lowest rank first, the leftmost
 * of equals. Short pieces are searched again after every merge; long ones keep their pairs in a queue, so that a piece
 * of a million bytes costs O(n log n) (and in practice O(n)).
 */

const SLOT = 4; // left, right, rank, merged

/** (left id, right id) -> (rank, merged id): open addressing in one typed array, no strings and no objects. */
export class MergeTable {
  readonly slots: Int32Array;
  readonly #mask: number;

  constructor(merges: number) {
    let capacity = 16;
    while (capacity < merges * 2) capacity *= 2;
    this.#mask = capacity - 1;
    this.slots = new Int32Array(capacity * SLOT).fill(-1);
  }

  /** False when the pair was there already: the first rank stays. */
  add(left: number, right: number, rank: number, merged: number): boolean {
    const slot = this.#probe(left, right);
    if (this.slots[slot] >= 0) return false;
    this.slots[slot] = left;
    this.slots[slot + 1] = right;
    this.slots[slot + 2] = rank;
    this.slots[slot + 3] = merged;
    return true;
  }

  /** Rank of the pair, or -1. */
  rank(left: number, right: number): number {
    return this.slots[this.#probe(left, right) + 2];
  }

  /** Token that the pair becomes, or -1. */
  merged(left: number, right: number): number {
    return this.slots[this.#probe(left, right) + 3];
  }

  #probe(left: number, right: number): number {
    const { slots } = this;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let index = hash & this.#mask;
    while (true) {
      const slot = index * SLOT;
      const found = slots[slot];
      if (found < 0 || (found === left && slots[slot + 1] === right)) return slot;
      index = (index + 1) & this.#mask;
    }
  }
}

/** Above this many symbols the queue wins (measured: equal at 30-60). */
const SHORT = 40;

/** Merges the first `count` symbols in place; returns how many remain. */
export function mergeSymbols(table: MergeTable, symbols: Int32Array, count: number): number {
  return count <= SHORT ? mergeShort(table, symbols, count) : mergeLong(table, symbols, count);
}

const shortRanks = new Int32Array(SHORT);

function mergeShort(table: MergeTable, symbols: Int32Array, count: number): number {
  const ranks = shortRanks; // of the pair that starts here
  let length = count;
  for (let i = 0; i + 1 < length; i++) ranks[i] = table.rank(symbols[i], symbols[i + 1]);
  while (length > 1) {
    let best = -1;
    for (let i = 0; i + 1 < length; i++) if (ranks[i] >= 0 && (best < 0 || ranks[i] < ranks[best])) best = i;
    if (best < 0) break;
    symbols[best] = table.merged(symbols[best], symbols[best + 1]);
    length--;
    for (let i = best + 1; i < length; i++) {
      symbols[i] = symbols[i + 1];
      ranks[i] = ranks[i + 1];
    }
    if (best > 0) ranks[best - 1] = table.rank(symbols[best - 1], symbols[best]);
    if (best + 1 < length) ranks[best] = table.rank(symbols[best], symbols[best + 1]);
  }
  return length;
}

/** Linked list over the symbols' first places; a dead place has rank -1. */
function mergeLong(table: MergeTable, symbols: Int32Array, count: number): number {
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  const ranks = new Int32Array(count).fill(-1); // of the pair that starts here, now: older queue entries are stale
  const queue = new PairQueue();
  const offer = (at: number): void => {
    const rank = next[at] < count ? table.rank(symbols[at], symbols[next[at]]) : -1;
    ranks[at] = rank;
    if (rank >= 0) queue.push(rank, at);
  };
  for (let i = 0; i < count; i++) {
    previous[i] = i - 1;
    next[i] = i + 1;
  }
  for (let i = 0; i < count; i++) offer(i);
  while (queue.pop()) {
    const at = queue.place;
    if (ranks[at] !== queue.rank) continue;
    const right = next[at];
    symbols[at] = table.merged(symbols[at], symbols[right]);
    ranks[right] = -1;
    next[at] = next[right];
    if (next[at] < count) previous[next[at]] = at;
    if (previous[at] >= 0) offer(previous[at]);
    offer(at);
  }
  let length = 0;
  for (let at = 0; at < count; at = next[at]) symbols[length++] = symbols[at];
  return length;
}

/**
 * Places of one rank. A merge walks left to right, so the pairs it makes nearly always arrive in order and can be read
 * with a cursor; the first one out of order turns the rest into a heap (a sorted list is one already).
 */
class Places {
  items: number[] = [];
  #cursor = 0;
  #heap = false;

  get empty(): boolean {
    return this.#cursor >= this.items.length;
  }

  push(place: number): void {
    const { items } = this;
    if (!this.#heap && !this.empty && place < items[items.length - 1]) {
      this.items = items.slice(this.#cursor);
      this.#cursor = 0;
      this.#heap = true;
    }
    if (this.#heap) heapPush(this.items, place);
    else items.push(place);
  }

  pop(): number {
    return this.#heap ? heapPop(this.items) : this.items[this.#cursor++];
  }
}

/** Pairs by (rank, place). `pop` leaves its answer in `rank` and `place`, to allocate nothing. */
class PairQueue {
  rank = -1;
  place = -1;
  readonly #byRank = new Map<number, Places>();
  readonly #ranks: number[] = [];
  #current: Places | undefined; // places of the lowest rank

  push(rank: number, place: number): void {
    let places = this.#byRank.get(rank);
    if (!places) {
      places = new Places();
      this.#byRank.set(rank, places);
      heapPush(this.#ranks, rank);
      if (this.#ranks[0] === rank) this.#current = undefined;
    }
    places.push(place);
  }

  pop(): boolean {
    while (this.#ranks.length > 0) {
      this.rank = this.#ranks[0];
      this.#current ??= this.#byRank.get(this.rank)!;
      if (!this.#current.empty) {
        this.place = this.#current.pop();
        return true;
      }
      this.#byRank.delete(this.rank);
      heapPop(this.#ranks);
      this.#current = undefined;
    }
    return false;
  }
}

function heapPush(heap: number[], value: number): void {
  let at = heap.length;
  heap.push(value);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent] <= value) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = value;
}

function heapPop(heap: number[]): number {
  const top = heap[0];
  const value = heap.pop()!;
  const length = heap.length;
  if (length === 0) return top;
  let at = 0;
  for (let child = 1; child < length; child = 2 * at + 1) {
    if (child + 1 < length && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
  return top;
}
