/** Rows stored as f32, f16, bf16 or f8_e4m3 -> f32, any count; f32 -> f16 and bf16, to nearest even. */

import { Half } from "./half";

export function decode_f32(outAt: usize, fromAt: usize, count: i32): void {
  memory.copy(outAt, fromAt, (<usize>count) << 2);
}

export function decode_f16(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count & ~7) << 2);
  while (outAt < end) {
    const halves = v128.load(fromAt);
    v128.store(outAt, Half.widen(i32x4.extend_low_i16x8_u(halves)), 0);
    v128.store(outAt, Half.widen(i32x4.extend_high_i16x8_u(halves)), 16);
    fromAt += 16;
    outAt += 32;
  }
  for (let i = 0; i < (count & 7); i++) store<f32>(outAt + ((<usize>i) << 2), Half.load(fromAt + ((<usize>i) << 1)));
}

/** bf16 is the upper half of an f32. */
export function decode_bf16(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count & ~7) << 2), zero = i16x8.splat(0);
  while (outAt < end) {
    const halves = v128.load(fromAt);
    v128.store(outAt, v128.shuffle<i16>(zero, halves, 0, 8, 0, 9, 0, 10, 0, 11), 0);
    v128.store(outAt, v128.shuffle<i16>(zero, halves, 0, 12, 0, 13, 0, 14, 0, 15), 16);
    fromAt += 16;
    outAt += 32;
  }
  for (let i = 0; i < (count & 7); i++) {
    store<u32>(outAt + ((<usize>i) << 2), (<u32>load<u16>(fromAt + ((<usize>i) << 1))) << 16);
  }
}

class Eight {
  /** Four bytes in u32 lanes -> f32: sign, 4 bits of exponent with bias 7, 3 of mantissa; no infinity, 0x7f is NaN. */
  @inline static widen(bytes_u32x4: v128): v128 {
    const size = i32x4.shl(v128.and(bytes_u32x4, i32x4.splat(0x7f)), 20);
    const sign = i32x4.shl(v128.and(bytes_u32x4, i32x4.splat(0x80)), 24);
    const normal = i32x4.add(size, i32x4.splat(120 << 23));
    // As in Half: 2^-6 + m 2^-9 - 2^-6.
    const subnormal = f32x4.sub(i32x4.add(size, i32x4.splat(121 << 23)), i32x4.splat(121 << 23));
    const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(size, i32x4.splat(0x00800000)));
    return v128.or(v128.or(finite, i32x4.eq(size, i32x4.splat(0x7f << 20))), sign);
  }
}

export function decode_f8_e4m3(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count & ~7) << 2);
  while (outAt < end) {
    const bytes = v128.load8x8_u(fromAt);
    v128.store(outAt, Eight.widen(i32x4.extend_low_i16x8_u(bytes)), 0);
    v128.store(outAt, Eight.widen(i32x4.extend_high_i16x8_u(bytes)), 16);
    fromAt += 8;
    outAt += 32;
  }
  for (let i = 0; i < (count & 7); i++) {
    store<f32>(outAt + ((<usize>i) << 2), f32x4.extract_lane(Eight.widen(i32x4.splat(load<u8>(fromAt + <usize>i))), 0));
  }
}

export function encode_f16(toAt: usize, xAt: usize, count: i32): void {
  const end = toAt + ((<usize>count & ~3) << 1);
  for (; toAt < end; toAt += 8, xAt += 16) {
    const halves = Half.narrow(v128.load(xAt));
    v128.store64_lane(toAt, i16x8.narrow_i32x4_u(halves, halves), 0);
  }
  for (let i: usize = 0; i < <usize>(count & 3); i++) Half.store(toAt + (i << 1), load<f32>(xAt + (i << 2)));
}

class Brain {
  /** Upper half of the f32, to nearest even. */
  @inline static narrow(values: v128): v128 {
    const odd = v128.and(i32x4.shr_u(values, 16), i32x4.splat(1));
    return i32x4.shr_u(i32x4.add(i32x4.add(values, odd), i32x4.splat(0x7fff)), 16);
  }
}

export function encode_bf16(toAt: usize, xAt: usize, count: i32): void {
  const end = toAt + ((<usize>count & ~3) << 1);
  for (; toAt < end; toAt += 8, xAt += 16) {
    const halves = Brain.narrow(v128.load(xAt));
    v128.store64_lane(toAt, i16x8.narrow_i32x4_u(halves, halves), 0);
  }
  for (let i: usize = 0; i < <usize>(count & 3); i++) {
    store<u16>(toAt + (i << 1), <u16>i32x4.extract_lane(Brain.narrow(v128.load32_splat(xAt + (i << 2))), 0));
  }
}
