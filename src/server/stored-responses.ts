import type { ChatMessage } from "../index.ts";

/** A response that its client asked to keep. */
export interface StoredResponse {
  /** As it was told. */
  readonly response: Readonly<Record<string, unknown>>;
  /** What was said until then, the answer with it: a later one goes on behind it. */
  readonly messages: readonly ChatMessage[];
  /** Of the request, as it was given. */
  readonly input: readonly unknown[];
}

/** Units of text of all that are kept: a conversation may be as long as a body, and each of its responses holds it. */
const MOST_UNITS = 64 * 2 ** 20;

/** Responses in memory, each for the client that asked; of too many, or too long ones, the oldest go. */
export class StoredResponses {
  readonly #most: number;
  readonly #byOwner = new Map<string, { readonly stored: StoredResponse; readonly units: number }>();
  #units = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(owner: string, id: string, stored: StoredResponse): void {
    const units = JSON.stringify(stored).length;
    this.#byOwner.set(keyOf(owner, id), { stored, units });
    this.#units += units;
    for (const key of this.#byOwner.keys()) {
      if (this.#byOwner.size <= this.#most && this.#units <= MOST_UNITS) break;
      this.#delete(key);
    }
  }

  get(owner: string, id: string): StoredResponse | undefined {
    return this.#byOwner.get(keyOf(owner, id))?.stored;
  }

  /** False: there was none. */
  delete(owner: string, id: string): boolean {
    return this.#delete(keyOf(owner, id));
  }

  #delete(key: string): boolean {
    this.#units -= this.#byOwner.get(key)?.units ?? 0;
    return this.#byOwner.delete(key);
  }
}

const keyOf = (owner: string, id: string) => `${owner} ${id}`;
