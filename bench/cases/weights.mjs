// The stored types of weights: sizes, and the plain loop that multiplies by them.

import { groupBytes } from "../../dist/src/runtime/packed.js";
import { WEIGHT_TYPE_NAMES, weightType } from "../../dist/src/weight-types.js";
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
const TYPES = Object.fromEntries(
  WEIGHT_TYPE_NAMES.map((type) => {
    const { word, elements, bytes, integers, signedBytes } = weightType(type);
    const packed = groupBytes(type === "iq4_xs" ? "iq4_nl" : type, 256); // its packed form is the other's
    return [type, { word, stored: (bytes * 256) / elements, packed, meets: integers ? "i8" : signedBytes && "i16" }];
  }),
);
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
