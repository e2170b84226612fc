import { blend } from "./pace.ts";

/**
 * Ids that may come next, guessed at no cost, so that one step checks several: each is kept where the sampler, in its own state and
 * with its own number, draws it. So the ids are those of a generation without guesses, whatever the sampler; only the time differs.
 *
 * Guesses by lookup (Saxena, prompt lookup decoding, 2023): what followed the last three ids, or two, when they stood there before.
 */

/** Guesses of a step at most. */
const MOST = 12;
const GRAMS = [3, 2] as const;

/** Where each group of ids was followed by what: of a text that only grows. */
export class Lookup {
  readonly #vocab: number;
  /** By group, as one number: the index of the last id of its latest place but the end. Numbers may meet; ids are compared. */
  readonly #places = GRAMS.map(() => new Map<number, number>());
  #seen = 0;

  constructor(vocab: number) {
    this.#vocab = vocab;
  }

  /** What may follow `ids`, which begin with those of the call before. */
  guess(ids: readonly number[], most: number): number[] {
    // The last group has no follower yet.
    for (; this.#seen < ids.length - 1; this.#seen++) {
      for (const [at, length] of GRAMS.entries())
        if (this.#seen >= length - 1) this.#places[at].set(this.#key(ids, this.#seen, length), this.#seen);
    }
    for (const [at, length] of GRAMS.entries()) {
      const last = ids.length - 1;
      if (last < length) continue;
      const place = this.#places[at].get(this.#key(ids, last, length));
      if (place !== undefined && isSame(ids, place, last, length)) return ids.slice(place + 1, place + 1 + most);
    }
    return [];
  }

  #key(ids: readonly number[], last: number, length: number): number {
    let key = 0;
    for (let index = last - length + 1; index <= last; index++) key = key * this.#vocab + ids[index];
    return key;
  }
}

function isSame(ids: readonly number[], a: number, b: number, length: number): boolean {
  for (let back = 0; back < length; back++) if (ids[a - back] !== ids[b - back]) return false;
  return true;
}

/**
 * How much one sequence guesses. Steps with guesses take longer; whether the ids that they gain are worth it depends on the text,
 * the model and the host, so both kinds are timed, and guessing rests where it does not pay.
 */
export class Speculation {
  /** Ids that were guessed, and those of them that were kept. */
  drafted = 0;
  accepted = 0;
  readonly #lookup: Lookup;
  readonly #now: () => number;
  /** Milliseconds an id; NaN: not known. */
  #plain = Number.NaN;
  #guessed = Number.NaN;
  #length = MOST / 4;
  /** Ids until the next try, and how many that were the last time. */
  #rest = 0;
  #pause = FIRST_PAUSE;
  #last: { at: number; ids: number; guesses: number } | null = null;

  constructor(lookup: Lookup, now: () => number = () => performance.now()) {
    this.#lookup = lookup;
    this.#now = now;
  }

  /** Before a step: guesses that it is to check, `most` at most. `ids`: all that is drawn. */
  guess(ids: readonly number[], most: number): number[] {
    this.#learn(ids.length);
    const guesses =
      this.#rest > 0 || Number.isNaN(this.#plain) ? [] : this.#lookup.guess(ids, Math.min(most, this.#length));
    this.drafted += guesses.length;
    this.#last = { at: this.#now(), ids: ids.length, guesses: guesses.length };
    return guesses;
  }

  /** What the step before this one gained, and in which time. */
  #learn(length: number): void {
    if (!this.#last) return;
    const { at, ids, guesses } = this.#last;
    const gained = length - ids;
    const perId = (this.#now() - at) / Math.max(1, gained);
    this.#rest = Math.max(0, this.#rest - gained);
    if (guesses === 0) {
      this.#plain = blend(this.#plain, perId, NEW);
      return;
    }
    this.accepted += gained - 1;
    this.#length = gained - 1 === guesses ? Math.min(MOST, 2 * this.#length) : Math.max(2, gained);
    this.#guessed = blend(this.#guessed, perId, NEW);
    if (this.#guessed <= this.#plain) this.#pause = FIRST_PAUSE;
    else {
      this.#rest = this.#pause;
      this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause);
      this.#guessed = Number.NaN;
    }
  }
}

const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 512;
const NEW = 0.4;
