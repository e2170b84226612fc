/**
 * Weights stored as q8_0: pack, dequantise, and the register tiles that meet pairs of i16.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (288 bytes):
 *
 *   [16 pairs of k][8 outputs][2 k] i8, then [8 outputs] f32 scales
 *
 * tile_q8_0_q16, s = W x for one group and h <= 6 rows:
 *
 *   s  [h][8]            f32   written
 *   w  [blocks] of the form above
 *   x  [blocks][16][h]   pairs of i16 (FORM_Q16_PAIRS, or FORM_Q8_PAIRS of which 8 bits are used), scales [blocks][h] f32
 *
 * Four outputs stand in the four i32 lanes: no horizontal sums. Exactness: the dot product of a block is an exact integer
 * (at most 32 * 128 * 32767 < 2^28); its conversion to f32 and its scaling round, s = s + integer * (scale of x * scale of w),
 * block after block, so one row and many agree bit for bit. No store stands before
 * the end, or V8 pairs nothing into 256 bits (6 x 8: 77 GOP/s with sums in memory, 134 so); in 128 bits the sums that find no
 * register cost no more on the stack than in memory of ours.
 */

import { BLOCK, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { Rows } from "./rows";
import { VISIT_UNIT } from "../visits";

/** Of 32 bytes before the scales. */
const UNITS: usize = 8;

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

class Tile {
  @inline static dot(x: v128, w: v128, sum: v128): v128 {
    return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
  }

  @inline static q16(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blocks: i32, two: bool): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const line = <usize>(h << 2);
    for (let block = 0; block < blocks; block++) {
      let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
      const end = weightAt + step * UNITS;
      let onward: usize = 16;
      while (weightAt < end) {
        let w0 = v128.load8x8_s(weightAt, 0), w1 = v128.load8x8_s(weightAt, 8);
        let x = v128.load32_splat(panelAt, 0);
        c00 = Tile.dot(x, w0, c00); c01 = Tile.dot(x, w1, c01);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Tile.dot(x, w0, c10); c11 = Tile.dot(x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Tile.dot(x, w0, c20); c21 = Tile.dot(x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Tile.dot(x, w0, c30); c31 = Tile.dot(x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Tile.dot(x, w0, c40); c41 = Tile.dot(x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Tile.dot(x, w0, c50); c51 = Tile.dot(x, w1, c51); }
        if (two) {
          w0 = v128.load8x8_s(weightAt, 16); w1 = v128.load8x8_s(weightAt, 24);
          const nextAt = panelAt + line;
          x = v128.load32_splat(nextAt, 0);
          c00 = Tile.dot(x, w0, c00); c01 = Tile.dot(x, w1, c01);
          if (h > 1) { x = v128.load32_splat(nextAt, 4); c10 = Tile.dot(x, w0, c10); c11 = Tile.dot(x, w1, c11); }
          if (h > 2) { x = v128.load32_splat(nextAt, 8); c20 = Tile.dot(x, w0, c20); c21 = Tile.dot(x, w1, c21); }
          if (h > 3) { x = v128.load32_splat(nextAt, 12); c30 = Tile.dot(x, w0, c30); c31 = Tile.dot(x, w1, c31); }
          if (h > 4) { x = v128.load32_splat(nextAt, 16); c40 = Tile.dot(x, w0, c40); c41 = Tile.dot(x, w1, c41); }
          if (h > 5) { x = v128.load32_splat(nextAt, 20); c50 = Tile.dot(x, w0, c50); c51 = Tile.dot(x, w1, c51); }
        }
        weightAt += two ? step : onward;
        onward = step - onward;
        panelAt += two ? 2 * line : line;
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += step;
      let row = v128.load32_splat(scaleAt, 0);
      s00 = Lanes.addScaled(s00, c00, row, scales0); s01 = Lanes.addScaled(s01, c01, row, scales1);
      if (h > 1) { row = v128.load32_splat(scaleAt, 4); s10 = Lanes.addScaled(s10, c10, row, scales0); s11 = Lanes.addScaled(s11, c11, row, scales1); }
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Lanes.addScaled(s20, c20, row, scales0); s21 = Lanes.addScaled(s21, c21, row, scales1); }
      if (h > 3) { row = v128.load32_splat(scaleAt, 12); s30 = Lanes.addScaled(s30, c30, row, scales0); s31 = Lanes.addScaled(s31, c31, row, scales1); }
      if (h > 4) { row = v128.load32_splat(scaleAt, 16); s40 = Lanes.addScaled(s40, c40, row, scales0); s41 = Lanes.addScaled(s41, c41, row, scales1); }
      if (h > 5) { row = v128.load32_splat(scaleAt, 20); s50 = Lanes.addScaled(s50, c50, row, scales0); s51 = Lanes.addScaled(s51, c51, row, scales1); }
      scaleAt += line;
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  @inline static each(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blocks: i32, two: bool): void {
    switch (h) {
      case 1: Tile.q16(1, sumAt, weightAt, step, panelAt, scaleAt, blocks, two); break;
      case 2: Tile.q16(2, sumAt, weightAt, step, panelAt, scaleAt, blocks, two); break;
      case 3: Tile.q16(3, sumAt, weightAt, step, panelAt, scaleAt, blocks, two); break;
      case 4: Tile.q16(4, sumAt, weightAt, step, panelAt, scaleAt, blocks, two); break;
      case 5: Tile.q16(5, sumAt, weightAt, step, panelAt, scaleAt, blocks, two); break;
      default: Tile.q16(6, sumAt, weightAt, step, panelAt, scaleAt, blocks, two);
    }
  }
}

export function tile_q8_0_q16(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  Tile.each(h, sumAt, weightAt, step, panelAt, scaleAt, blocks, false);
}

/**
 * The same with both pairs of a unit in one turn of the loop: of 4 and 6 rows 105 and 118 GOP/s in 256 bits where the other gives 97 and 100,
 * but 45 and 43 in 128 bits where it gives 56 and 46, since sums are spilled (EPYC Zen 4, Node 26 and 20).
 */
export function tile_q8_0_q16_two(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  Tile.each(h, sumAt, weightAt, step, panelAt, scaleAt, blocks, true);
}

/**
 * One row, a visit (four groups woven), at most eight blocks: sums [32] go on. The same sums in the same order as the tile of one row.
 *
 * The f32 sums of all blocks lie in memory. As variables V8 spills them to its stack, whose alignment hangs on who called whom: vectors
 * across cache lines cost q4_0 a quarter on one thread and nothing on another (EPYC Zen 4, Node 20, tokens/s: 97 or 135, here 142
 * on all). Both vectors of a group are computed before either is stored, else V8 pairs none of them (wide 155 -> 116).
 */
export function gemv4_q8_0_q16(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  for (let block = 0; block < blocks; block++) {
    const row = v128.load32_splat(scaleAt);
    let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
    const end = at + UNITS * STEP;
    while (at < end) {
      const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 4);
      c0 = Tile.dot(x, v128.load8x8_s(at, 0), c0); c1 = Tile.dot(x, v128.load8x8_s(at, 8), c1);
      c0 = Tile.dot(y, v128.load8x8_s(at, 16), c0); c1 = Tile.dot(y, v128.load8x8_s(at, 24), c1);
      c2 = Tile.dot(x, v128.load8x8_s(at, 32), c2); c3 = Tile.dot(x, v128.load8x8_s(at, 40), c3);
      c2 = Tile.dot(y, v128.load8x8_s(at, 48), c2); c3 = Tile.dot(y, v128.load8x8_s(at, 56), c3);
      c4 = Tile.dot(x, v128.load8x8_s(at, 64), c4); c5 = Tile.dot(x, v128.load8x8_s(at, 72), c5);
      c4 = Tile.dot(y, v128.load8x8_s(at, 80), c4); c5 = Tile.dot(y, v128.load8x8_s(at, 88), c5);
      c6 = Tile.dot(x, v128.load8x8_s(at, 96), c6); c7 = Tile.dot(x, v128.load8x8_s(at, 104), c7);
      c6 = Tile.dot(y, v128.load8x8_s(at, 112), c6); c7 = Tile.dot(y, v128.load8x8_s(at, 120), c7);
      at += STEP;
      panelAt += 8;
    }
    Lanes.addVisit(sumAt, at, row, c0, c1, c2, c3, c4, c5, c6, c7);
    at += STEP;
    scaleAt += 4;
  }
}

/** The same of one or two visits whose groups lie apart (q4_0.ts). */
export function gemv8_q8_0_q16(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, blocks: i32): void {
  for (let block = 0; block < blocks; block++) {
    two(sumAt, at, lane, panelAt, scaleAt);
    two(sumAt + 64, at + 2 * lane, lane, panelAt, scaleAt);
    if (visits > 1) {
      two(sumAt + 128, at + 4 * lane, lane, panelAt, scaleAt);
      two(sumAt + 192, at + 6 * lane, lane, panelAt, scaleAt);
    }
    at += (UNITS + 1) * VISIT_UNIT;
    panelAt += 64;
    scaleAt += 4;
  }
}

/** A block of two groups: sums [16] go on. */
@inline function two(sumAt: usize, at: usize, lane: usize, panelAt: usize, scaleAt: usize): void {
  let at1 = at + lane;
  let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
  const end = at + UNITS * VISIT_UNIT;
  while (at < end) {
    const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 4);
    c0 = Tile.dot(x, v128.load8x8_s(at, 0), c0); c1 = Tile.dot(x, v128.load8x8_s(at, 8), c1);
    c0 = Tile.dot(y, v128.load8x8_s(at, 16), c0); c1 = Tile.dot(y, v128.load8x8_s(at, 24), c1);
    c2 = Tile.dot(x, v128.load8x8_s(at1, 0), c2); c3 = Tile.dot(x, v128.load8x8_s(at1, 8), c3);
    c2 = Tile.dot(y, v128.load8x8_s(at1, 16), c2); c3 = Tile.dot(y, v128.load8x8_s(at1, 24), c3);
    at += VISIT_UNIT; at1 += VISIT_UNIT;
    panelAt += 8;
  }
  Lanes.addTwo(sumAt, at, at1, v128.load32_splat(scaleAt), c0, c1, c2, c3);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q8_0(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  let at = groupAt + <usize>(begin / BLOCK) * (UNITS + 1) * step;
  for (let col = begin; col < end; col += BLOCK) {
    const scalesAt = at + UNITS * step, scales0 = v128.load(scalesAt, 0), scales1 = v128.load(scalesAt, 16);
    for (let pair: usize = 0; pair < 16; pair++, outAt += 64) {
      // [8 outputs][2 k] -> two rows of k.
      const w = v128.load(at + (pair >> 1) * step + ((pair & 1) << 4));
      const even_i16x8 = i16x8.shr_s(i16x8.shl(w, 8), 8), odd_i16x8 = i16x8.shr_s(w, 8);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(even_i16x8)), scales0), 0);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(even_i16x8)), scales1), 16);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(odd_i16x8)), scales0), 32);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(odd_i16x8)), scales1), 48);
    }
    at += (UNITS + 1) * step;
  }
}

/**
 * `lanes` stored rows (34-byte blocks: f16 scale, 32 i8), `rowBytes` apart, of `cols` inputs -> the blocks of one group; further lanes
 * become zeros.
 */
export function pack_q8_0(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let col = 0; col < cols; col += BLOCK, sourceAt += 34, packedAt += (UNITS + 1) * step) {
    Rows.scales(packedAt + UNITS * step, sourceAt, rowBytes, lanes);
    Rows.pairs(packedAt, step, sourceAt + 2, rowBytes, lanes);
    Rows.pairs(packedAt + (UNITS / 2) * step, step, sourceAt + 18, rowBytes, lanes);
  }
}
