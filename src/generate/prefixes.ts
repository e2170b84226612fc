import { NO_PAGE, PAGE } from "../../assembly/abi.ts";
import type { PageKind } from "../model/plan/pages.ts";
import type { Cache } from "../model/run/cache.ts";
import { commonLength, type Sequence } from "./sequence.ts";

/**
 * What sequences computed and others may begin with: a tree of blocks of 64 ids, compared in full, each with the cache pages of its
 * positions. A page is shared by count; who writes into a shared one gets a copy (cache.ts).
 *
 * Full layers need the pages of everything before a position, chunked ones those of its own chunk alone: at a multiple of the chunk
 * none. So a block may lose its chunked page and still be of use.
 */

/** One block behind those of its parents. */
interface Block {
  readonly parent: Block | null;
  /** 64; fewer where a sequence ended in it. */
  ids: readonly number[];
  full: number;
  /** NO_PAGE: given back. */
  chunked: number;
  /** By first id; blocks with the same one part later. */
  readonly children: Map<number, Block[]>;
  /** When somebody last began with it or came by. */
  used: number;
}

export interface PrefixStats {
  /** Pages that are kept for others, and their bytes in all memories. */
  readonly pages: number;
  readonly bytes: number;
  /** Requests that began with something known, ids that were not computed again, requests that found nothing. */
  readonly hits: number;
  readonly cachedTokens: number;
  readonly misses: number;
}

export class Prefixes {
  readonly #cache: Cache;
  readonly #maxBytes: number;
  /** By salt and adapter: tenants see their own, and what was computed otherwise is of no use. */
  readonly #roots = new Map<string, Block>();
  readonly #blocks = new Set<Block>();
  #bytes = 0;
  #clock = 0;
  #hits = 0;
  #cachedTokens = 0;
  #misses = 0;

  constructor(cache: Cache, maxBytes: number) {
    this.#cache = cache;
    this.#maxBytes = maxBytes;
  }

  get stats(): PrefixStats {
    let pages = 0;
    for (const { chunked } of this.#blocks) pages += chunked === NO_PAGE ? 1 : 2;
    return { pages, bytes: this.#bytes, hits: this.#hits, cachedTokens: this.#cachedTokens, misses: this.#misses };
  }

  /** Lets `sequence` begin with what is known of its first `most` ids, where that is more than it holds itself. */
  adopt(sequence: Sequence, most: number): void {
    const path = this.#find(sequence, most);
    const known = path.reduce((sum, { common }) => sum + common, 0);
    const { length, keysFrom, chunkedFrom } = this.#usable(path, known);
    if (length > sequence.computed) {
      sequence.forget(0);
      const { timeline } = sequence;
      for (const [index, { block }] of path.entries()) {
        if (index * PAGE >= length) break;
        timeline.full[index] = this.#share("full", block.full);
        if (index >= chunkedFrom) timeline.chunked[index] = this.#share("chunked", block.chunked);
      }
      timeline.released = Math.floor(keysFrom / PAGE);
      timeline.keysFrom = keysFrom;
      sequence.computed = length;
    }
  }

  /** A request began with so many known ids. */
  count(cached: number): void {
    if (cached > 0) this.#hits++;
    else this.#misses++;
    this.#cachedTokens += cached;
  }

  /** How many of the first `most` ids are known. */
  known(sequence: Sequence, most: number): number {
    return this.#find(sequence, most).reduce((sum, { common }) => sum + common, 0);
  }

  /** Keeps the whole blocks that came since. */
  keep(sequence: Sequence): void {
    const blocks = Math.floor(sequence.computed / PAGE);
    if (blocks > sequence.kept) this.insert(sequence, blocks * PAGE);
    sequence.kept = blocks;
  }

  /** Keeps the blocks of the first `length` ids, which are computed. */
  insert(sequence: Sequence, length: number): void {
    if (this.#maxBytes === 0) return;
    let parent = this.#root(sequence.kin);
    for (let index = 0; index * PAGE < length; index++) {
      const ids = sequence.ids.slice(index * PAGE, Math.min(length, (index + 1) * PAGE));
      const { full, chunked, keysFrom } = sequence.timeline;
      parent = this.#put(parent, ids, full[index], index * PAGE < keysFrom ? NO_PAGE : chunked[index]);
      // Computed twice: one page is enough. So whoever holds a block holds all before it, and none is kept for its children alone.
      if (parent.full !== full[index] && parent.ids.length === PAGE && ids.length === PAGE) {
        this.#cache.drop("full", full[index]);
        full[index] = this.#share("full", parent.full);
      }
    }
    while (this.#bytes > this.#maxBytes) this.#evict(this.#oldest(isLeaf)!);
  }

  /**
   * Gives the page back that nobody has used the longest, if that was at `before` at the latest; false: there is none that no
   * sequence holds. Full pages go from the leaves on, chunked ones from anywhere.
   */
  reclaim(kind: PageKind, before = Number.POSITIVE_INFINITY): boolean {
    const isFree = (block: Block) => block[kind] !== NO_PAGE && this.#cache.references(kind, block[kind]) === 1;
    const block = this.#oldest(kind === "full" ? (one) => isLeaf(one) && isFree(one) : isFree);
    if (!block || block.used > before) return false;
    if (kind === "full") this.#evict(block);
    else this.#dropChunked(block);
    return true;
  }

  /** Now, for who uses pages that are not in the tree. */
  tick(): number {
    return ++this.#clock;
  }

  clear(): void {
    for (const block of this.#blocks) {
      this.#dropFull(block);
      this.#dropChunked(block);
    }
    this.#blocks.clear();
    this.#roots.clear();
  }

  /** Kept while it has blocks. */
  #root(kin: string): Block {
    let root = this.#roots.get(kin);
    if (!root) {
      root = { parent: null, ids: [], full: NO_PAGE, chunked: NO_PAGE, children: new Map(), used: 0 };
      this.#roots.set(kin, root);
    }
    return root;
  }

  #find({ ids, kin }: Sequence, most: number): { block: Block; common: number }[] {
    const path: { block: Block; common: number }[] = [];
    let parent = this.#roots.get(kin);
    for (let length = 0; parent && length < most; ) {
      let best: { block: Block; common: number } | null = null;
      for (const block of parent.children.get(ids[length]) ?? []) {
        const common = commonLength(ids, length, block.ids, most - length);
        if (!best || common > best.common) best = { block, common };
      }
      if (!best) break;
      best.block.used = ++this.#clock;
      path.push(best);
      length += best.common;
      parent = best.common === PAGE ? best.block : undefined;
    }
    return path;
  }

  /** How much of the path can be begun with; chunked keys come with it from a position on, in the pages of the blocks from one on. */
  #usable(path: readonly { block: Block }[], known: number): { length: number; keysFrom: number; chunkedFrom: number } {
    const start = this.#cache.chunkStart(known);
    if (start === null) return { length: known, keysFrom: 0, chunkedFrom: Number.POSITIVE_INFINITY };
    const chunkedFrom = Math.floor(start / PAGE);
    let length = start;
    for (let index = chunkedFrom; length < known && path[index].block.chunked !== NO_PAGE; index++)
      length = Math.min(known, (index + 1) * PAGE);
    if (length === start) return { length, keysFrom: start, chunkedFrom: Number.POSITIVE_INFINITY };
    return { length, keysFrom: chunkedFrom * PAGE, chunkedFrom };
  }

  #share(kind: PageKind, page: number): number {
    this.#cache.share(kind, page);
    return page;
  }

  /** The block of these ids behind `parent`. A block that ends earlier grows; one that goes on further holds them already. */
  #put(parent: Block, ids: readonly number[], full: number, chunked: number): Block {
    const siblings = parent.children.get(ids[0]) ?? [];
    for (const block of siblings) {
      const common = commonLength(ids, 0, block.ids);
      if (common < Math.min(block.ids.length, ids.length)) continue;
      block.used = ++this.#clock;
      if (common < ids.length) {
        this.#dropFull(block);
        this.#dropChunked(block);
        block.ids = ids;
        this.#hold(block, full, chunked);
      } else if (block.chunked === NO_PAGE && ids.length === block.ids.length) this.#hold(block, NO_PAGE, chunked);
      return block;
    }
    const block: Block = {
      parent,
      ids,
      full: NO_PAGE,
      chunked: NO_PAGE,
      children: new Map(),
      used: ++this.#clock,
    };
    this.#hold(block, full, chunked);
    if (siblings.length === 0) parent.children.set(ids[0], siblings);
    siblings.push(block);
    this.#blocks.add(block);
    return block;
  }

  #hold(block: Block, full: number, chunked: number): void {
    if (full !== NO_PAGE) {
      block.full = this.#share("full", full);
      this.#bytes += this.#cache.pageBytes.full;
    }
    if (chunked === NO_PAGE) return;
    block.chunked = this.#share("chunked", chunked);
    this.#bytes += this.#cache.pageBytes.chunked;
  }

  #dropFull(block: Block): void {
    this.#cache.drop("full", block.full);
    block.full = NO_PAGE;
    this.#bytes -= this.#cache.pageBytes.full;
  }

  #dropChunked(block: Block): void {
    if (block.chunked === NO_PAGE) return;
    this.#cache.drop("chunked", block.chunked);
    block.chunked = NO_PAGE;
    this.#bytes -= this.#cache.pageBytes.chunked;
  }

  /** Of the blocks that `may` go, the one that nobody has used the longest. */
  #oldest(may: (block: Block) => boolean): Block | undefined {
    let oldest: Block | undefined;
    for (const block of this.#blocks) if (!(oldest && oldest.used <= block.used) && may(block)) oldest = block;
    return oldest;
  }

  /** A leaf. */
  #evict(block: Block): void {
    this.#dropFull(block);
    this.#dropChunked(block);
    this.#blocks.delete(block);
    const { children } = block.parent!;
    const siblings = children.get(block.ids[0])!.filter((other) => other !== block);
    if (siblings.length > 0) children.set(block.ids[0], siblings);
    else children.delete(block.ids[0]);
    if (children.size === 0) for (const [kin, root] of this.#roots) if (root === block.parent) this.#roots.delete(kin);
  }
}

const isLeaf = ({ children }: Block) => children.size === 0;
