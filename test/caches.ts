/**
 * Both kinds of cache: how many bytes a head's keys take in a page, and what is kept of a key or value.
 */
import * as abi from "../assembly/abi.ts";
import * as oracle from "./oracle.ts";

export const PAGE = abi.PAGE;
export const padded = (d: number) => Math.ceil(d / 8) * 8;
export const CACHES = [
  {
    cache: "f32",
    type: abi.CACHE_F32,
    keyBytes: (d: number) => d * PAGE * 4,
    kept: (x: Float32Array) => Float64Array.from(x),
  },
  {
    cache: "q8",
    type: abi.CACHE_Q8,
    keyBytes: (d: number) => d * PAGE + PAGE * 4,
    kept: (x: Float32Array) => keptQ8(x),
  },
] as const;
export type Cache = (typeof CACHES)[number];

function keptQ8(x: Float32Array): Float64Array {
  const { q, scale } = oracle.quantizeHead(x);
  return Float64Array.from(q, (value) => value * scale);
}

export const headBytes = ({ keyBytes }: Cache, d: number) => keyBytes(d) + keyBytes(padded(d));
