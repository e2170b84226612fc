import { CACHE_F32, CACHE_Q8, PAGE } from "../../../assembly/abi.ts";
import type { ModelConfig } from "../config/config.ts";

/** Pages of the cache: what one holds, and which positions lie in it. */

export type CacheType = "f32" | "q8";
export type PageKind = "full" | "chunked";
export const CACHE_WORDS: Record<CacheType, number> = { f32: CACHE_F32, q8: CACHE_Q8 };

/** Bytes of one layer in a page: per kv head K then V (layout: assembly/kernels/cache.ts). */
export function pageLayerBytes(config: ModelConfig, type: CacheType): number {
  const padded = Math.ceil(config.headSize / 8) * 8;
  const perHead =
    type === "f32" ? (config.headSize + padded) * PAGE * 4 : (config.headSize + padded) * PAGE + 2 * PAGE * 4;
  return perHead * config.kvHeads;
}

export const blocksOf = (positions: number): number => Math.ceil(positions / PAGE);

/** The first position that a query at `position` sees; `chunk` 0: of layers that see all. */
export const chunkStart = (position: number, chunk: number): number =>
  chunk === 0 ? 0 : position - (position % chunk);
