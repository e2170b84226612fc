/**
 * Activation rows -> panels: f32 as they are, or integers for integer dot products.
 *
 * One row [cols] f32 goes into lane `lane` of a tile of `h` rows (layouts: abi.ts, PANEL_*). Blocks of 32: d = max|x| / most,
 * q = round(x * (most / max|x|)), half to even; |q| <= most. A block whose largest value is below 1e-34 (most / max|x| would
 * overflow) is zeros. `most` is 127 beside 4-bit weights, whose relaxed dot takes i8. Beside q8_0 it is 32767: a dot of i16 takes that
 * for nothing, and two of bytes are as fast; the storyteller's mean KL divergence from bf16 falls from 1.8e-3 to 1.9e-4.
 */

import { BLOCK, CACHE_Q8, SUPER_COLS, SUPER_HALVES, SUPER_PAIRS, SUPER_TIMES, SUPER_WORDS } from "../abi";
import { Lanes } from "../lanes";

/** panel: the tile's first word; element (col, lane) at col * h + lane. */
export function panel_f32(panelAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2;
  let to = panelAt + (<usize>lane << 2);
  for (let col = 0; col < cols; col++, to += step) store<f32>(to, load<f32>(xAt + (<usize>col << 2)));
}

/** Of each lane the largest magnitude of `bytes` of f32, whole vectors. */
@inline function magnitudes(xAt: usize, bytes: usize): v128 {
  let most_f32x4 = f32x4.splat(0);
  for (let k: usize = 0; k < bytes; k += 16) most_f32x4 = i32x4.max_u(most_f32x4, f32x4.abs(v128.load(xAt + k)));
  return most_f32x4;
}

/** Of a block. */
@inline function max_magnitude(xAt: usize): f32 {
  return Lanes.largest(magnitudes(xAt, BLOCK * 4));
}

/** most / largest, or 0 where that is no number. */
@inline function inverse_scale(largest: f32, most: f32): v128 {
  return f32x4.splat(largest < 1e-34 ? 0 : most / largest);
}

/** NaN is 0. */
@inline function quantize4(xAt: usize, inverse: v128): v128 {
  const scaled = f32x4.mul(v128.load(xAt), inverse);
  return v128.and(Lanes.nearest(scaled), f32x4.eq(scaled, scaled));
}

/** FORM_Q16_PAIRS: element pair p of a block at (block * 16 + p) * h + lane, two i16. */
export function quantize_f32_q16_pairs(panelAt: usize, scaleAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  quantize_pairs(32767, panelAt, scaleAt, xAt, cols, h, lane);
}

/** FORM_Q8_PAIRS: the integers of FORM_Q8_QUADS in the places of FORM_Q16_PAIRS. */
export function quantize_f32_q8_pairs(panelAt: usize, scaleAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  quantize_pairs(127, panelAt, scaleAt, xAt, cols, h, lane);
}

@inline function quantize_pairs(most: f32, panelAt: usize, scaleAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2;
  let to = panelAt + (<usize>lane << 2);
  let scaleTo = scaleAt + (<usize>lane << 2);
  for (let col = 0; col < cols; col += BLOCK, scaleTo += step) {
    const blockAt = xAt + (<usize>col << 2);
    const largest = max_magnitude(blockAt);
    const inverse = inverse_scale(largest, most);
    store<f32>(scaleTo, largest / most);
    for (let k: usize = 0; k < <usize>(BLOCK * 4); k += 32) {
      const eight_i16x8 = i16x8.narrow_i32x4_s(quantize4(blockAt + k, inverse), quantize4(blockAt + k + 16, inverse));
      v128.store32_lane(to, eight_i16x8, 0);
      v128.store32_lane(to + step, eight_i16x8, 1);
      v128.store32_lane(to + step * 2, eight_i16x8, 2);
      v128.store32_lane(to + step * 3, eight_i16x8, 3);
      to += step * 4;
    }
  }
}

/**
 * FORM_Q16_BYTES: the integers of FORM_Q16_PAIRS, 256 high + low; high bytes of quad p of a block at (block * 16 + p) * h + lane, low ones eight
 * quads on, without a sign; of each block -128 x the sum of its high bytes, i32.
 */
export function quantize_f32_q16_bytes(panelAt: usize, scaleAt: usize, startAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2, low = step << 3, ones = Lanes.ones();
  let to = panelAt + (<usize>lane << 2);
  let offset = <usize>lane << 2;
  for (let col = 0; col < cols; col += BLOCK, offset += step, to += low) {
    const blockAt = xAt + (<usize>col << 2), largest = max_magnitude(blockAt), inverse = inverse_scale(largest, 32767);
    let sum_i32x4 = i32x4.splat(0);
    for (let k: usize = 0; k < <usize>(BLOCK * 4); k += 32, to += step * 2) {
      const eight_i16x8 = i16x8.narrow_i32x4_s(quantize4(blockAt + k, inverse), quantize4(blockAt + k + 16, inverse));
      const bytes = v128.shuffle<i8>(eight_i16x8, eight_i16x8, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 14);
      v128.store32_lane(to, bytes, 0);
      v128.store32_lane(to + step, bytes, 1);
      v128.store32_lane(to + low, bytes, 2);
      v128.store32_lane(to + low + step, bytes, 3);
      sum_i32x4 = i32x4.add(sum_i32x4, i32x4.dot_i16x8_s(i16x8.shr_s(eight_i16x8, 8), ones));
    }
    store<f32>(scaleAt + offset, largest / 32767);
    store<i32>(startAt + offset, total(sum_i32x4) * -128);
  }
}

@inline function total(four_i32x4: v128): i32 {
  return i32x4.extract_lane(four_i32x4, 0) + i32x4.extract_lane(four_i32x4, 1) + i32x4.extract_lane(four_i32x4, 2) + i32x4.extract_lane(four_i32x4, 3);
}

/** A block of 32 f32 -> quads of i8 from `to` on, `step` apart; the sums of its halves as (i16, i16). */
@inline function quantize_block_quads(to: usize, step: usize, blockAt: usize, inverse: v128): u32 {
  let first_i32x4 = i32x4.splat(0), last_i32x4 = first_i32x4;
  for (let k: usize = 0; k < <usize>(BLOCK * 4); k += 32) {
    const low = quantize4(blockAt + k, inverse), high = quantize4(blockAt + k + 16, inverse);
    if (k < 64) first_i32x4 = i32x4.add(first_i32x4, i32x4.add(low, high));
    else last_i32x4 = i32x4.add(last_i32x4, i32x4.add(low, high));
    const eight_i16x8 = i16x8.narrow_i32x4_s(low, high);
    const eight_i8x16 = i8x16.narrow_i16x8_s(eight_i16x8, eight_i16x8);
    v128.store32_lane(to, eight_i8x16, 0);
    v128.store32_lane(to + step, eight_i8x16, 1);
    to += step * 2;
  }
  return both(total(first_i32x4), total(last_i32x4));
}

/** Two i16 in a word. */
@inline function both(low: i32, high: i32): u32 {
  return <u32>(low & 0xffff | high << 16);
}

/** FORM_Q8_QUADS: element quad p of a block at (block * 8 + p) * h + lane, four i8; the sums of its halves beside it. */
export function quantize_f32_q8_quads(panelAt: usize, scaleAt: usize, sumAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2;
  let to = panelAt + (<usize>lane << 2);
  let offset = <usize>lane << 2;
  for (let col = 0; col < cols; col += BLOCK, offset += step, to += step * 8) {
    const blockAt = xAt + (<usize>col << 2), largest = max_magnitude(blockAt);
    store<f32>(scaleAt + offset, largest / 127);
    store<u32>(sumAt + offset, quantize_block_quads(to, step, blockAt, inverse_scale(largest, 127)));
  }
}

/**
 * FORM_Q8_SUPERS: the same quads, with one scale for 256 inputs, so that integers of a super-block are summed before any becomes f32. A block
 * whose values are all at most an eighth, a quarter or a half of the largest is written 8, 4 or 2 times as large and counts 1, 2 or 4
 * where others count 8: the storyteller stays as near to bf16 as with a scale for each 32 (docs/formats.md); with one for 256 alone its mean
 * KL divergence on its reference's 322 positions went from 1.90e-2 to 2.13e-2 at q4_k and from 2.0e-3 to 4.0e-3 at q6_k.
 */
export function quantize_f32_q8_supers(panelAt: usize, recordAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2;
  let to = panelAt + (<usize>lane << 2);
  recordAt += <usize>lane << 2;
  for (let left = cols; left > 0; left -= SUPER_COLS, recordAt += <usize>SUPER_WORDS * step) {
    let most: f32 = 0;
    for (let block: usize = 0; block < 8; block++) {
      const largest = max_magnitude(xAt + block * <usize>(BLOCK * 4));
      store<f32>(recordAt + (<usize>SUPER_TIMES + block) * step, largest);
      most = max(most, largest);
    }
    store<f32>(recordAt, most / (8 * 127));
    let before = 0;
    for (let block: usize = 0; block < 8; block++, xAt += BLOCK * 4, to += step * 8) {
      const timesAt = recordAt + (<usize>SUPER_TIMES + block) * step, largest = load<f32>(timesAt);
      let times = 8, near = most, larger: f32 = 1;
      while (times > 1 && largest <= near * 0.5) { near *= 0.5; times >>= 1; larger *= 2; }
      const sums = quantize_block_quads(to, step, xAt, f32x4.mul(inverse_scale(most, 127), f32x4.splat(larger)));
      const first = <i32>(sums << 16) >> 16, last = <i32>sums >> 16, all = (first + last) * times;
      store<u32>(timesAt, both(times, times));
      store<u32>(recordAt + (<usize>SUPER_HALVES + block) * step, both(-first, -last));
      if (block & 1) store<u32>(recordAt + (<usize>SUPER_PAIRS + (block >> 1)) * step, both(before, all));
      before = all;
    }
  }
}

/** The largest of n magnitudes; NaN where one of them is. */
export function largest_magnitude(xAt: usize, n: i32): f32 {
  const whole = <usize>(n & ~3) << 2;
  let most_f32x4 = magnitudes(xAt, whole);
  for (let k = whole; k < <usize>n << 2; k += 4) most_f32x4 = i32x4.max_u(most_f32x4, f32x4.abs(v128.load32_zero(xAt + k)));
  return Lanes.largest(most_f32x4);
}

/**
 * n f32 of which none is larger than `largest` -> 16 bits, at most `most`, as an 8-bit cache of `type` is multiplied (dots.ts), zeros up to a
 * multiple of 8; their sum. NaN is 0. toAt <= xAt is allowed: eight are read before they are written,
 * those behind the last of n too.
 */
export function quantize_f32_q16_quads(type: u32, toAt: usize, xAt: usize, n: i32, largest: f32, most: f32): i32 {
  const inverse = inverse_scale(largest, most), ones = Lanes.ones();
  let sum_i32x4 = i32x4.splat(0);
  for (; n > 0; n -= 8, toAt += 16, xAt += 32) {
    let eight_i16x8 = i16x8.narrow_i32x4_s(quantize4(xAt, inverse), quantize4(xAt + 16, inverse));
    if (n < 8) eight_i16x8 = v128.and(eight_i16x8, i16x8.lt_s(i16x8(0, 1, 2, 3, 4, 5, 6, 7), i16x8.splat(<i16>n)));
    sum_i32x4 = i32x4.add(sum_i32x4, i32x4.dot_i16x8_s(eight_i16x8, ones));
    if (type === CACHE_Q8) {
      v128.store(toAt, v128.shuffle<i16>(eight_i16x8, eight_i16x8, 0, 2, 1, 3, 4, 6, 5, 7));
    } else {
      // The low byte has a sign: the high one makes up for it.
      const high_i16x8 = i16x8.shr_s(i16x8.add(eight_i16x8, i16x8.splat(128)), 8);
      v128.store(toAt, v128.shuffle<i8>(high_i16x8, eight_i16x8, 0, 2, 4, 6, 16, 18, 20, 22, 8, 10, 12, 14, 24, 26, 28, 30));
    }
  }
  return total(sum_i32x4);
}
