/**
 * Register tiles of 4- and 5-bit codes in blocks of 32 that meet 8-bit activations (FORM_Q8_QUADS): q4_1, q5_0 and q5_1; and what they
 * share with those of super-blocks (supers.ts).
 *
 * Packed form, per group of 8 outputs and block of 32 inputs, units of 32 bytes woven with those of the visit's other groups (visits.ts):
 * five bits: [8 outputs][4 bytes], bit q = the fifth bit of k = 4 q + byte; then [4 quads][8 outputs][4 bytes], low nibbles k = 4 quad ..
 * 4 quad + 3, high nibbles k + 16. Around it the scales, everything in the order in which it is read:
 *
 *   q4_1  4 codes | d [8] f32 | m [8] f32                                 v = d code + m
 *   q5_0  1 fifth bits | 4 codes | d [8] f32                              v = d (code - 16)
 *   q5_1  1 fifth bits | 4 codes | d [8] f32 | m [8] f32                  v = d code + m
 *
 * s [h][8] f32 = W x for h <= 6 rows. x: quads of i8, scales [blocks][h] f32, sums of its halves [blocks][h] (i16, i16).
 * Codes are unsigned, a legal 7-bit operand. Products gather in i16: 16 of them hold 16 x 127 x 15, 8 hold 8 x 127 x 31, so five bits are
 * widened twice a block. Integers are exact up to the one conversion a block. Each value is s = s + row scale * (d * integer + m * integer),
 * every operation rounded, in one order for one row and many.
 */

import { TYPE_Q4_1, TYPE_Q5_0, TYPE_Q5_1, TYPE_Q5_K, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";

/** Codes of a block. */
export const CODES: usize = 4;

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

export class Quads {
  @inline static fives(type: u32): bool {
    return type === TYPE_Q5_0 || type === TYPE_Q5_1 || type === TYPE_Q5_K;
  }

  /** Units of 32 bytes of a block. */
  @inline static blockUnits(type: u32): usize {
    const scales = type === TYPE_Q4_1 || type === TYPE_Q5_1 ? 2 : type === TYPE_Q5_0 ? 1 : 0;
    return (Quads.fives(type) ? CODES + 1 : CODES) + scales;
  }

  /** A stored word of the fifth bits of 32 inputs -> its packed form: bit q of byte b is that of k = 4 q + b. */
  @inline static fifths(word: u32): u32 {
    let packed: u32 = 0;
    for (let k: u32 = 0; k < 32; k++) packed |= (word >> k & 1) << ((k & 3) * 8 + (k >> 2));
    return packed;
  }

  @inline static scales(codesAt: usize, step: usize, half: usize): v128 {
    return v128.load(codesAt + CODES * step + (half << 4));
  }

  @inline static mins(type: u32, codesAt: usize, step: usize, half: usize): v128 {
    return type === TYPE_Q5_0 ? f32x4.splat(0) : v128.load(codesAt + (CODES + 1) * step + (half << 4));
  }

  @inline static fifthLow(type: u32, codes: v128, bitsAt: usize, step: i32): v128 {
    if (!Quads.fives(type)) return codes;
    return v128.or(codes, v128.and(i16x8.shl(i16x8.shr_u(v128.load(bitsAt), step), 4), Lanes.fifths()));
  }

  @inline static fifthHigh(type: u32, codes: v128, bitsAt: usize, step: i32): v128 {
    if (!Quads.fives(type)) return codes;
    return v128.or(codes, v128.and(i16x8.shr_u(v128.load(bitsAt), step), Lanes.fifths()));
  }

  /** Products gather in i16, or where `add` in i32. */
  @inline static dot(add: bool, x: v128, w: v128, sum: v128): v128 {
    return add ? Lanes.dotAddI8I7(x, w, sum) : i16x8.add(sum, Lanes.dotI8I7(x, w));
  }

  /** Where products begin to gather: those in i32 go on with the block's sum. */
  @inline static begin(add: bool, sum: v128): v128 {
    return add ? sum : i16x8.splat(0);
  }

  @inline static widen(type: u32, add: bool, sum: v128, gathered: v128): v128 {
    if (add) return gathered;
    const wide_i32x4 = i32x4.dot_i16x8_s(gathered, Lanes.ones());
    return Quads.fives(type) ? i32x4.add(sum, wide_i32x4) : wide_i32x4;
  }

  /** s + row * (scales * integers + mins * sums of x). */
  @inline static close(type: u32, sum: v128, integers: v128, row: v128, sums: v128, scales: v128, mins: v128): v128 {
    if (type === TYPE_Q5_0) {
      const dot = i32x4.add(integers, i32x4.dot_i16x8_s(sums, Lanes.lessSixteens()));
      return Lanes.addScaled(sum, dot, row, scales);
    }
    const codes = f32x4.mul(scales, f32x4.convert_i32x4_s(integers));
    const least = f32x4.mul(mins, f32x4.convert_i32x4_s(i32x4.dot_i16x8_s(Lanes.ones(), sums)));
    return f32x4.add(sum, f32x4.mul(row, f32x4.add(codes, least)));
  }

  @inline static rows(type: u32, add: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const mask = Lanes.nibbles();
    const high: usize = <usize>(h << 4); // quad + 4 of the same tile
    for (let block = 0; block < blocks; block++) {
      let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
      const bitsAt = weightAt;
      if (Quads.fives(type)) weightAt += step;
      const codesAt = weightAt, end = weightAt + CODES * step;
      let quad = 0;
      while (weightAt < end) {
        let g00 = Quads.begin(add, c00), g01 = Quads.begin(add, c01), g10 = Quads.begin(add, c10), g11 = Quads.begin(add, c11);
        let g20 = Quads.begin(add, c20), g21 = Quads.begin(add, c21), g30 = Quads.begin(add, c30), g31 = Quads.begin(add, c31);
        let g40 = Quads.begin(add, c40), g41 = Quads.begin(add, c41), g50 = Quads.begin(add, c50), g51 = Quads.begin(add, c51);
        const part = Quads.fives(type) && !add ? weightAt + CODES / 2 * step : end;
        while (weightAt < part) {
          const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16);
          let low0 = Quads.fifthLow(type, v128.and(w0, mask), bitsAt, quad), low1 = Quads.fifthLow(type, v128.and(w1, mask), bitsAt + 16, quad);
          let x = v128.load32_splat(panelAt, 0);
          g00 = Quads.dot(add, x, low0, g00); g01 = Quads.dot(add, x, low1, g01);
          if (h > 1) { x = v128.load32_splat(panelAt, 4); g10 = Quads.dot(add, x, low0, g10); g11 = Quads.dot(add, x, low1, g11); }
          if (h > 2) { x = v128.load32_splat(panelAt, 8); g20 = Quads.dot(add, x, low0, g20); g21 = Quads.dot(add, x, low1, g21); }
          if (h > 3) { x = v128.load32_splat(panelAt, 12); g30 = Quads.dot(add, x, low0, g30); g31 = Quads.dot(add, x, low1, g31); }
          if (h > 4) { x = v128.load32_splat(panelAt, 16); g40 = Quads.dot(add, x, low0, g40); g41 = Quads.dot(add, x, low1, g41); }
          if (h > 5) { x = v128.load32_splat(panelAt, 20); g50 = Quads.dot(add, x, low0, g50); g51 = Quads.dot(add, x, low1, g51); }
          low0 = Quads.fifthHigh(type, v128.and(i16x8.shr_u(w0, 4), mask), bitsAt, quad);
          low1 = Quads.fifthHigh(type, v128.and(i16x8.shr_u(w1, 4), mask), bitsAt + 16, quad);
          const highAt = panelAt + high;
          x = v128.load32_splat(highAt, 0);
          g00 = Quads.dot(add, x, low0, g00); g01 = Quads.dot(add, x, low1, g01);
          if (h > 1) { x = v128.load32_splat(highAt, 4); g10 = Quads.dot(add, x, low0, g10); g11 = Quads.dot(add, x, low1, g11); }
          if (h > 2) { x = v128.load32_splat(highAt, 8); g20 = Quads.dot(add, x, low0, g20); g21 = Quads.dot(add, x, low1, g21); }
          if (h > 3) { x = v128.load32_splat(highAt, 12); g30 = Quads.dot(add, x, low0, g30); g31 = Quads.dot(add, x, low1, g31); }
          if (h > 4) { x = v128.load32_splat(highAt, 16); g40 = Quads.dot(add, x, low0, g40); g41 = Quads.dot(add, x, low1, g41); }
          if (h > 5) { x = v128.load32_splat(highAt, 20); g50 = Quads.dot(add, x, low0, g50); g51 = Quads.dot(add, x, low1, g51); }
          weightAt += step;
          panelAt += <usize>(h << 2);
          quad++;
        }
        c00 = Quads.widen(type, add, c00, g00); c01 = Quads.widen(type, add, c01, g01);
        if (h > 1) { c10 = Quads.widen(type, add, c10, g10); c11 = Quads.widen(type, add, c11, g11); }
        if (h > 2) { c20 = Quads.widen(type, add, c20, g20); c21 = Quads.widen(type, add, c21, g21); }
        if (h > 3) { c30 = Quads.widen(type, add, c30, g30); c31 = Quads.widen(type, add, c31, g31); }
        if (h > 4) { c40 = Quads.widen(type, add, c40, g40); c41 = Quads.widen(type, add, c41, g41); }
        if (h > 5) { c50 = Quads.widen(type, add, c50, g50); c51 = Quads.widen(type, add, c51, g51); }
      }
      const d0 = Quads.scales(codesAt, step, 0), d1 = Quads.scales(codesAt, step, 1);
      const m0 = Quads.mins(type, codesAt, step, 0), m1 = Quads.mins(type, codesAt, step, 1);
      weightAt = bitsAt + Quads.blockUnits(type) * step;
      panelAt += high;
      let row = v128.load32_splat(scaleAt, 0), sums = v128.load32_splat(blockSumAt, 0);
      s00 = Quads.close(type, s00, c00, row, sums, d0, m0); s01 = Quads.close(type, s01, c01, row, sums, d1, m1);
      if (h > 1) {
        row = v128.load32_splat(scaleAt, 4); sums = v128.load32_splat(blockSumAt, 4);
        s10 = Quads.close(type, s10, c10, row, sums, d0, m0); s11 = Quads.close(type, s11, c11, row, sums, d1, m1);
      }
      if (h > 2) {
        row = v128.load32_splat(scaleAt, 8); sums = v128.load32_splat(blockSumAt, 8);
        s20 = Quads.close(type, s20, c20, row, sums, d0, m0); s21 = Quads.close(type, s21, c21, row, sums, d1, m1);
      }
      if (h > 3) {
        row = v128.load32_splat(scaleAt, 12); sums = v128.load32_splat(blockSumAt, 12);
        s30 = Quads.close(type, s30, c30, row, sums, d0, m0); s31 = Quads.close(type, s31, c31, row, sums, d1, m1);
      }
      if (h > 4) {
        row = v128.load32_splat(scaleAt, 16); sums = v128.load32_splat(blockSumAt, 16);
        s40 = Quads.close(type, s40, c40, row, sums, d0, m0); s41 = Quads.close(type, s41, c41, row, sums, d1, m1);
      }
      if (h > 5) {
        row = v128.load32_splat(scaleAt, 20); sums = v128.load32_splat(blockSumAt, 20);
        s50 = Quads.close(type, s50, c50, row, sums, d0, m0); s51 = Quads.close(type, s51, c51, row, sums, d1, m1);
      }
      scaleAt += <usize>(h << 2);
      blockSumAt += <usize>(h << 2);
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  @inline static tile(type: u32, add: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
    switch (h) {
      case 1: Quads.rows(type, add, 1, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
      case 2: Quads.rows(type, add, 2, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
      case 3: Quads.rows(type, add, 3, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
      case 4: Quads.rows(type, add, 4, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
      case 5: Quads.rows(type, add, 5, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
      default: Quads.rows(type, add, 6, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks);
    }
  }

  /**
   * One row, a visit (four groups woven), at most eight blocks: sums [32] go on. The same sums in the same order as the tile of one row.
   */
  @inline static four(type: u32, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
    const mask = Lanes.nibbles();
    let s0 = v128.load(sumAt, 0), s1 = v128.load(sumAt, 16), s2 = v128.load(sumAt, 32), s3 = v128.load(sumAt, 48);
    let s4 = v128.load(sumAt, 64), s5 = v128.load(sumAt, 80), s6 = v128.load(sumAt, 96), s7 = v128.load(sumAt, 112);
    for (let block = 0; block < blocks; block++) {
      let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
      const bitsAt = at;
      if (Quads.fives(type)) at += STEP;
      const codesAt = at, end = at + CODES * STEP;
      let quad = 0;
      while (at < end) {
        let g0 = i16x8.splat(0), g1 = g0, g2 = g0, g3 = g0, g4 = g0, g5 = g0, g6 = g0, g7 = g0;
        const part = Quads.fives(type) ? at + CODES / 2 * STEP : end;
        while (at < part) {
          const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 16);
          const w0 = v128.load(at, 0), w1 = v128.load(at, 16);
          g0 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w0, mask), bitsAt + 0, quad), g0);
          g1 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w1, mask), bitsAt + 16, quad), g1);
          g0 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w0, 4), mask), bitsAt + 0, quad), g0);
          g1 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w1, 4), mask), bitsAt + 16, quad), g1);
          const w2 = v128.load(at, 32), w3 = v128.load(at, 48);
          g2 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w2, mask), bitsAt + 32, quad), g2);
          g3 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w3, mask), bitsAt + 48, quad), g3);
          g2 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w2, 4), mask), bitsAt + 32, quad), g2);
          g3 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w3, 4), mask), bitsAt + 48, quad), g3);
          const w4 = v128.load(at, 64), w5 = v128.load(at, 80);
          g4 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w4, mask), bitsAt + 64, quad), g4);
          g5 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w5, mask), bitsAt + 80, quad), g5);
          g4 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w4, 4), mask), bitsAt + 64, quad), g4);
          g5 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w5, 4), mask), bitsAt + 80, quad), g5);
          const w6 = v128.load(at, 96), w7 = v128.load(at, 112);
          g6 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w6, mask), bitsAt + 96, quad), g6);
          g7 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w7, mask), bitsAt + 112, quad), g7);
          g6 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w6, 4), mask), bitsAt + 96, quad), g6);
          g7 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w7, 4), mask), bitsAt + 112, quad), g7);
          at += STEP;
          panelAt += 4;
          quad++;
        }
        c0 = Quads.widen(type, false, c0, g0); c1 = Quads.widen(type, false, c1, g1);
        c2 = Quads.widen(type, false, c2, g2); c3 = Quads.widen(type, false, c3, g3);
        c4 = Quads.widen(type, false, c4, g4); c5 = Quads.widen(type, false, c5, g5);
        c6 = Quads.widen(type, false, c6, g6); c7 = Quads.widen(type, false, c7, g7);
      }
      panelAt += 16;
      const row = v128.load32_splat(scaleAt), sums = v128.load32_splat(blockSumAt);
      s0 = Quads.close(type, s0, c0, row, sums, Quads.scales(codesAt, STEP, 0), Quads.mins(type, codesAt, STEP, 0));
      s1 = Quads.close(type, s1, c1, row, sums, Quads.scales(codesAt, STEP, 1), Quads.mins(type, codesAt, STEP, 1));
      s2 = Quads.close(type, s2, c2, row, sums, Quads.scales(codesAt + 32, STEP, 0), Quads.mins(type, codesAt + 32, STEP, 0));
      s3 = Quads.close(type, s3, c3, row, sums, Quads.scales(codesAt + 32, STEP, 1), Quads.mins(type, codesAt + 32, STEP, 1));
      s4 = Quads.close(type, s4, c4, row, sums, Quads.scales(codesAt + 64, STEP, 0), Quads.mins(type, codesAt + 64, STEP, 0));
      s5 = Quads.close(type, s5, c5, row, sums, Quads.scales(codesAt + 64, STEP, 1), Quads.mins(type, codesAt + 64, STEP, 1));
      s6 = Quads.close(type, s6, c6, row, sums, Quads.scales(codesAt + 96, STEP, 0), Quads.mins(type, codesAt + 96, STEP, 0));
      s7 = Quads.close(type, s7, c7, row, sums, Quads.scales(codesAt + 96, STEP, 1), Quads.mins(type, codesAt + 96, STEP, 1));
      at = bitsAt + Quads.blockUnits(type) * STEP;
      scaleAt += 4;
      blockSumAt += 4;
    }
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16); v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80); v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
  }

  /** Sixteen codes, [4 outputs][4 k] bytes -> out [4 k][8 outputs] f32 (one half): scales * code + mins, or scales * (code - 16). */
  @inline static spread(type: u32, outAt: usize, codes: v128, scales: v128, mins: v128): void {
    const low = i32x4.splat(255);
    v128.store(outAt, Quads.value(type, v128.and(codes, low), scales, mins), 0);
    v128.store(outAt, Quads.value(type, v128.and(i32x4.shr_u(codes, 8), low), scales, mins), 32);
    v128.store(outAt, Quads.value(type, v128.and(i32x4.shr_u(codes, 16), low), scales, mins), 64);
    v128.store(outAt, Quads.value(type, i32x4.shr_u(codes, 24), scales, mins), 96);
  }

  @inline static value(type: u32, code: v128, scales: v128, mins: v128): v128 {
    if (type === TYPE_Q5_0) return f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(code, i32x4.splat(16))), scales);
    const scaled = f32x4.mul(f32x4.convert_i32x4_s(code), scales);
    return f32x4.add(scaled, mins);
  }

  /** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
  @inline static dequantize(type: u32, outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
    const mask = i8x16.splat(15), size = Quads.blockUnits(type) * step;
    for (let block = begin >> 5; block < end >> 5; block++, outAt += 1024) {
      const blockAt = groupAt + <usize>block * size, codesAt = Quads.fives(type) ? blockAt + step : blockAt;
      for (let half: usize = 0; half < 2; half++) {
        const scales = Quads.scales(codesAt, step, half), mins = Quads.mins(type, codesAt, step, half);
        const bitsAt = blockAt + (half << 4);
        for (let quad = 0; quad < 4; quad++) {
          const w = v128.load(codesAt + <usize>quad * step + (half << 4)), to = outAt + (<usize>quad << 7) + (half << 4);
          Quads.spread(type, to, Quads.fifthLow(type, v128.and(w, mask), bitsAt, quad), scales, mins);
          Quads.spread(type, to + 512, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w, 4), mask), bitsAt, quad), scales, mins);
        }
      }
    }
  }
}
