/**
 * Both kinds of cache: how many bytes a head's keys take in a page, and what is kept of a key or value.
 */
import * as abi from "../assembly/abi.ts";
import * as oracle from "./oracle.ts";

export const PAGE = abi.PAGE;
export const padded = (d: number) => Math.ceil(d / 8) * 8;
/** Features of 8-bit keys: whole quads. */
export const quads = (d: number) => Math.ceil(d / 4) * 4;
export const CACHES = [
  {
    cache: "f32",
    type: abi.CACHE_F32,
    /** The largest error of a block, beside the largest value: an 8-bit cache meets 16 bits of queries and weights. */
    error: 1e-6,
    ways: [],
    keyBytes: (d: number) => d * PAGE * 4,
    kept: (x: Float32Array) => Float64Array.from(x),
  },
  {
    cache: "q8",
    type: abi.CACHE_Q8,
    error: 4e-5,
    /** By the dot of bytes, where the processor has it. */
    ways: [
      { type: abi.CACHE_Q8_UNSIGNED, dot: "unsigned" },
      { type: abi.CACHE_Q8_SIGNED, dot: "signed" },
    ],
    keyBytes: (d: number) => quads(d) * PAGE + PAGE * 4,
    kept: (x: Float32Array) => keptQ8(x),
  },
] as const;
export type Cache = (typeof CACHES)[number];

function keptQ8(x: Float32Array): Float64Array {
  const { q, scale } = oracle.quantizeHead(x);
  return Float64Array.from(q, (value) => value * scale);
}

export const headBytes = ({ keyBytes }: Cache, d: number) => keyBytes(d) + keyBytes(padded(d));
