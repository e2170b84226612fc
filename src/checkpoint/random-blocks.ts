import { type StoredType, weightType } from "../weight-types.ts";
import { writeHalf } from "./encode.ts";

/**
 * Random blocks of the types that have no quantiser in TypeScript: codes and small scales are random bytes, the block's f16 scales make
 * the values about as large as those asked for. They are valid, not an approximation of `values`.
 */

export function randomBlocks(type: StoredType, values: Float32Array, into: Uint8Array): void {
  const { elements, bytes, halves = [] } = weightType(type);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let start = 0, at = 0; start < values.length; start += elements, at += bytes) {
    let largest = 0;
    for (let i = start; i < start + elements; i++) largest = Math.max(largest, Math.abs(values[i]));
    for (let i = 0; i < bytes; i++) into[at + i] = bits[start + (i % elements)] >>> (i < elements ? 3 : 11);
    for (const [offset, factor] of halves) writeHalf(Math.fround(largest * factor), into, at + offset);
    // The exponent of the largest value, less those of its codes' 12.
    if (type === "mxfp4") into[at] = Math.max(0, exponent(largest) - 2);
    if (type === "f8_e4m3" && (into[at] & 127) === 127) into[at]--;
  }
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Biased by 127. */
function exponent(value: number): number {
  float[0] = value;
  return (word[0] >>> 23) & 255;
}
