import { EngineError } from "../error.ts";

/** Whose steps wait for whose: in a circle nobody would ever go on. */
export class Leaning {
  /** By how many generations. */
  readonly #on = new Map<Leaning, number>();

  /** The steps of this one wait for those of `other`, until what is returned is called. */
  begin(other: Leaning): () => void {
    if (other.#reaches(this)) {
      throw new EngineError("DRAFT_CIRCLE", "the model that guesses waits for guesses of this one", {
        at: { source: "option", field: "speculate.draft" },
      });
    }
    this.#on.set(other, (this.#on.get(other) ?? 0) + 1);
    return () => {
      const left = this.#on.get(other)! - 1;
      if (left > 0) this.#on.set(other, left);
      else this.#on.delete(other);
    };
  }

  #reaches(other: Leaning): boolean {
    return other === this || [...this.#on.keys()].some((next) => next.#reaches(other));
  }
}
