/**
 * What a step takes, and what guesses add to it: measured while the model runs, since it depends on the model, the host and how many
 * sequences share the step. Two lines of time over guesses: steps without any, and steps with some, a constant and so much a guess.
 */

/** Milliseconds of one sequence, its part of the steps that it shares with others. */
export interface Costs {
  /** A step without guesses. */
  readonly plain: number;
  /** A step with guesses, but for what each of them adds. */
  readonly guessed: number;
  readonly perGuess: number;
  /** Sequences that share the step. */
  readonly together: number;
}

export class StepCost {
  readonly #measured = new Map<number, Measured>();

  /** Of steps that so many sequences share; undefined: the next step is to be one without guesses. */
  of(together: number): Costs | undefined {
    return this.#measured.get(together)?.costs(together);
  }

  /** A step in which so many sequences decoded, and nothing else was done, took `ms`. */
  took(together: number, guesses: number, ms: number): void {
    const measured = this.#measured.get(together) ?? new Measured();
    this.#measured.set(together, measured);
    if (guesses === 0) measured.tookPlain(ms);
    else measured.tookGuessed(guesses, ms, together);
  }
}

/** Plain steps of which the median counts: one in which the host did something else must not. */
const PLAIN_STEPS = 5;
const LEAST_PLAIN_STEPS = 2;
/** Steps with guesses until a plain one is measured again: texts grow, hosts get busy. */
const REFRESH = 64;
/** Plain steps after which what is known of guesses counts no longer. */
const FORGET = 256;
/** What a step with guesses counts in the next one. */
const DECAY = 0.9;
/** Expected before anything is measured, in plain steps of one sequence: a constant, and a guess's part. */
const FIRST_CONSTANT = 0.25;
const firstPerGuess = (together: number) => 1 / (2 + 2 * together);
/** Beyond so many times what is expected a step says something of the host, not of guesses. */
const ODD = 2;

class Measured {
  readonly #plainSteps: number[] = [];
  #sinceGuess = 0;
  #sincePlain = 0;
  /** Of the line through steps with guesses: weights, guesses, what they took beyond a plain step, squares, products. */
  #sums = [0, 0, 0, 0, 0];

  get #plain(): number {
    return [...this.#plainSteps].sort((a, b) => a - b)[this.#plainSteps.length >> 1];
  }

  costs(together: number): Costs | undefined {
    if (this.#plainSteps.length < LEAST_PLAIN_STEPS || this.#sincePlain >= REFRESH) return undefined;
    const plain = this.#plain;
    const [constant, perGuess] = this.#line(together);
    return { plain: plain / together, guessed: (plain + constant) / together, perGuess, together };
  }

  tookPlain(ms: number): void {
    this.#plainSteps.push(ms);
    if (this.#plainSteps.length > PLAIN_STEPS) this.#plainSteps.shift();
    this.#sincePlain = 0;
    this.#sinceGuess++;
    if (this.#sinceGuess >= FORGET) this.#sums = [0, 0, 0, 0, 0];
  }

  tookGuessed(guesses: number, ms: number, together: number): void {
    this.#sincePlain++;
    this.#sinceGuess = 0;
    if (this.#plainSteps.length === 0) return;
    const [constant, perGuess] = this.#line(together);
    const beyond = Math.max(0, Math.min(ms - this.#plain, ODD * (constant + perGuess * guesses)));
    const seen = [1, guesses, beyond, guesses * guesses, guesses * beyond];
    this.#sums = this.#sums.map((sum, at) => DECAY * sum + seen[at]);
  }

  /** Least squares over what was seen and two points that stand for what is expected, so that there is always a line. */
  #line(together: number): [constant: number, perGuess: number] {
    const plain = this.#plain;
    const [first, slope] = [FIRST_CONSTANT * plain, firstPerGuess(together) * plain];
    let [weight, x, y, xx, xy] = this.#sums;
    for (const guesses of [1, 16]) {
      const expected = first / together + slope * guesses;
      weight += EXPECTED;
      x += EXPECTED * guesses;
      y += EXPECTED * expected;
      xx += EXPECTED * guesses * guesses;
      xy += EXPECTED * guesses * expected;
    }
    const perGuess = Math.max(0, (weight * xy - x * y) / (weight * xx - x * x));
    return [Math.max(0, (y - perGuess * x) / weight), perGuess];
  }
}

/** Weight of each point that is expected beside one that was seen. */
const EXPECTED = 0.3;
