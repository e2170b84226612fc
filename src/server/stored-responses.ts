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

/** Responses in memory, each for the client that asked; of too many the oldest go. */
export class StoredResponses {
  readonly #most: number;
  readonly #byOwner = new Map<string, StoredResponse>();

  constructor(most: number) {
    this.#most = most;
  }

  add(owner: string, id: string, stored: StoredResponse): void {
    this.#byOwner.set(keyOf(owner, id), stored);
    for (const key of this.#byOwner.keys()) {
      if (this.#byOwner.size <= this.#most) break;
      this.#byOwner.delete(key);
    }
  }

  get(owner: string, id: string): StoredResponse | undefined {
    return this.#byOwner.get(keyOf(owner, id));
  }

  /** False: there was none. */
  delete(owner: string, id: string): boolean {
    return this.#byOwner.delete(keyOf(owner, id));
  }
}

const keyOf = (owner: string, id: string) => `${owner} ${id}`;
