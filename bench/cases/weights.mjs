// The stored types of weights: sizes, and the plain loop that multiplies by them.

import { noise, pattern } from "../arena.mjs";

export const COLS = 2048;
const BLOCKS = COLS / 32;

export const F16_TABLE = Float32Array.from({ length: 65536 }, (_, half) => {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : (mantissa / 1024) * 2 ** -14);
});

/** Bytes of 8 outputs, packed. */
export const GROUP_BYTES = { f32: COLS * 32, f16: COLS * 16, bf16: COLS * 16, q8_0: BLOCKS * 288, q4_0: BLOCKS * 160 };

/** Elements of a row as the loop wants them, from `pick(Type, count)`. */
const ROW = {
  f32: (pick, count) => [pick(Float32Array, count)],
  f16: (pick, count) => [pick(Uint16Array, count)],
  bf16: (pick, count) => [pick(Uint16Array, count)],
  q8_0: (pick, count) => [pick(Int8Array, count), pick(Float32Array, count / 32)],
  q4_0: (pick, count) => [pick(Uint8Array, count / 2), pick(Float32Array, count / 32)],
};
const LOOP = { f32: "matmulF32", f16: "matmulF16", bf16: "matmulBf16", q8_0: "matmulQ8", q4_0: "matmulQ4" };

/** Typed arrays of weights, of an allocator or of a place in the stream. */
export const weightsFrom = (pick, type, count) => ROW[type](pick, count);

/** out [h][outputs] = x [h][COLS] times weights in memory of their own. */
export function matmulLoop(type, h, outputs) {
  return {
    name: LOOP[type],
    operands() {
      const x = noise(h * COLS);
      const weights = weightsFrom(pattern, type, outputs * COLS);
      return [new Float32Array(h * outputs), ...weights, x, ...(type === "f16" ? [F16_TABLE] : [])];
    },
    sizes: [h, outputs, COLS],
  };
}
