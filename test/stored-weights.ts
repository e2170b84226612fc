/**
 * Weights as a file holds them, and what they mean: blocks of q8_0 and q4_0, elements of f32, f16 and bf16.
 */
import * as abi from "../assembly/abi.ts";
import type { Random } from "./kernels.ts";
import * as oracle from "./oracle.ts";

export const FINITE_SCALES = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
  (half) => (half & 0x7c00) !== 0x7c00,
);

/** Stored blocks of random bytes; scales are any finite f16: negative, subnormal, zero. `tame`: of magnitude 2^-7 .. 2^-5. */
export function storedBlocks(random: Random, count: number, blockBytes: number, tame = false): Uint8Array {
  const stored = random.bytes(count * blockBytes);
  for (let at = 0; at < stored.length; at += blockBytes) {
    const scale = tame
      ? (random.integer(0, 2) << 15) | (random.integer(8, 10) << 10) | random.integer(0, 1024)
      : FINITE_SCALES[random.integer(0, FINITE_SCALES.length)];
    stored[at] = scale & 255;
    stored[at + 1] = scale >> 8;
  }
  return stored;
}

export const FORMATS = [
  {
    name: "q8_0",
    type: abi.TYPE_Q8_0,
    stored: 34,
    packed: 288,
    dequantize: oracle.dequantizeQ8_0,
    form: abi.PANEL_Q16_PAIRS,
    panelBytes: 2,
    most: 32767,
    nmse: 1e-9,
  },
  {
    name: "q4_0",
    type: abi.TYPE_Q4_0,
    stored: 18,
    packed: 160,
    dequantize: oracle.dequantizeQ4_0,
    form: abi.PANEL_Q8_QUADS,
    panelBytes: 1,
    most: 127,
    nmse: 1e-4,
  },
] as const;
export type Format = (typeof FORMATS)[number];

/** Weights of each type, drawn from `random`: what a file holds, and what it means. */
export const weightsFrom = (random: Random) => [
  { name: "f32", type: abi.TYPE_F32, step: 1, make: (count: number) => stored(random.floats(count), (value) => value) },
  {
    name: "f16",
    type: abi.TYPE_F16,
    step: 1,
    make: (count: number) => stored(halves(random, count, 0x2800), oracle.fromF16),
  },
  {
    name: "bf16",
    type: abi.TYPE_BF16,
    step: 1,
    make: (count: number) => stored(halves(random, count, 0x3e80), oracle.fromBf16),
  },
  ...FORMATS.map(({ name, type, stored: bytes, dequantize }) => ({
    ...{ name, type, step: 32 },
    make: (count: number) => {
      const bytesOfAll = storedBlocks(random, count / 32, bytes, true);
      return { bytes: bytesOfAll, values: dequantize(bytesOfAll) };
    },
  })),
];

function stored<T extends Float32Array | Uint16Array>(elements: T, widen: (element: number) => number) {
  return { bytes: new Uint8Array(elements.buffer), values: Float64Array.from(elements, widen) };
}

/** 16-bit patterns around an exponent, both signs. */
function halves(random: Random, count: number, exponent: number): Uint16Array {
  return Uint16Array.from({ length: count }, () => (random.integer(0, 2) << 15) | (exponent + random.integer(0, 1024)));
}
