/**
 * Where a text goes on as it did before: behind the latest place of its last three ids, or two (Saxena, prompt lookup decoding, 2023),
 * or where the text that it copies goes on. A copy in which an id is another, too many or left out is followed behind that as well.
 */

export interface Place {
  /** Index of the id that may come next. */
  readonly from: number;
  /** How many ids before it are those at the end of the text: `MOST_KNOWN` at most. */
  readonly known: number;
  /** Where the copied text goes on, not found anew. */
  readonly follows: boolean;
}

export const MOST_KNOWN = 32;
const GRAMS = [3, 2] as const;
/** Ids behind the last that was the same among which the copy goes on, and ids in a row that differ until it is lost. */
const WINDOW = 12;
const LOST = 8;

/** Of a text that only grows. */
export class Lookup {
  readonly #vocab: number;
  /** By group, as one number: the index of the last id of its latest place but the end. Numbers may meet; ids are compared. */
  readonly #places = GRAMS.map(() => new Map<number, number>());
  #seen = 0;
  /** Where the copied text goes on behind the first `#length` ids; -1: nothing is copied. */
  #next = -1;
  #length = 0;
  #differing = 0;

  constructor(vocab: number) {
    this.#vocab = vocab;
  }

  /** `ids` begin with those of the call before. */
  find(ids: readonly number[]): Place | null {
    this.#follow(ids);
    const last = ids.length - 1;
    let known = this.#next < 0 ? -1 : agreement(ids, this.#next - 1, last);
    let follows = true;
    for (const [at, length] of GRAMS.entries()) {
      if (last < length) continue;
      const place = this.#places[at].get(this.#key(ids, last, length));
      if (place === undefined) continue;
      const same = agreement(ids, place, last);
      if (same < length || same <= known) continue;
      [known, follows, this.#next] = [same, false, place + 1];
    }
    if (!follows) this.#differing = 0;
    return this.#next < 0 ? null : { from: this.#next, known, follows };
  }

  /** What came by now, beside what was copied. */
  #follow(ids: readonly number[]): void {
    for (; this.#length < ids.length && this.#next >= 0; this.#length++) {
      const id = ids[this.#length];
      const behind = this.#next - this.#differing;
      const found = ids[this.#next] === id ? this.#next : indexOf(ids, id, behind, behind + WINDOW);
      if (found >= 0 && found < this.#length) {
        this.#next = found + 1;
        this.#differing = 0;
      } else {
        // Another id stands in its place.
        this.#next++;
        this.#differing++;
      }
      if (this.#differing > LOST || this.#next > this.#length) this.#next = -1;
    }
    this.#length = ids.length;
    // The last group has no follower yet.
    for (; this.#seen < ids.length - 1; this.#seen++) {
      for (const [at, length] of GRAMS.entries())
        if (this.#seen >= length - 1) this.#places[at].set(this.#key(ids, this.#seen, length), this.#seen);
    }
  }

  #key(ids: readonly number[], last: number, length: number): number {
    let key = 0;
    for (let index = last - length + 1; index <= last; index++) key = key * this.#vocab + ids[index];
    return key;
  }
}

function agreement(ids: readonly number[], a: number, b: number): number {
  let same = 0;
  while (same < MOST_KNOWN && same <= a && ids[a - same] === ids[b - same]) same++;
  return same;
}

function indexOf(ids: readonly number[], id: number, from: number, to: number): number {
  for (let index = from; index < Math.min(to, ids.length); index++) if (ids[index] === id) return index;
  return -1;
}
