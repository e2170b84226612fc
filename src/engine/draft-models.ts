import { checkSameVocabulary, type Drafter, draftDisposed, notDraft } from "../generate/draft.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

interface Parts extends Omit<Drafter, "share"> {
  readonly vocab: number;
  readonly tokenizer: Tokenizer | null;
  /** Bytes. */
  readonly weights: number;
}

/** A model as others let it guess, and as it lets others. */
export class Guessing {
  readonly #model: Parts;
  /** Those of the same vocabulary: to compare two large ones takes a while. */
  readonly #same = new WeakSet<Guessing>();

  constructor(model: Parts) {
    this.#model = model;
  }

  /** What is to guess for this one; `other` null: `given` is no model. */
  drafter(other: Guessing | null, given: unknown): Drafter {
    if (other === null) throw notDraft("not a model", given);
    if (other === this) throw notDraft("a model cannot guess for itself", given);
    const { scheduler, context, adapter, weights } = other.#model;
    if (scheduler.closed) throw draftDisposed();
    if (!this.#same.has(other)) checkSameVocabulary(this.#model, other.#model);
    this.#same.add(other);
    return { scheduler, context, adapter, share: weights / this.#model.weights };
  }
}
