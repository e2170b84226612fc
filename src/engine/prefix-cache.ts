import type { Prefixes, PrefixStats } from "../generate/prefixes.ts";

/** What a model keeps of texts that it computed, for whatever begins with the same ids. */
export class PrefixCache {
  readonly #prefixes: Prefixes;

  /** @internal */
  constructor(prefixes: Prefixes) {
    this.#prefixes = prefixes;
  }

  stats(): PrefixStats {
    return this.#prefixes.stats;
  }

  /** Forgets everything; what runs is not disturbed. */
  clear(): void {
    this.#prefixes.clear();
  }
}
