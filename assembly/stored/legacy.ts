/**
 * Rows of the 32-value blocks of ggml -> f32. q8_0: f16 d, 32 signed bytes. The others: f16 d, for _1 also f16 m, for q5 a word of fifth
 * bits, then 16 bytes whose low nibbles are values 0..15 and whose high nibbles are values 16..31. Value: d q, or d q + m.
 *
 * Back: byte for byte as ggml's reference quantisers write them. Values are finite. Every step rounds to f32 and nothing is fused; the
 * integers follow the unrounded scale, the stored f16 is rounded after.
 */

import { Lanes } from "../lanes";
import { Half } from "./half";
import { Spread } from "./spread";

export function decode_q8_0(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt));
    Spread.scaled(outAt, v128.load(fromAt, 2), scale);
    Spread.scaled(outAt + 64, v128.load(fromAt, 18), scale);
    fromAt += 34;
    outAt += 128;
  }
}

export function decode_q4_0(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2), eight = i8x16.splat(8);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt)), q = v128.load(fromAt, 2);
    Spread.scaled(outAt, i8x16.sub(Spread.low(q), eight), scale);
    Spread.scaled(outAt + 64, i8x16.sub(Spread.high(q), eight), scale);
    fromAt += 18;
    outAt += 128;
  }
}

export function decode_q4_1(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt)), offset = f32x4.splat(Half.load(fromAt + 2)), q = v128.load(fromAt, 4);
    Spread.shifted(outAt, Spread.low(q), scale, offset);
    Spread.shifted(outAt + 64, Spread.high(q), scale, offset);
    fromAt += 20;
    outAt += 128;
  }
}

class Fifth {
  /** The fifth bits of 16 values as 16 or 0: lanes 0..7 take byte `first` of the word, lanes 8..15 the next. */
  @inline static of(word: v128, first: i32): v128 {
    const spread = first == 0
      ? v128.shuffle<i8>(word, word, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
      : v128.shuffle<i8>(word, word, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const bits = i64x2.splat(0x8040201008040201);
    return v128.and(i8x16.eq(v128.and(spread, bits), bits), i8x16.splat(16));
  }
}

export function decode_q5_0(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2), sixteen = i8x16.splat(16);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt)), word = v128.load32_splat(fromAt, 2), q = v128.load(fromAt, 6);
    Spread.scaled(outAt, i8x16.sub(v128.or(Spread.low(q), Fifth.of(word, 0)), sixteen), scale);
    Spread.scaled(outAt + 64, i8x16.sub(v128.or(Spread.high(q), Fifth.of(word, 2)), sixteen), scale);
    fromAt += 22;
    outAt += 128;
  }
}

export function decode_q5_1(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt)), offset = f32x4.splat(Half.load(fromAt + 2));
    const word = v128.load32_splat(fromAt, 4), q = v128.load(fromAt, 8);
    Spread.shifted(outAt, v128.or(Spread.low(q), Fifth.of(word, 0)), scale, offset);
    Spread.shifted(outAt + 64, v128.or(Spread.high(q), Fifth.of(word, 2)), scale, offset);
    fromAt += 24;
    outAt += 128;
  }
}

class Block {
  /** Greatest size of 32 values. */
  static size(xAt: usize): f32 {
    let most = f32x4.abs(v128.load(xAt));
    for (let at: usize = 16; at < 128; at += 16) most = f32x4.max(most, f32x4.abs(v128.load(xAt + at)));
    return Lanes.max(most);
  }

  static max(xAt: usize): f32 {
    let most = v128.load(xAt);
    for (let at: usize = 16; at < 128; at += 16) most = f32x4.max(most, v128.load(xAt + at));
    return Lanes.max(most);
  }

  /** The first of the least: of -0 and 0 the one that comes first. */
  static min(xAt: usize): f32 {
    let most = f32x4.neg(v128.load(xAt));
    for (let at: usize = 16; at < 128; at += 16) most = f32x4.max(most, f32x4.neg(v128.load(xAt + at)));
    return Block.first(xAt, -Lanes.max(most), false);
  }

  /** The value of greatest size with its sign, the first of them; 0 where all are zeros of any sign. */
  @inline static greatest(xAt: usize): f32 {
    const size = Block.size(xAt);
    return size == 0 ? 0 : Block.first(xAt, size, true);
  }

  /** The first of 32 values that equals `value`, by size where `sized`. */
  static first(xAt: usize, value: f32, sized: bool): f32 {
    const wanted = f32x4.splat(value);
    for (let end = xAt + 128; xAt < end; xAt += 16) {
      const x = v128.load(xAt), found = i32x4.bitmask(f32x4.eq(sized ? f32x4.abs(x) : x, wanted));
      if (found) return load<f32>(xAt + (<usize>ctz(found) << 2));
    }
    return value;
  }

  @inline static inverse(scale: f32): f32 {
    return scale != 0 ? <f32>1 / scale : 0;
  }

  /** Four values -> i32: (x - low) / scale + half, cut off towards zero. */
  @inline static four(xAt: usize, low: v128, inverse: v128, half: v128): v128 {
    return i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(f32x4.sub(v128.load(xAt), low), inverse), half));
  }

  /** 16 values -> bytes of 0..most. */
  static sixteen(xAt: usize, low: f32, inverse: f32, half: f32, most: i32): v128 {
    const l = f32x4.splat(low), i = f32x4.splat(inverse), h = f32x4.splat(half);
    const first = i16x8.narrow_i32x4_s(Block.four(xAt, l, i, h), Block.four(xAt + 16, l, i, h));
    const second = i16x8.narrow_i32x4_s(Block.four(xAt + 32, l, i, h), Block.four(xAt + 48, l, i, h));
    return i8x16.min_u(i8x16.narrow_i16x8_u(first, second), i8x16.splat(<i8>most));
  }

  /** Nibbles of 32 values at toAt; fifth bits, if any, in the word before them. */
  @inline static store(toAt: usize, xAt: usize, low: f32, inverse: f32, half: f32, most: i32): void {
    const first = Block.sixteen(xAt, low, inverse, half, most), second = Block.sixteen(xAt + 64, low, inverse, half, most);
    v128.store(toAt, v128.or(v128.and(first, i8x16.splat(15)), i8x16.shl(second, 4)));
    if (most > 15) store<u32>(toAt - 4, i8x16.bitmask(i16x8.shl(first, 3)) | (i8x16.bitmask(i16x8.shl(second, 3)) << 16));
  }

  /** Four values -> i32, x / scale rounded half away from zero. */
  @inline static round(xAt: usize, inverse: v128): v128 {
    const x = f32x4.mul(v128.load(xAt), inverse), whole = f32x4.trunc(x);
    const away = f32x4.ge(f32x4.abs(f32x4.sub(x, whole)), f32x4.splat(0.5));
    const one = v128.or(f32x4.splat(1), v128.and(x, i32x4.splat(<i32>0x80000000)));
    return i32x4.trunc_sat_f32x4_s(f32x4.add(whole, v128.and(away, one)));
  }
}

/** d = greatest size / 127. */
export function encode_q8_0(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 128, toAt += 34) {
    const scale = Block.size(xAt) / 127, inverse = f32x4.splat(Block.inverse(scale));
    Half.store(toAt, scale);
    for (let i: usize = 0; i < 2; i++) {
      const at = xAt + (i << 6);
      const first = i16x8.narrow_i32x4_s(Block.round(at, inverse), Block.round(at + 16, inverse));
      const second = i16x8.narrow_i32x4_s(Block.round(at + 32, inverse), Block.round(at + 48, inverse));
      v128.store(toAt + (i << 4), i8x16.narrow_i16x8_s(first, second), 2);
    }
  }
}

/** d = M / -8, M the value of greatest size: it becomes 0. */
export function encode_q4_0(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 128, toAt += 18) {
    const scale = Block.greatest(xAt) / -8;
    Half.store(toAt, scale);
    Block.store(toAt + 2, xAt, 0, Block.inverse(scale), 8.5, 15);
  }
}

/** m the least value, d = range / 15. */
export function encode_q4_1(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 128, toAt += 20) {
    const low = Block.min(xAt), scale = (Block.max(xAt) - low) / 15;
    Half.store(toAt, scale);
    Half.store(toAt + 2, low);
    Block.store(toAt + 4, xAt, low, Block.inverse(scale), 0.5, 15);
  }
}

/** d = M / -16. */
export function encode_q5_0(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 128, toAt += 22) {
    const scale = Block.greatest(xAt) / -16;
    Half.store(toAt, scale);
    Block.store(toAt + 6, xAt, 0, Block.inverse(scale), 16.5, 31);
  }
}

/** m the least value, d = range / 31. */
export function encode_q5_1(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 128, toAt += 24) {
    const low = Block.min(xAt), scale = (Block.max(xAt) - low) / 31;
    Half.store(toAt, scale);
    Half.store(toAt + 2, low);
    Block.store(toAt + 8, xAt, low, Block.inverse(scale), 0.5, 31);
  }
}
