// The stored types of weights: sizes, and the plain loop that multiplies by them.

import { noise, pattern } from "../arena.mjs";

export const COLS = 2048;

export const F16_TABLE = Float32Array.from({ length: 65536 }, (_, half) => {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : (mantissa / 1024) * 2 ** -14);
});

/** Its number in abi.ts; bytes of 256 weights: of one output as stored, of eight as packed; the integers it meets, else f32. */
const TYPES = {
  f32: { word: 0, stored: 1024, packed: 8192 },
  f16: { word: 1, stored: 512, packed: 4096 },
  bf16: { word: 2, stored: 512, packed: 4096 },
  q8_0: { word: 3, stored: 272, packed: 2304, meets: "i16" },
  q4_0: { word: 4, stored: 144, packed: 1280, meets: "i8" },
  q4_1: { word: 5, stored: 160, packed: 1536, meets: "i8" },
  q5_0: { word: 6, stored: 176, packed: 1536, meets: "i8" },
  q5_1: { word: 7, stored: 192, packed: 1536 },
  q2_k: { word: 8, stored: 84, packed: 672 },
  q3_k: { word: 9, stored: 110, packed: 880 },
  q4_k: { word: 10, stored: 144, packed: 1216, meets: "i8" },
  q5_k: { word: 11, stored: 176, packed: 1472, meets: "i8" },
  q6_k: { word: 12, stored: 210, packed: 1696, meets: "i8" },
  iq4_nl: { word: 13, stored: 144, packed: 1280, meets: "i16" },
  iq4_xs: { word: 14, stored: 136, packed: 1280 },
  mxfp4: { word: 15, stored: 136, packed: 1088 },
  tq1_0: { word: 16, stored: 54, packed: 432 },
  tq2_0: { word: 17, stored: 66, packed: 528 },
  f8_e4m3: { word: 18, stored: 256, packed: 2048 },
};
const map = (make) => Object.fromEntries(Object.entries(TYPES).map(([type, row]) => [type, make(row)]));

export const WORD = map(({ word }) => word);
export const MEETS = map(({ meets }) => meets);
/** Bytes of COLS weights of 8 outputs, packed; and of one output, stored. */
export const GROUP_BYTES = map(({ packed }) => (packed * COLS) / 256);
export const ROW_BYTES = map(({ stored }) => (stored * COLS) / 256);
export const INTEGER_TYPES = Object.keys(TYPES).filter((type) => MEETS[type]);

/** Elements as the loop wants them, from `pick(Type, count)`; types that are not here are read as they are stored. */
const ROW = {
  f32: (pick, count) => [pick(Float32Array, count)],
  f16: (pick, count) => [pick(Uint16Array, count)],
  bf16: (pick, count) => [pick(Uint16Array, count)],
  q8_0: (pick, count) => [pick(Int8Array, count), pick(Float32Array, count / 32)],
  q4_0: (pick, count) => [pick(Uint8Array, count / 2), pick(Float32Array, count / 32)],
};
const stored = (type) => (pick, count) => [pick(Uint8Array, (TYPES[type].stored * count) / 256)];

/** Typed arrays of weights, of an allocator or of a place in the stream. */
export const weightsFrom = (pick, type, count) => (ROW[type] ?? stored(type))(pick, count);

/** The operands behind the activations. */
export const tableFor = (type) => (type === "f16" || !(type in ROW) ? [F16_TABLE] : []);

const SHORT = { q8_0: "Q8", q4_0: "Q4" };
/** matmulQ4_1 ... */
export const loopName = (verb, type) => `${verb}${SHORT[type] ?? type[0].toUpperCase() + type.slice(1)}`;

/** out [h][outputs] = x [h][COLS] times weights in memory of their own. */
export function matmulLoop(type, h, outputs) {
  return {
    name: loopName("matmul", type),
    operands() {
      const x = noise(h * COLS);
      return [new Float32Array(h * outputs), ...weightsFrom(pattern, type, outputs * COLS), x, ...tableFor(type)];
    },
    sizes: [h, outputs, COLS],
  };
}
