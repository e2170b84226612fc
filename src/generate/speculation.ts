import { Lookup, MOST_KNOWN, type Place } from "./lookup.ts";
import type { Costs } from "./step-cost.ts";

/**
 * Ids that may come next, guessed at little cost, so that one step checks several: each is kept where the sampler, in its own state and
 * with its own number, draws it. So the ids are those of a generation without guesses, whatever the sampler; only the time differs.
 * How many are guessed follows from how often guesses of their kind were right in this text, and from what steps take.
 */
export interface Speculation {
  /** Ids that were guessed, and those of them that were drawn. */
  readonly drafted: number;
  readonly accepted: number;
  /** Before a step: guesses that it is to check, `most` at most. `ids`: prompt and all that is drawn. `costs` undefined: none. */
  guess(ids: readonly number[], most: number, costs: Costs | undefined): readonly number[] | Promise<readonly number[]>;
  /** The text goes on with `id`. */
  drew(id: number): void;
  /** Nothing is asked any more. */
  close(): void;
}

/** Guesses of a step at most. */
export const MOST_GUESSES = 32;
/** What is gained by less than this is lost in what cannot be measured. */
const MARGIN = 1.03;

/** How many guesses pay best; 0: none do. `chance(index)`: that a guess is kept where those before it were. */
export function bestLength(
  most: number,
  chance: (index: number) => number,
  { plain, guessed, perGuess }: Costs,
): number {
  let [best, rate] = [0, MARGIN / plain];
  let [all, ids] = [1, 1];
  for (let count = 1; count <= most; count++) {
    all *= chance(count - 1);
    ids += all;
    const reached = ids / (guessed + count * perGuess);
    if (reached > rate) [best, rate] = [count, reached];
  }
  return best;
}

/**
 * Guesses by lookup cost nothing until a step checks them. So every one that is found is compared with what is drawn, checked or not:
 * whether guesses of its kind pay is known without trying.
 */
export class LookupSpeculation implements Speculation {
  drafted = 0;
  accepted = 0;
  readonly #lookup: Lookup;
  readonly #chances = { found: new Chances(FOUND), followed: new Chances(FOLLOWED) };
  /** What may come, of what kind, and how much of it the step checks. */
  #expected: readonly number[] = [];
  #place: Place | null = null;
  #checked = 0;
  #at = 0;

  constructor(vocab: number) {
    this.#lookup = new Lookup(vocab);
  }

  guess(ids: readonly number[], most: number, costs: Costs | undefined): readonly number[] {
    const place = this.#lookup.find(ids);
    this.#place = place;
    this.#expected = place ? continuation(ids, place.from) : [];
    this.#at = 0;
    this.#checked =
      place && costs ? bestLength(Math.min(most, MOST_GUESSES), (at) => this.#chance(place, at), costs) : 0;
    this.drafted += this.#checked;
    return this.#expected.slice(0, this.#checked);
  }

  drew(id: number): void {
    const at = this.#at++;
    if (!this.#place || at >= this.#expected.length) return;
    const right = this.#expected[at] === id;
    this.#kind(this.#place).saw(this.#place.known + at, right);
    if (right && at < this.#checked) this.accepted++;
    if (!right) this.#expected = [];
  }

  close(): void {}

  #kind({ follows }: Place): Chances {
    return follows ? this.#chances.followed : this.#chances.found;
  }

  #chance(place: Place, at: number): number {
    return this.#kind(place).of(place.known + at);
  }
}

/** As many ids from `from` on; a text that ends before repeats itself. */
function continuation(ids: readonly number[], from: number): number[] {
  const period = ids.length - from;
  return Array.from({ length: MOST_GUESSES }, (_, at) => ids[from + (at % period)]);
}

/** Ids before a guess that agree with those at the end of the text: the least of each kind. */
const LEVELS = [0, 1, 2, 3, 4, 6, 9, 16, MOST_KNOWN];
const levelOf = (known: number) => LEVELS.findLastIndex((least) => known >= least);
/** How often a guess of each level is right, before this text has shown it. */
const FOUND = [0, 0, 0.3, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98];
const FOLLOWED = [0.5, 0.75, 0.85, 0.9, 0.92, 0.94, 0.96, 0.97, 0.985];
/** So many guesses stand for what is expected. */
const EXPECTED = 2;
const DECAY = 0.97;

class Chances {
  readonly #right: number[];
  readonly #seen: number[];

  constructor(expected: readonly number[]) {
    this.#right = expected.map((share) => EXPECTED * share);
    this.#seen = expected.map(() => EXPECTED);
  }

  of(known: number): number {
    const level = levelOf(known);
    return this.#right[level] / this.#seen[level];
  }

  saw(known: number, right: boolean): void {
    const level = levelOf(known);
    this.#right[level] = DECAY * this.#right[level] + (right ? 1 : 0);
    this.#seen[level] = DECAY * this.#seen[level] + 1;
  }
}
