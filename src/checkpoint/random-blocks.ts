import { STORED_BLOCKS, type StoredType } from "./checkpoint.ts";
import { writeHalf } from "./encode.ts";

/**
 * Random blocks of the types that have no quantiser in TypeScript: codes and small scales are random bytes, the block's f16 scales make
 * the values about as large as those asked for. They are valid, not an approximation of `values`.
 */

/** f16 fields of a block: byte offset, factor on the largest value. MXFP4 has an exponent byte instead, F8 nothing. */
const SCALES: Partial<Record<StoredType, readonly (readonly [number, number])[]>> = {
  // Codes are uniform, so d x (largest code - middle) is the largest value; scales of K types are about half of their most.
  q4_1: [
    [0, 1 / 7.5],
    [2, -1],
  ],
  q5_0: [[0, 1 / 16]],
  q5_1: [
    [0, 1 / 15.5],
    [2, -1],
  ],
  q2_k: [
    [80, 1 / 24],
    [82, 1 / 16],
  ],
  q3_k: [[108, 1 / 128]],
  q4_k: [
    [0, 1 / 500],
    [2, 1 / 64],
  ],
  q5_k: [
    [0, 1 / 1000],
    [2, 1 / 64],
  ],
  q6_k: [[208, 1 / 4096]],
  iq4_nl: [[0, 1 / 120]],
  iq4_xs: [[0, 1 / 3800]],
  tq1_0: [[52, 1]],
  tq2_0: [[64, 1 / 2]],
};

export function randomBlocks(type: StoredType, values: Float32Array, into: Uint8Array): void {
  const { elements, bytes } = STORED_BLOCKS[type];
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let start = 0, at = 0; start < values.length; start += elements, at += bytes) {
    let largest = 0;
    for (let i = start; i < start + elements; i++) largest = Math.max(largest, Math.abs(values[i]));
    for (let i = 0; i < bytes; i++) into[at + i] = bits[start + (i % elements)] >>> (i < elements ? 3 : 11);
    for (const [offset, factor] of SCALES[type] ?? []) writeHalf(Math.fround(largest * factor), into, at + offset);
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
