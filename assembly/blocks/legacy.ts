/**
 * Rows of the 32-value blocks of ggml -> f32. q8_0: f16 d, 32 signed bytes. The others: f16 d, for _1 also f16 m, for q5 a word of fifth
 * bits, then 16 bytes whose low nibbles are values 0..15 and whose high nibbles are values 16..31. Value: d q, or d q + m.
 */

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
