import { NO_PAGE, PAGE } from "../../../assembly/abi.ts";
import { EngineError } from "../../error.ts";
import type { ModelConfig } from "../config/config.ts";
import { blocksOf, chunkStart, type PageKind } from "../plan/pages.ts";

/**
 * Key / value pages: who owns which. One page holds 64 positions of every layer of its kind (full, chunked) in its memory, and
 * page number p means the same positions in every memory, so one table serves them all.
 */

/** The pages of one kind, counted by reference. */
class PagePool {
  readonly kind: PageKind;
  readonly #free: number[];
  readonly #references: Uint32Array;

  constructor(kind: PageKind, pages: number) {
    this.kind = kind;
    this.#references = new Uint32Array(pages);
    // Low numbers first: untouched pages of the memory cost nothing until used.
    this.#free = Array.from({ length: pages }, (_, index) => pages - 1 - index);
  }

  get free(): number {
    return this.#free.length;
  }

  take(): number {
    const page = this.#free.pop();
    if (page === undefined) {
      throw new EngineError(
        "CACHE_FULL",
        `no ${this.kind} cache page is free: end, rewind or dispose other generations and sessions, or load with a larger context`,
        {
          at: { source: "memory", field: "cache" },
          limit: `${this.#references.length} pages of ${PAGE} positions`,
        },
      );
    }
    this.#references[page] = 1;
    return page;
  }

  references(page: number): number {
    return this.#references[page];
  }

  share(page: number): void {
    this.#references[page]++;
  }

  drop(page: number): void {
    if (page >= this.#references.length || this.#references[page] === 0) {
      throw new EngineError("KV_PAGE", "a page was given back that nobody holds", {
        at: { source: "memory", field: this.kind },
        actual: page,
      });
    }
    if (--this.#references[page] === 0) this.#free.push(page);
  }
}

/** The page tables of one sequence. They lie in memory during its steps only: how many sequences are open costs no place there. */
export class Timeline {
  readonly full: Uint32Array;
  readonly chunked: Uint32Array;
  /** Blocks below this were given back (chunked layers only). */
  released = 0;
  /** Chunked keys exist from this position on: pages before it were given back, or taken again and filled from here only. */
  keysFrom = 0;

  constructor(blocks: number) {
    this.full = new Uint32Array(blocks).fill(NO_PAGE);
    this.chunked = new Uint32Array(blocks).fill(NO_PAGE);
  }
}

export class Cache {
  readonly blocks: number;
  readonly #chunk: number;
  /** That this model has layers of. */
  readonly #kinds: readonly PageKind[];
  readonly #pools: Record<PageKind, PagePool>;
  /** Of one page in all memories. */
  readonly pageBytes: Readonly<Record<PageKind, number>>;
  readonly #copy: (kind: PageKind, from: number, to: number) => void;
  /** Asked before CACHE_FULL, again and again: gives pages back that no step reads, or says false where there are none. */
  reclaim: (kind: PageKind) => boolean = () => false;

  constructor(
    config: ModelConfig,
    context: number,
    pages: Record<PageKind, number>,
    pageBytes: Record<PageKind, number>,
    copy: (kind: PageKind, from: number, to: number) => void,
  ) {
    this.blocks = blocksOf(context);
    this.pageBytes = pageBytes;
    this.#copy = copy;
    this.#chunk = config.layers.some((layer) => layer.chunked) ? config.chunk : 0;
    this.#kinds = this.#chunk === 0 ? ["full"] : ["full", "chunked"];
    this.#pools = { full: new PagePool("full", pages.full), chunked: new PagePool("chunked", pages.chunked) };
  }

  open(): Timeline {
    return new Timeline(this.blocks);
  }

  close(timeline: Timeline): void {
    this.truncate(timeline, 0);
  }

  get freePages(): Record<PageKind, number> {
    return { full: this.#pools.full.free, chunked: this.#pools.chunked.free };
  }

  references(kind: PageKind, page: number): number {
    return this.#pools[kind].references(page);
  }

  share(kind: PageKind, page: number): void {
    this.#pools[kind].share(page);
  }

  drop(kind: PageKind, page: number): void {
    this.#pools[kind].drop(page);
  }

  /** Where the keys begin that chunked layers want before `position`; null: no layer is chunked. */
  chunkStart(position: number): number | null {
    return this.#chunk === 0 ? null : chunkStart(position, this.#chunk);
  }

  /** Whoever shares `page` keeps it as it is. */
  #ownPage(kind: PageKind, page: number): number {
    const own = this.#take(kind);
    this.#copy(kind, page, own);
    this.drop(kind, page);
    return own;
  }

  #take(kind: PageKind): number {
    while (this.#pools[kind].free === 0 && this.reclaim(kind));
    return this.#pools[kind].take();
  }

  /** The first block of a text of so many positions whose chunked keys are of use; behind the last: none is. */
  firstChunked(positions: number): number {
    return this.#chunk === 0 ? blocksOf(positions) : Math.floor(chunkStart(positions, this.#chunk) / PAGE);
  }

  /** Pages for a text that comes from elsewhere, of whole blocks. Takes all or none. */
  reserveStored(timeline: Timeline, positions: number): void {
    const first = this.firstChunked(positions);
    try {
      for (let block = 0; block < blocksOf(positions); block++) {
        timeline.full[block] = this.#take("full");
        if (block >= first) timeline.chunked[block] = this.#take("chunked");
      }
    } catch (error) {
      this.truncate(timeline, 0);
      throw error;
    }
    timeline.released = this.#chunk === 0 ? 0 : first;
    timeline.keysFrom = this.#chunk === 0 ? 0 : first * PAGE;
  }

  /** Gives the timeline pages of its own for positions [from, to). Takes all or, where pages run out, none. */
  reserve(timeline: Timeline, from: number, to: number): void {
    const taken: [PageKind, Uint32Array, number][] = [];
    try {
      for (let block = Math.floor(from / PAGE); block < blocksOf(to); block++) {
        for (const kind of this.#kinds) {
          const table = timeline[kind];
          if (table[block] === NO_PAGE) {
            table[block] = this.#take(kind);
            taken.push([kind, table, block]);
          } else if (this.references(kind, table[block]) > 1) table[block] = this.#ownPage(kind, table[block]);
        }
      }
    } catch (error) {
      for (const [kind, table, block] of taken) this.#drop(kind, table, block);
      throw error;
    }
  }

  /** Gives back the chunked pages that no position from `position` on can see. */
  release(timeline: Timeline, position: number): void {
    const first = Math.floor(chunkStart(position, this.#chunk) / PAGE);
    for (; timeline.released < first; timeline.released++) {
      this.#drop("chunked", timeline.chunked, timeline.released);
      timeline.keysFrom = Math.max(timeline.keysFrom, (timeline.released + 1) * PAGE);
    }
  }

  /**
   * Forgets positions from `length` on. Returns how many positions are still whole: less than `length` where chunked keys that
   * the next position needs are gone, then everything from that chunk's start must be computed again.
   */
  truncate(timeline: Timeline, length: number): number {
    const start = chunkStart(length, this.#chunk);
    const keep = start < timeline.keysFrom ? start : length;
    timeline.keysFrom = Math.min(timeline.keysFrom, keep);
    timeline.released = Math.min(timeline.released, Math.floor(keep / PAGE));
    for (let block = blocksOf(keep); block < this.blocks; block++) {
      this.#drop("full", timeline.full, block);
      this.#drop("chunked", timeline.chunked, block);
    }
    return keep;
  }

  #drop(kind: PageKind, table: Uint32Array, block: number): void {
    if (table[block] === NO_PAGE) return;
    this.#pools[kind].drop(table[block]);
    table[block] = NO_PAGE;
  }
}
