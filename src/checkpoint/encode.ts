import type { StoredType } from "../weight-types.ts";
import { bitsToBf16, bitsToF16, f32ToF16 } from "./halves.ts";

/**
 * f32 values -> stored bytes, bit for bit as ggml's reference quantisers do it. Halves round to nearest even. Values are
 * finite; every intermediate is rounded to f32 where the reference has a `float`.
 */

/** Writes `values` (whole blocks) to `into`, from its start. False: there is no encoder for this type, and nothing is written. */
export function encode(type: StoredType, values: Float32Array, into: Uint8Array): boolean {
  const encoder = ENCODERS[type];
  encoder?.(values, into);
  return encoder !== undefined;
}

type Encoder = (values: Float32Array, into: Uint8Array) => void;

const ENCODERS: Partial<Record<StoredType, Encoder>> = {
  f32: (values, into) => into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  f16: encodeF16,
  bf16: encodeBf16,
  q8_0: encodeQ8,
  q4_0: encodeQ4,
};

function encodeF16(values: Float32Array, into: Uint8Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) writeBits(bitsToF16(bits[i]), into, 2 * i);
}

function encodeBf16(values: Float32Array, into: Uint8Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) writeBits(bitsToBf16(bits[i]), into, 2 * i);
}

/** Block: f16 d | 32 x i8 q, with d = max|x| / 127 and q = x / d rounded half away from zero. */
function encodeQ8(values: Float32Array, into: Uint8Array): void {
  for (let start = 0, at = 0; start < values.length; start += 32, at += 34) {
    let largest = 0;
    for (let i = start; i < start + 32; i++) {
      const size = Math.abs(values[i]);
      if (size > largest) largest = size;
    }
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeHalf(scale, into, at);
    for (let i = 0; i < 32; i++) {
      const x = Math.fround(values[start + i] * inverse);
      into[at + 2 + i] = x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5);
    }
  }
}

/** Block: f16 d | 16 bytes, low nibbles values 0..15, high ones 16..31; d = M / -8, M the value of largest size, signed. */
function encodeQ4(values: Float32Array, into: Uint8Array): void {
  for (let start = 0, at = 0; start < values.length; start += 32, at += 18) {
    let largest = 0;
    for (let i = start; i < start + 32; i++) if (Math.abs(values[i]) > Math.abs(largest)) largest = values[i];
    const scale = Math.fround(largest / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeHalf(scale, into, at);
    for (let i = 0; i < 16; i++) {
      const low = nibble(values[start + i], inverse);
      into[at + 2 + i] = low | (nibble(values[start + 16 + i], inverse) << 4);
    }
  }
}

function nibble(value: number, inverse: number): number {
  return Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)));
}

/** A number as f16. */
export function writeHalf(scale: number, into: Uint8Array, at: number): void {
  writeBits(f32ToF16(scale), into, at);
}

function writeBits(half: number, into: Uint8Array, at: number): void {
  into[at] = half;
  into[at + 1] = half >>> 8;
}
