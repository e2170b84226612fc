import type { PageKind } from "../model/plan/pages.ts";
import type { Prefixes } from "./prefixes.ts";
import type { Sequence } from "./sequence.ts";

/** Sequences that hold pages and that nobody asks for anything: where no page is free, theirs are taken. */
export class Idle {
  readonly #prefixes: Prefixes | null;
  /** By when each was last used. */
  readonly #since = new Map<Sequence, number>();

  constructor(prefixes: Prefixes | null) {
    this.#prefixes = prefixes;
  }

  add(sequence: Sequence): void {
    this.#since.set(sequence, this.#prefixes?.tick() ?? 0);
  }

  delete(sequence: Sequence): void {
    this.#since.delete(sequence);
  }

  /** Pages that nobody has used the longest: of a prefix, or of a sequence that nobody asks; false: there are none. */
  reclaim(kind: PageKind): boolean {
    const [sequence, used] = this.#since.entries().next().value ?? [];
    if (this.#prefixes?.reclaim(kind, used)) return true;
    if (!sequence) return false;
    this.giveUp(sequence);
    return true;
  }

  /** Its pages stay as a prefix for as long as there is room. */
  giveUp(sequence: Sequence): void {
    this.#since.delete(sequence);
    if (sequence.computed > 0) this.#prefixes?.insert(sequence, sequence.computed);
    sequence.forget(0);
  }
}
