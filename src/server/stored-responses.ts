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

/** Of one client. */
interface Shelf {
  readonly byId: Map<string, { readonly stored: StoredResponse; readonly units: number }>;
  units: number;
}

/**
 * Responses in memory, each for the client that asked. Of too many, or too long ones, the oldest go of the client that has most of them: none
 * can push another's out by keeping more.
 */
export class StoredResponses {
  readonly #most: number;
  readonly #shelves = new Map<string, Shelf>();

  constructor(most: number) {
    this.#most = most;
  }

  add(owner: string, id: string, stored: StoredResponse): void {
    const shelf = this.#shelves.get(owner) ?? { byId: new Map(), units: 0 };
    const units = JSON.stringify(stored).length;
    shelf.byId.set(id, { stored, units });
    shelf.units += units;
    this.#shelves.set(owner, shelf);
    this.#keepWithin(this.#most, ({ byId }) => byId.size);
    this.#keepWithin(MOST_UNITS, (one) => one.units);
  }

  get(owner: string, id: string): StoredResponse | undefined {
    return this.#shelves.get(owner)?.byId.get(id)?.stored;
  }

  /** False: there was none. */
  delete(owner: string, id: string): boolean {
    const shelf = this.#shelves.get(owner);
    const kept = shelf?.byId.get(id);
    if (!shelf || !kept) return false;
    shelf.units -= kept.units;
    shelf.byId.delete(id);
    if (shelf.byId.size === 0) this.#shelves.delete(owner);
    return true;
  }

  /** Drops the oldest of the largest until all together are no more than `most`. */
  #keepWithin(most: number, size: (shelf: Shelf) => number): void {
    const all = () => [...this.#shelves.values()].reduce((sum, shelf) => sum + size(shelf), 0);
    while (all() > most) {
      const [owner, { byId }] = [...this.#shelves].reduce((one, other) =>
        size(other[1]) > size(one[1]) ? other : one,
      );
      const [oldest] = byId.keys();
      this.delete(owner, oldest);
    }
  }
}
