import type { Memory } from "../../runtime/memory.ts";
import type { PageKind } from "../plan/pages.ts";
import type { PlannedMemory } from "../plan/sizes.ts";

interface Placed extends Pick<PlannedMemory, "layout"> {
  readonly memory: Memory;
}

/** Pages of the cache as bytes: layer after layer, head after head, of all memories. */
export class PageBytes {
  readonly #placed: readonly Placed[];
  readonly #kvHeads: number;

  constructor(placed: readonly Placed[], kvHeads: number) {
    this.#placed = placed;
    this.#kvHeads = kvHeads;
  }

  read(kind: PageKind, page: number, into: Uint8Array): void {
    let done = 0;
    for (const { memory, at, bytes } of this.#heads(kind)) {
      into.set(memory.bytes.subarray(at + page * bytes, at + (page + 1) * bytes), done);
      done += bytes;
    }
  }

  write(kind: PageKind, page: number, from: Uint8Array): void {
    let done = 0;
    for (const { memory, at, bytes } of this.#heads(kind)) {
      memory.bytes.set(from.subarray(done, done + bytes), at + page * bytes);
      done += bytes;
    }
  }

  copy(kind: PageKind, from: number, to: number): void {
    for (const { memory, at, bytes } of this.#heads(kind))
      memory.bytes.copyWithin(at + to * bytes, at + from * bytes, at + (from + 1) * bytes);
  }

  /** Where the pages of each head lie, side by side, and the bytes of one. */
  *#heads(kind: PageKind): Generator<{ memory: Memory; at: number; bytes: number }> {
    for (const { memory, layout } of this.#placed) {
      const { at, bytes, shape } = layout.cacheAt[kind];
      const [, pages, pageBytes] = shape;
      const headBytes = pageBytes / this.#kvHeads;
      for (let head = at; head < at + bytes; head += pages * headBytes) yield { memory, at: head, bytes: headBytes };
    }
  }
}
