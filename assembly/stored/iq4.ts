/**
 * Rows of 4-bit indices into a table of 16 values -> f32.
 *
 *   iq4_nl  18 bytes, 32 values    f16 d, nibbles [16]                                           d T
 *   iq4_xs  136 bytes, 256 values  f16 d, u16 upper pairs and [4] low nibbles of scales, nibbles [8][16]   d (s - 32) T
 *   mxfp4   17 bytes, 32 values    u8 e, nibbles [16]                                            2^(e - 128) M, M twice the fp4 value
 *
 * Low nibbles are values 0..15 of their 32, high nibbles values 16..31.
 */

import { Half } from "./half";
import { Spread } from "./spread";

class Table {
  @inline static steps(): v128 {
    return i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  }

  @inline static floats(): v128 {
    return i8x16(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  }

  @inline static spread(outAt: usize, table: v128, q: v128, scale: v128): void {
    Spread.scaled(outAt, i8x16.swizzle(table, Spread.low(q)), scale);
    Spread.scaled(outAt + 64, i8x16.swizzle(table, Spread.high(q)), scale);
  }
}

export function decode_iq4_nl(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    Table.spread(outAt, Table.steps(), v128.load(fromAt, 2), f32x4.splat(Half.load(fromAt)));
    fromAt += 18;
    outAt += 128;
  }
}

export function decode_iq4_xs(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const d = Half.load(fromAt);
    let pairs: u32 = load<u16>(fromAt, 2), nibbles = load<u32>(fromAt, 4);
    const blockEnd = fromAt + 136;
    fromAt += 8;
    while (fromAt < blockEnd) {
      const scale = <i32>((nibbles & 15) | ((pairs & 3) << 4)) - 32;
      Table.spread(outAt, Table.steps(), v128.load(fromAt), f32x4.splat(d * <f32>scale));
      nibbles >>>= 4;
      pairs >>>= 2;
      fromAt += 16;
      outAt += 128;
    }
  }
}

export function decode_mxfp4(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const e: i32 = load<u8>(fromAt);
    // 2^-128 and 2^-127 are denormals.
    const scale = reinterpret<f32>(e < 2 ? 0x00200000 << e : (e - 1) << 23);
    Table.spread(outAt, Table.floats(), v128.load(fromAt, 1), f32x4.splat(scale));
    fromAt += 17;
    outAt += 128;
  }
}

class Fp4 {
  /** Whether no value of a block overflows: indices 4..7 are 4, 6, 8, 12. */
  @inline static isFinite(at: usize): bool {
    const e: i32 = load<u8>(at);
    if (e < 253) return true;
    if (e == 255) return false;
    const q = v128.load(at, 1), seven = i8x16.splat(7);
    const sizes = i8x16.max_u(v128.and(q, seven), v128.and(i16x8.shr_u(q, 4), seven));
    return !v128.any_true(i8x16.gt_u(sizes, i8x16.splat(e == 253 ? 5 : 3)));
  }
}

export function finite_mxfp4(fromAt: usize, count: i32): bool {
  const end = fromAt + <usize>(count >>> 5) * 17;
  for (; fromAt < end; fromAt += 17) if (!Fp4.isFinite(fromAt)) return false;
  return true;
}
