/**
 * Stop strings over text that arrives in pieces. `push` gives back what is safe to emit: a suffix that could still
 * become a stop string is held back. The first stop string to be complete ends the text; of several that end at the
 * same place the longest counts, since its text starts first. So the result does not depend on where pieces break.
 *
 * One Knuth-Morris-Pratt automaton per string: linear in the text, and at most 16 x 1 KiB of tables.
 */
export class StopStrings {
  readonly #automata: Automaton[];
  #held = "";
  #matched: string | undefined;

  constructor(stops: readonly string[]) {
    this.#automata = [...new Set(stops)].filter((stop) => stop !== "").map((stop) => new Automaton(stop));
  }

  /** The stop string that was found. From then on nothing more is emitted. */
  get matched(): string | undefined {
    return this.#matched;
  }

  push(piece: string): string {
    if (this.#matched !== undefined) return "";
    if (this.#automata.length === 0) return piece;
    const text = this.#held + piece;
    let held = 0;
    for (let at = this.#held.length; at < text.length; at++) {
      held = this.#step(text.charCodeAt(at));
      if (this.#matched !== undefined) {
        this.#held = "";
        return text.slice(0, at + 1 - held);
      }
    }
    if (piece.length === 0) return "";
    this.#held = text.slice(text.length - held);
    return text.slice(0, text.length - held);
  }

  /** The text has ended: what was held back is no stop string after all. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    for (const automaton of this.#automata) automaton.state = 0;
    return rest;
  }

  /** One unit on in all automata. Returns the longest suffix that is a start of a stop string, or is one (`matched`). */
  #step(unit: number): number {
    let open = 0;
    let complete = 0;
    for (const automaton of this.#automata) {
      const length = automaton.step(unit);
      if (length > open) open = length;
      if (length === automaton.text.length && length > complete) {
        complete = length;
        this.#matched = automaton.text;
      }
    }
    return complete || open;
  }
}

/** `state` is how many units of `text` the text read so far ends with. */
class Automaton {
  readonly text: string;
  state = 0;
  readonly #borders: Int32Array; // [units]: of each start of `text`, the longest proper suffix that is a start too

  constructor(text: string) {
    this.text = text;
    this.#borders = new Int32Array(text.length);
    for (let at = 1; at < text.length; at++) {
      this.#borders[at] = this.step(text.charCodeAt(at));
    }
    this.state = 0;
  }

  step(unit: number): number {
    let state = this.state;
    while (state > 0 && (state === this.text.length || this.text.charCodeAt(state) !== unit)) {
      state = this.#borders[state - 1];
    }
    if (this.text.charCodeAt(state) === unit) state++;
    this.state = state;
    return state;
  }
}
