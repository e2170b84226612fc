/**
 * Activation rows -> panels: f32 as they are, or integers for integer dot products.
 *
 * One row [cols] f32 goes into lane `lane` of a tile of `h` rows (layouts: abi.ts, PANEL_*). Blocks of 32: d = max|x| / most,
 * q = round(x * (most / max|x|)), half to even; |q| <= most. A block whose largest value is below 1e-34 (most / max|x| would
 * overflow) is zeros. `most` is 127 beside 4-bit weights, whose relaxed dot takes i8. Beside q8_0 it is 32767: that dot takes i16
 * whatever it holds, so 16 bits cost nothing; the storyteller's mean KL divergence from bf16 falls from 1.8e-3 to 1.9e-4.
 */

import { BLOCK } from "../abi";
import { Lanes } from "../lanes";

/** panel: the tile's first word; element (col, lane) at col * h + lane. */
export function panel_f32(panelAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2;
  let to = panelAt + (<usize>lane << 2);
  for (let col = 0; col < cols; col++, to += step) store<f32>(to, load<f32>(xAt + (<usize>col << 2)));
}

@inline function max_magnitude(xAt: usize): f32 {
  // As integers: one instruction, and the bits of a NaN are the largest, so that it reaches the scale.
  let max_i32x4 = f32x4.abs(v128.load(xAt));
  for (let k: usize = 16; k < <usize>(BLOCK * 4); k += 16) max_i32x4 = i32x4.max_s(max_i32x4, f32x4.abs(v128.load(xAt + k)));
  return Lanes.max(max_i32x4);
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

@inline function total(four_i32x4: v128): i32 {
  return i32x4.extract_lane(four_i32x4, 0) + i32x4.extract_lane(four_i32x4, 1) + i32x4.extract_lane(four_i32x4, 2) + i32x4.extract_lane(four_i32x4, 3);
}

/** FORM_Q8_QUADS: element quad p of a block at (block * 8 + p) * h + lane, four i8; the sums of its halves beside it. */
export function quantize_f32_q8_quads(panelAt: usize, scaleAt: usize, sumAt: usize, xAt: usize, cols: i32, h: i32, lane: i32): void {
  const step = <usize>h << 2;
  let to = panelAt + (<usize>lane << 2);
  let offset = <usize>lane << 2;
  for (let col = 0; col < cols; col += BLOCK, offset += step) {
    const blockAt = xAt + (<usize>col << 2);
    const largest = max_magnitude(blockAt);
    const inverse = inverse_scale(largest, 127);
    store<f32>(scaleAt + offset, largest / 127);
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
    store<i16>(sumAt + offset, <i16>total(first_i32x4));
    store<i16>(sumAt + offset + 2, <i16>total(last_i32x4));
  }
}
