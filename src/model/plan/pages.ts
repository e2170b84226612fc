import { CACHE_F32, CACHE_Q8, CACHE_Q8_SIGNED, CACHE_Q8_UNSIGNED, PAGE } from "../../../assembly/abi.ts";
import type { ByteDot } from "../../weight-types.ts";
import type { ModelConfig } from "../config/config.ts";

/** Pages of the cache: what one holds, and which positions lie in it. */

export type CacheType = "f32" | "q8";
export type PageKind = "full" | "chunked";

/** How an 8-bit cache is multiplied, with the dot of bytes that is there: the same integers, the same pages. */
const Q8_WORDS: Record<ByteDot, number> = {
  saturating: CACHE_Q8,
  unsigned: CACHE_Q8_UNSIGNED,
  signed: CACHE_Q8_SIGNED,
};
export const cacheWord = (type: CacheType, dot: ByteDot): number => (type === "f32" ? CACHE_F32 : Q8_WORDS[dot]);

/**
 * What is read at once where a row alone is computed: groups of a page of f32 keys or values, whole pages of 8-bit ones (ATTEND_STREAMS, the
 * same bits). Where nothing was measured, f32, what costs least where it is wrong: two threads out of memory, a Xeon read 10 GB/s in one
 * stream and 20 in four, Zen 4 20 in one and 16 in four.
 */
export const cacheStreams = (type: CacheType, ahead: boolean): 1 | 4 | 8 => (type === "f32" ? 4 : ahead ? 8 : 1);

/** Bytes of one layer in a page: per kv head K then V (layout: assembly/kernels/cache.ts). */
export function pageLayerBytes(config: ModelConfig, type: CacheType): number {
  const padded = Math.ceil(config.headSize / 8) * 8;
  const quads = Math.ceil(config.headSize / 4) * 4;
  const perHead = type === "f32" ? (config.headSize + padded) * PAGE * 4 : (quads + padded) * PAGE + 2 * PAGE * 4;
  return perHead * config.kvHeads;
}

export const blocksOf = (positions: number): number => Math.ceil(positions / PAGE);

/** The first position that a query at `position` sees; `chunk` 0: of layers that see all. */
export const chunkStart = (position: number, chunk: number): number =>
  chunk === 0 ? 0 : position - (position % chunk);
