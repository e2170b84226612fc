/**
 * Rows of the 256-value blocks of ggml with a scale per sub-block -> f32. Byte offsets in a block; f16 d and dmin scale the integer scales:
 *
 *   q2_k   84  scales [16] (low nibble scale, high nibble min), q [64] 2 bits, d, dmin        d s q - dmin m      per 16
 *   q3_k  110  high bits [32], q [64] 2 bits, scales [12] 6 bits less 32, d                  d s (q - 4 or 0)    per 16
 *   q4_k  144  d, dmin, scales and mins [12] 6 bits, q [128] nibbles                         d s q - dmin m      per 32
 *   q5_k  176  d, dmin, scales and mins [12] 6 bits, fifth bits [32], q [128] nibbles        d s q - dmin m      per 32
 *   q6_k  210  low nibbles [128], high pairs [64], scales i8 [16], d                         d s (q - 32)        per 16
 *
 * Pairs of bits: value 128 b + 32 g + l is pair g of byte 32 b + l. Nibbles of q4_k and q5_k: 32 bytes hold the 32 values of one sub-block
 * low, those of the next one high. Bit k of fifth byte l belongs to value 32 k + l, bit 4 b + g of high-bit byte l to 128 b + 32 g + l.
 * Products round as they are written, from the left.
 */

import { Half } from "./half";
import { Spread } from "./spread";

class K {
  /** Eight 6-bit scales of q4_k and q5_k, one a byte: 4..7 have their low nibbles in the last word, their upper bits above those of 0..3. */
  @inline static scales(at: usize): u64 {
    const first = load<u32>(at, 0), last = load<u32>(at, 8);
    return (<u64>((last & 0x0f0f0f0f) | ((first >>> 2) & 0x30303030)) << 32) | <u64>(first & 0x3f3f3f3f);
  }

  @inline static mins(at: usize): u64 {
    const second = load<u32>(at, 4), last = load<u32>(at, 8);
    return (<u64>(((last >>> 4) & 0x0f0f0f0f) | ((second >>> 2) & 0x30303030)) << 32) | <u64>(second & 0x3f3f3f3f);
  }

  @inline static times(scale: f32, bytes: u64, k: i32): v128 {
    return f32x4.splat(scale * <f32>(<u32>(bytes >>> (k << 3)) & 63));
  }

  /** d times the signed scale at an address. */
  @inline static signed(d: f32, at: usize): v128 {
    return f32x4.splat(d * <f32>load<i8>(at));
  }

  /** Pair g of each byte. */
  @inline static pair(bytes: v128, g: i32): v128 {
    return v128.and(g == 0 ? bytes : i16x8.shr_u(bytes, g << 1), i8x16.splat(3));
  }
}

class Q2 {
  @inline static sixteen(outAt: usize, q: v128, d: f32, min: f32, scale: u32): void {
    Spread.shifted(outAt, q, f32x4.splat(d * <f32>(scale & 15)), f32x4.splat(min * <f32>(scale >>> 4)));
  }
}

export function decode_q2_k(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const d = Half.load(fromAt + 80), min = -Half.load(fromAt + 82);
    for (let half: usize = 0; half < 4; half++) {
      // Bytes 16 half .. + 15; their values lie 32 apart.
      const q = v128.load(fromAt + (half << 4), 16);
      const scaleAt = fromAt + ((half & 2) << 2) + (half & 1), to = outAt + ((half & 2) << 8) + ((half & 1) << 6);
      Q2.sixteen(to, K.pair(q, 0), d, min, load<u8>(scaleAt, 0));
      Q2.sixteen(to + 128, K.pair(q, 1), d, min, load<u8>(scaleAt, 2));
      Q2.sixteen(to + 256, K.pair(q, 2), d, min, load<u8>(scaleAt, 4));
      Q2.sixteen(to + 384, K.pair(q, 3), d, min, load<u8>(scaleAt, 6));
    }
    fromAt += 84;
    outAt += 1024;
  }
}

class Q3 {
  /** 16 scales, one a byte: low nibbles of 0..7 and 8..15 share bytes, the upper pairs of k, k + 4, k + 8, k + 12 do. */
  @inline static scales(at: usize): v128 {
    const low = load<u64>(at, 0), pairs = load<u32>(at, 8);
    const upper = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(pairs << 4), 1, pairs << 2), 2, pairs), 3, pairs >>> 2);
    const nibbles = i64x2.replace_lane(i64x2.splat(low), 1, low >>> 4);
    return i8x16.sub(v128.or(Spread.low(nibbles), v128.and(upper, i8x16.splat(0x30))), i8x16.splat(32));
  }

  @inline static sixteen(outAt: usize, q: v128, high: v128, bit: i32, scale: f32): void {
    const shifted = bit < 2 ? i16x8.shl(high, 2 - bit) : i16x8.shr_u(high, bit - 2);
    Spread.scaled(outAt, i8x16.sub(q, v128.andnot(i8x16.splat(4), shifted)), f32x4.splat(scale));
  }

  /** 64 values, 32 apart in fours of 16: those of 16 bytes at q. */
  @inline static each(outAt: usize, q: v128, high: v128, b: i32, d: f32, s0: i32, s1: i32, s2: i32, s3: i32): void {
    Q3.sixteen(outAt, K.pair(q, 0), high, 4 * b, d * <f32>s0);
    Q3.sixteen(outAt + 128, K.pair(q, 1), high, 4 * b + 1, d * <f32>s1);
    Q3.sixteen(outAt + 256, K.pair(q, 2), high, 4 * b + 2, d * <f32>s2);
    Q3.sixteen(outAt + 384, K.pair(q, 3), high, 4 * b + 3, d * <f32>s3);
  }
}

export function decode_q3_k(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const d = Half.load(fromAt + 108), s = Q3.scales(fromAt + 96);
    const high0 = v128.load(fromAt, 0), high1 = v128.load(fromAt, 16);
    Q3.each(outAt, v128.load(fromAt, 32), high0, 0, d,
      i8x16.extract_lane_s(s, 0), i8x16.extract_lane_s(s, 2), i8x16.extract_lane_s(s, 4), i8x16.extract_lane_s(s, 6));
    Q3.each(outAt + 64, v128.load(fromAt, 48), high1, 0, d,
      i8x16.extract_lane_s(s, 1), i8x16.extract_lane_s(s, 3), i8x16.extract_lane_s(s, 5), i8x16.extract_lane_s(s, 7));
    Q3.each(outAt + 512, v128.load(fromAt, 64), high0, 1, d,
      i8x16.extract_lane_s(s, 8), i8x16.extract_lane_s(s, 10), i8x16.extract_lane_s(s, 12), i8x16.extract_lane_s(s, 14));
    Q3.each(outAt + 576, v128.load(fromAt, 80), high1, 1, d,
      i8x16.extract_lane_s(s, 9), i8x16.extract_lane_s(s, 11), i8x16.extract_lane_s(s, 13), i8x16.extract_lane_s(s, 15));
    fromAt += 110;
    outAt += 1024;
  }
}

export function decode_q4_k(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const d = Half.load(fromAt), min = -Half.load(fromAt + 2);
    let scales = K.scales(fromAt + 4), mins = K.mins(fromAt + 4);
    const blockEnd = fromAt + 144;
    fromAt += 16;
    while (fromAt < blockEnd) {
      const q0 = v128.load(fromAt, 0), q1 = v128.load(fromAt, 16);
      let scale = K.times(d, scales, 0), offset = K.times(min, mins, 0);
      Spread.shifted(outAt, Spread.low(q0), scale, offset);
      Spread.shifted(outAt + 64, Spread.low(q1), scale, offset);
      scale = K.times(d, scales, 1);
      offset = K.times(min, mins, 1);
      Spread.shifted(outAt + 128, Spread.high(q0), scale, offset);
      Spread.shifted(outAt + 192, Spread.high(q1), scale, offset);
      scales >>>= 16;
      mins >>>= 16;
      fromAt += 32;
      outAt += 256;
    }
  }
}

export function decode_q5_k(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2), one = i8x16.splat(1), two = i8x16.splat(2);
  while (outAt < end) {
    const d = Half.load(fromAt), min = -Half.load(fromAt + 2);
    let scales = K.scales(fromAt + 4), mins = K.mins(fromAt + 4);
    // Their lowest two bits are those of the next two sub-blocks.
    let fifth0 = v128.load(fromAt, 16), fifth1 = v128.load(fromAt, 32);
    const blockEnd = fromAt + 176;
    fromAt += 48;
    while (fromAt < blockEnd) {
      const q0 = v128.load(fromAt, 0), q1 = v128.load(fromAt, 16);
      let scale = K.times(d, scales, 0), offset = K.times(min, mins, 0);
      Spread.shifted(outAt, v128.or(Spread.low(q0), i16x8.shl(v128.and(fifth0, one), 4)), scale, offset);
      Spread.shifted(outAt + 64, v128.or(Spread.low(q1), i16x8.shl(v128.and(fifth1, one), 4)), scale, offset);
      scale = K.times(d, scales, 1);
      offset = K.times(min, mins, 1);
      Spread.shifted(outAt + 128, v128.or(Spread.high(q0), i16x8.shl(v128.and(fifth0, two), 3)), scale, offset);
      Spread.shifted(outAt + 192, v128.or(Spread.high(q1), i16x8.shl(v128.and(fifth1, two), 3)), scale, offset);
      scales >>>= 16;
      mins >>>= 16;
      fifth0 = i16x8.shr_u(fifth0, 2);
      fifth1 = i16x8.shr_u(fifth1, 2);
      fromAt += 32;
      outAt += 256;
    }
  }
}

export function decode_q6_k(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2), zero = i8x16.splat(32);
  while (outAt < end) {
    const d = Half.load(fromAt + 208);
    for (let half: usize = 0; half < 4; half++) {
      const b = half >>> 1, l = half & 1;
      const lowAt = fromAt + (b << 6) + (l << 4), scaleAt = fromAt + (b << 3) + l, to = outAt + (b << 9) + (l << 6);
      const q0 = v128.load(lowAt, 0), q1 = v128.load(lowAt, 32), pairs = v128.load(fromAt + (half << 4), 128);
      const h0 = i16x8.shl(v128.and(pairs, i8x16.splat(0x03)), 4), h1 = i16x8.shl(v128.and(pairs, i8x16.splat(0x0c)), 2);
      const h2 = v128.and(pairs, i8x16.splat(0x30)), h3 = v128.and(i16x8.shr_u(pairs, 2), i8x16.splat(0x30));
      Spread.scaled(to, i8x16.sub(v128.or(Spread.low(q0), h0), zero), K.signed(d, scaleAt + 192));
      Spread.scaled(to + 128, i8x16.sub(v128.or(Spread.low(q1), h1), zero), K.signed(d, scaleAt + 194));
      Spread.scaled(to + 256, i8x16.sub(v128.or(Spread.high(q0), h2), zero), K.signed(d, scaleAt + 196));
      Spread.scaled(to + 384, i8x16.sub(v128.or(Spread.high(q1), h3), zero), K.signed(d, scaleAt + 198));
    }
    fromAt += 210;
    outAt += 1024;
  }
}
