/**
 * Register tiles of q4_k and q5_k: codes of 4 and 5 bits in super-blocks of 256 inputs, beside 8-bit activations that have one scale for as
 * many (FORM_Q8_SUPERS).
 *
 * Packed form, per group of 8 outputs and 256 inputs, units of 32 bytes woven with those of the visit's other groups (visits.ts), in the
 * order in which it is read; codes and fifth bits as in quads.ts, pairs as in pairs.ts:
 *
 *   q4_k  d [8] f32 | dmin [8] f32 | 4 x (scale pairs [8][2] u8 , min pairs [8][2] u8) | 8 x 4 codes
 *   q5_k  the same, | 8 x (1 fifth bits | 4 codes)                        v = (d scale) code - (dmin min)
 *
 * s [h][8] f32 = W x for h <= 6 rows. Products gather in i16 over a block (16 of them hold 16 x 127 x 15, 8 hold 8 x 127 x 31), are widened by
 * a dot with the block's scale times what its activations count, and go on in i32 over the super-block: 8 x 32 x 127 x 31 x 63 x 8 < 2^29, so
 * integers are exact up to the one conversion of 256 inputs. s = s + row scale * (d * integer - dmin * integer), every operation rounded.
 *
 * The integers of a super-block lie in memory (`integersAt`, [h][8] i32; of one row those of its visits), or V8 keeps twice as many sums as there are
 * registers on a stack that it aligns to 8 bytes: tile of q4_k on Node 20 36 or 75 GOP/s by the frames above, now 85; 72 with a scale for each
 * 32 activations, and a conversion and five more operations a block (EPYC Zen 4).
 */

import { GROUP, SUPER_PAIRS, SUPER_TIMES, SUPER_WORDS, VISIT_GROUPS, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { Pairs } from "./pairs";
import { CODES, Quads } from "./quads";
import { VISIT_SUMS, VISIT_UNIT } from "../visits";

/** Of 32 bytes a group: d, dmin and the scales of eight blocks. */
const HEAD: usize = 6;
/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

export class Supers {
  /** Units of 32 bytes of a block, without the scales of its super-block. */
  @inline static blockUnits(type: u32): usize {
    return Quads.fives(type) ? CODES + 1 : CODES;
  }

  @inline static units(type: u32): usize {
    return HEAD + 8 * Supers.blockUnits(type);
  }

  /** A block's scale of four outputs: i32, or beside sums in i16 twice. */
  @inline static scale(add: bool, pairsAt: usize, chosen: v128, half: usize): v128 {
    return add ? i32x4.dot_i16x8_s(Pairs.both(pairsAt, half), chosen) : Pairs.twice(pairsAt, chosen, half);
  }

  @inline static widen(add: bool, sum: v128, gathered: v128, scale: v128): v128 {
    return i32x4.add(sum, add ? i32x4.mul(gathered, scale) : i32x4.dot_i16x8_s(gathered, scale));
  }

  /** Sums of a row times the mins of a super-block, of four outputs. */
  @inline static mins(pairsAt: usize, step: usize, half: usize, sumsAt: usize, line: usize): v128 {
    const at = pairsAt + 16;
    return i32x4.add(
      i32x4.add(i32x4.dot_i16x8_s(Pairs.both(at, half), v128.load32_splat(sumsAt)), i32x4.dot_i16x8_s(Pairs.both(at + step, half), v128.load32_splat(sumsAt + line))),
      i32x4.add(i32x4.dot_i16x8_s(Pairs.both(at + 2 * step, half), v128.load32_splat(sumsAt + 2 * line)), i32x4.dot_i16x8_s(Pairs.both(at + 3 * step, half), v128.load32_splat(sumsAt + 3 * line))),
    );
  }

  @inline static close(sum: v128, integers: v128, row: v128, scales: v128, mins: v128, minScales: v128): v128 {
    const codes = f32x4.mul(scales, f32x4.convert_i32x4_s(integers)), least = f32x4.mul(minScales, f32x4.convert_i32x4_s(mins));
    return f32x4.add(sum, f32x4.mul(row, f32x4.sub(codes, least)));
  }

  @inline static rows(type: u32, add: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const zero = i32x4.splat(0), mask = Lanes.nibbles(), line = <usize>(h << 2), high: usize = line << 2;
    for (let left = blocks; left > 0; left -= 8) {
      const headAt = weightAt;
      weightAt += HEAD * step;
      v128.store(integersAt, zero, 0); v128.store(integersAt, zero, 16);
      if (h > 1) { v128.store(integersAt, zero, 32); v128.store(integersAt, zero, 48); }
      if (h > 2) { v128.store(integersAt, zero, 64); v128.store(integersAt, zero, 80); }
      if (h > 3) { v128.store(integersAt, zero, 96); v128.store(integersAt, zero, 112); }
      if (h > 4) { v128.store(integersAt, zero, 128); v128.store(integersAt, zero, 144); }
      if (h > 5) { v128.store(integersAt, zero, 160); v128.store(integersAt, zero, 176); }
      for (let block = 0; block < 8; block++) {
        const pairsAt = headAt + Pairs.at(step, block), chosen = Pairs.chosen(block), timesAt = recordAt + <usize>(SUPER_TIMES + block) * line;
        const k0 = Supers.scale(add, pairsAt, chosen, 0), k1 = Supers.scale(add, pairsAt, chosen, 1);
        const bitsAt = weightAt;
        if (Quads.fives(type)) weightAt += step;
        const end = weightAt + CODES * step;
        let quad = 0;
        while (weightAt < end) {
          let g00 = zero, g01 = zero, g10 = zero, g11 = zero, g20 = zero, g21 = zero;
          let g30 = zero, g31 = zero, g40 = zero, g41 = zero, g50 = zero, g51 = zero;
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
            panelAt += line;
            quad++;
          }
          let times = v128.load32_splat(timesAt, 0);
          let c0 = Supers.widen(add, v128.load(integersAt, 0), g00, i16x8.mul(k0, times)), c1 = Supers.widen(add, v128.load(integersAt, 16), g01, i16x8.mul(k1, times));
          v128.store(integersAt, c0, 0); v128.store(integersAt, c1, 16);
          if (h > 1) {
            times = v128.load32_splat(timesAt, 4);
            c0 = Supers.widen(add, v128.load(integersAt, 32), g10, i16x8.mul(k0, times)); c1 = Supers.widen(add, v128.load(integersAt, 48), g11, i16x8.mul(k1, times));
            v128.store(integersAt, c0, 32); v128.store(integersAt, c1, 48);
          }
          if (h > 2) {
            times = v128.load32_splat(timesAt, 8);
            c0 = Supers.widen(add, v128.load(integersAt, 64), g20, i16x8.mul(k0, times)); c1 = Supers.widen(add, v128.load(integersAt, 80), g21, i16x8.mul(k1, times));
            v128.store(integersAt, c0, 64); v128.store(integersAt, c1, 80);
          }
          if (h > 3) {
            times = v128.load32_splat(timesAt, 12);
            c0 = Supers.widen(add, v128.load(integersAt, 96), g30, i16x8.mul(k0, times)); c1 = Supers.widen(add, v128.load(integersAt, 112), g31, i16x8.mul(k1, times));
            v128.store(integersAt, c0, 96); v128.store(integersAt, c1, 112);
          }
          if (h > 4) {
            times = v128.load32_splat(timesAt, 16);
            c0 = Supers.widen(add, v128.load(integersAt, 128), g40, i16x8.mul(k0, times)); c1 = Supers.widen(add, v128.load(integersAt, 144), g41, i16x8.mul(k1, times));
            v128.store(integersAt, c0, 128); v128.store(integersAt, c1, 144);
          }
          if (h > 5) {
            times = v128.load32_splat(timesAt, 20);
            c0 = Supers.widen(add, v128.load(integersAt, 160), g50, i16x8.mul(k0, times)); c1 = Supers.widen(add, v128.load(integersAt, 176), g51, i16x8.mul(k1, times));
            v128.store(integersAt, c0, 160); v128.store(integersAt, c1, 176);
          }
        }
        panelAt += high;
      }
      const pairsAt = headAt + Pairs.at(step, 0), sumsAt = recordAt + <usize>SUPER_PAIRS * line;
      const d0 = v128.load(headAt, 0), d1 = v128.load(headAt, 16), e0 = v128.load(headAt + step, 0), e1 = v128.load(headAt + step, 16);
      let row = v128.load32_splat(recordAt, 0);
      s00 = Supers.close(s00, v128.load(integersAt, 0), row, d0, Supers.mins(pairsAt, step, 0, sumsAt, line), e0); s01 = Supers.close(s01, v128.load(integersAt, 16), row, d1, Supers.mins(pairsAt, step, 1, sumsAt, line), e1);
      if (h > 1) {
        row = v128.load32_splat(recordAt, 4);
        s10 = Supers.close(s10, v128.load(integersAt, 32), row, d0, Supers.mins(pairsAt, step, 0, sumsAt + 4, line), e0); s11 = Supers.close(s11, v128.load(integersAt, 48), row, d1, Supers.mins(pairsAt, step, 1, sumsAt + 4, line), e1);
      }
      if (h > 2) {
        row = v128.load32_splat(recordAt, 8);
        s20 = Supers.close(s20, v128.load(integersAt, 64), row, d0, Supers.mins(pairsAt, step, 0, sumsAt + 8, line), e0); s21 = Supers.close(s21, v128.load(integersAt, 80), row, d1, Supers.mins(pairsAt, step, 1, sumsAt + 8, line), e1);
      }
      if (h > 3) {
        row = v128.load32_splat(recordAt, 12);
        s30 = Supers.close(s30, v128.load(integersAt, 96), row, d0, Supers.mins(pairsAt, step, 0, sumsAt + 12, line), e0); s31 = Supers.close(s31, v128.load(integersAt, 112), row, d1, Supers.mins(pairsAt, step, 1, sumsAt + 12, line), e1);
      }
      if (h > 4) {
        row = v128.load32_splat(recordAt, 16);
        s40 = Supers.close(s40, v128.load(integersAt, 128), row, d0, Supers.mins(pairsAt, step, 0, sumsAt + 16, line), e0); s41 = Supers.close(s41, v128.load(integersAt, 144), row, d1, Supers.mins(pairsAt, step, 1, sumsAt + 16, line), e1);
      }
      if (h > 5) {
        row = v128.load32_splat(recordAt, 20);
        s50 = Supers.close(s50, v128.load(integersAt, 160), row, d0, Supers.mins(pairsAt, step, 0, sumsAt + 20, line), e0); s51 = Supers.close(s51, v128.load(integersAt, 176), row, d1, Supers.mins(pairsAt, step, 1, sumsAt + 20, line), e1);
      }
      recordAt += <usize>SUPER_WORDS * line;
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  @inline static tile(type: u32, add: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
    switch (h) {
      case 1: Supers.rows(type, add, 1, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks); break;
      case 2: Supers.rows(type, add, 2, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks); break;
      case 3: Supers.rows(type, add, 3, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks); break;
      case 4: Supers.rows(type, add, 4, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks); break;
      case 5: Supers.rows(type, add, 5, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks); break;
      default: Supers.rows(type, add, 6, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks);
    }
  }

  /** One row, a visit, a super-block: sums [32] go on. The same sums in the same order as the tile of one row. */
  @inline static four(type: u32, sumAt: usize, at: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
    const mask = Lanes.nibbles(), zero = i32x4.splat(0), headAt = at;
    // The scales are wanted after the first codes: line after line all the same, or the prefetcher begins anew (visits.ts).
    let seen: u32 = 0;
    for (const codesAt = at + HEAD * STEP; at < codesAt; at += 64) seen |= load<u32>(at);
    const none = i32x4.splat(seen & blocks >> 31); // which the compiler cannot know; to both halves, or they are no pair
    v128.store(integersAt, none, 0); v128.store(integersAt, none, 16); v128.store(integersAt, zero, 32); v128.store(integersAt, zero, 48);
    v128.store(integersAt, zero, 64); v128.store(integersAt, zero, 80); v128.store(integersAt, zero, 96); v128.store(integersAt, zero, 112);
    for (let block = 0; block < 8; block++) {
      const pairsAt = headAt + Pairs.at(STEP, block), own = i16x8.mul(Pairs.chosen(block), v128.load32_splat(recordAt + (<usize>(SUPER_TIMES + block) << 2)));
      const bitsAt = at;
      if (Quads.fives(type)) at += STEP;
      const end = at + CODES * STEP;
      let quad = 0;
      while (at < end) {
        let g0 = zero, g1 = zero, g2 = zero, g3 = zero, g4 = zero, g5 = zero, g6 = zero, g7 = zero;
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
        const c0 = Supers.widen(false, v128.load(integersAt, 0), g0, Supers.scale(false, pairsAt, own, 0)), c1 = Supers.widen(false, v128.load(integersAt, 16), g1, Supers.scale(false, pairsAt, own, 1));
        v128.store(integersAt, c0, 0); v128.store(integersAt, c1, 16);
        const c2 = Supers.widen(false, v128.load(integersAt, 32), g2, Supers.scale(false, pairsAt + 32, own, 0)), c3 = Supers.widen(false, v128.load(integersAt, 48), g3, Supers.scale(false, pairsAt + 32, own, 1));
        v128.store(integersAt, c2, 32); v128.store(integersAt, c3, 48);
        const c4 = Supers.widen(false, v128.load(integersAt, 64), g4, Supers.scale(false, pairsAt + 64, own, 0)), c5 = Supers.widen(false, v128.load(integersAt, 80), g5, Supers.scale(false, pairsAt + 64, own, 1));
        v128.store(integersAt, c4, 64); v128.store(integersAt, c5, 80);
        const c6 = Supers.widen(false, v128.load(integersAt, 96), g6, Supers.scale(false, pairsAt + 96, own, 0)), c7 = Supers.widen(false, v128.load(integersAt, 112), g7, Supers.scale(false, pairsAt + 96, own, 1));
        v128.store(integersAt, c6, 96); v128.store(integersAt, c7, 112);
      }
      panelAt += 16;
    }
    const pairsAt = headAt + Pairs.at(STEP, 0), sumsAt = recordAt + <usize>(SUPER_PAIRS << 2), row = v128.load32_splat(recordAt);
    const s0 = Supers.close(v128.load(sumAt, 0), v128.load(integersAt, 0), row, v128.load(headAt, 0), Supers.mins(pairsAt, STEP, 0, sumsAt, 4), v128.load(headAt + STEP, 0));
    const s1 = Supers.close(v128.load(sumAt, 16), v128.load(integersAt, 16), row, v128.load(headAt, 16), Supers.mins(pairsAt, STEP, 1, sumsAt, 4), v128.load(headAt + STEP, 16));
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
    const s2 = Supers.close(v128.load(sumAt, 32), v128.load(integersAt, 32), row, v128.load(headAt + 32, 0), Supers.mins(pairsAt + 32, STEP, 0, sumsAt, 4), v128.load(headAt + STEP + 32, 0));
    const s3 = Supers.close(v128.load(sumAt, 48), v128.load(integersAt, 48), row, v128.load(headAt + 32, 16), Supers.mins(pairsAt + 32, STEP, 1, sumsAt, 4), v128.load(headAt + STEP + 32, 16));
    v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    const s4 = Supers.close(v128.load(sumAt, 64), v128.load(integersAt, 64), row, v128.load(headAt + 64, 0), Supers.mins(pairsAt + 64, STEP, 0, sumsAt, 4), v128.load(headAt + STEP + 64, 0));
    const s5 = Supers.close(v128.load(sumAt, 80), v128.load(integersAt, 80), row, v128.load(headAt + 64, 16), Supers.mins(pairsAt + 64, STEP, 1, sumsAt, 4), v128.load(headAt + STEP + 64, 16));
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80);
    const s6 = Supers.close(v128.load(sumAt, 96), v128.load(integersAt, 96), row, v128.load(headAt + 96, 0), Supers.mins(pairsAt + 96, STEP, 0, sumsAt, 4), v128.load(headAt + STEP + 96, 0));
    const s7 = Supers.close(v128.load(sumAt, 112), v128.load(integersAt, 112), row, v128.load(headAt + 96, 16), Supers.mins(pairsAt + 96, STEP, 1, sumsAt, 4), v128.load(headAt + STEP + 96, 16));
    v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
  }

  /** The same of one or two visits whose groups lie apart, `lane` bytes from one to the next: a block of each in turn (q4_0.ts). */
  @inline static apart(type: u32, sumAt: usize, headAt: usize, lane: usize, visits: i32, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
    for (let left = blocks; left > 0; left -= 8) {
      memory.fill(integersAt, 0, <usize>visits * VISIT_SUMS);
      for (let block = 0; block < 8; block++, panelAt += 32) {
        const own = i16x8.mul(Pairs.chosen(block), v128.load32_splat(recordAt + (<usize>(SUPER_TIMES + block) << 2)));
        Supers.two(type, integersAt, headAt, lane, block, own, panelAt);
        Supers.two(type, integersAt + 64, headAt + 2 * lane, lane, block, own, panelAt);
        if (visits > 1) {
          Supers.two(type, integersAt + 128, headAt + 4 * lane, lane, block, own, panelAt);
          Supers.two(type, integersAt + 192, headAt + 6 * lane, lane, block, own, panelAt);
        }
      }
      for (let at = headAt, to: usize = 0, end = <usize>visits * VISIT_SUMS; to < end; to += VISIT_SUMS / VISIT_GROUPS, at += lane) {
        Supers.closeGroup(sumAt + to, integersAt + to, at, recordAt);
      }
      headAt += Supers.units(type) * VISIT_UNIT;
      recordAt += <usize>SUPER_WORDS << 2;
    }
  }

  /** Block `block` of two groups: integers [16] go on. `own`: what its activations count, beside its scale's place in a pair. */
  @inline static two(type: u32, integersAt: usize, headAt: usize, lane: usize, block: i32, own: v128, panelAt: usize): void {
    const zero = i32x4.splat(0), mask = Lanes.nibbles(), pairsAt = headAt + Pairs.at(VISIT_UNIT, block);
    const bitsAt = headAt + (HEAD + <usize>block * Supers.blockUnits(type)) * VISIT_UNIT;
    let at = Quads.fives(type) ? bitsAt + VISIT_UNIT : bitsAt, at1 = at + lane, quad = 0;
    const end = at + CODES * VISIT_UNIT;
    while (at < end) {
      let g0 = zero, g1 = zero, g2 = zero, g3 = zero;
      const part = Quads.fives(type) ? at + CODES / 2 * VISIT_UNIT : end;
      while (at < part) {
        const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 16);
        const w0 = v128.load(at, 0), w1 = v128.load(at, 16), w2 = v128.load(at1, 0), w3 = v128.load(at1, 16);
        g0 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w0, mask), bitsAt, quad), g0);
        g1 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w1, mask), bitsAt + 16, quad), g1);
        g0 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w0, 4), mask), bitsAt, quad), g0);
        g1 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w1, 4), mask), bitsAt + 16, quad), g1);
        g2 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w2, mask), bitsAt + lane, quad), g2);
        g3 = Quads.dot(false, x, Quads.fifthLow(type, v128.and(w3, mask), bitsAt + lane + 16, quad), g3);
        g2 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w2, 4), mask), bitsAt + lane, quad), g2);
        g3 = Quads.dot(false, y, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w3, 4), mask), bitsAt + lane + 16, quad), g3);
        at += VISIT_UNIT; at1 += VISIT_UNIT;
        panelAt += 4;
        quad++;
      }
      const c0 = Supers.widen(false, v128.load(integersAt, 0), g0, Supers.scale(false, pairsAt, own, 0)), c1 = Supers.widen(false, v128.load(integersAt, 16), g1, Supers.scale(false, pairsAt, own, 1));
      v128.store(integersAt, c0, 0); v128.store(integersAt, c1, 16);
      const c2 = Supers.widen(false, v128.load(integersAt, 32), g2, Supers.scale(false, pairsAt + lane, own, 0)), c3 = Supers.widen(false, v128.load(integersAt, 48), g3, Supers.scale(false, pairsAt + lane, own, 1));
      v128.store(integersAt, c2, 32); v128.store(integersAt, c3, 48);
    }
  }

  /** The integers of a super-block of one group join its sums. */
  @inline static closeGroup(sumAt: usize, integersAt: usize, headAt: usize, recordAt: usize): void {
    const pairsAt = headAt + Pairs.at(VISIT_UNIT, 0), sumsAt = recordAt + <usize>(SUPER_PAIRS << 2), row = v128.load32_splat(recordAt);
    const s0 = Supers.close(v128.load(sumAt, 0), v128.load(integersAt, 0), row, v128.load(headAt, 0), Supers.mins(pairsAt, VISIT_UNIT, 0, sumsAt, 4), v128.load(headAt + VISIT_UNIT, 0));
    const s1 = Supers.close(v128.load(sumAt, 16), v128.load(integersAt, 16), row, v128.load(headAt, 16), Supers.mins(pairsAt, VISIT_UNIT, 1, sumsAt, 4), v128.load(headAt + VISIT_UNIT, 16));
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
  }

  /** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
  @inline static dequantize(type: u32, outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
    const mask = i8x16.splat(15), size = Supers.blockUnits(type) * step;
    for (let block = begin >> 5; block < end >> 5; block++, outAt += 1024) {
      const headAt = groupAt + <usize>(block >> 3) * Supers.units(type) * step;
      const blockAt = headAt + HEAD * step + <usize>(block & 7) * size, codesAt = Quads.fives(type) ? blockAt + step : blockAt;
      const pairsAt = headAt + Pairs.at(step, block), chosen = Pairs.chosen(block);
      for (let half: usize = 0; half < 2; half++) {
        const scales = f32x4.mul(v128.load(headAt + (half << 4)), f32x4.convert_i32x4_s(Supers.scale(true, pairsAt, chosen, half)));
        const mins = f32x4.mul(v128.load(headAt + step + (half << 4)), f32x4.convert_i32x4_s(Supers.scale(true, pairsAt + 16, chosen, half)));
        const bitsAt = blockAt + (half << 4);
        for (let quad = 0; quad < 4; quad++) {
          const w = v128.load(codesAt + <usize>quad * step + (half << 4)), to = outAt + (<usize>quad << 7) + (half << 4);
          Quads.spread(type, to, Quads.fifthLow(type, v128.and(w, mask), bitsAt, quad), scales, f32x4.neg(mins));
          Quads.spread(type, to + 512, Quads.fifthHigh(type, v128.and(i16x8.shr_u(w, 4), mask), bitsAt, quad), scales, f32x4.neg(mins));
        }
      }
    }
  }

  /** Stored rows of q4_k or q5_k -> the super-blocks of one group; lanes from `lanes` on become zeros. */
  @inline static pack(type: u32, packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
    const size = Supers.blockUnits(type) * step, codes: usize = Quads.fives(type) ? 48 : 16, stored: usize = codes + 128;
    for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
      const alive = <i32>lane < lanes;
      let from = sourceAt + lane * rowBytes, to = packedAt;
      for (let col = 0; col < cols; col += 256, from += stored, to += Supers.units(type) * step) {
        const scale = alive ? <u32>load<u16>(from) : 0, least = alive ? <u32>load<u16>(from + 2) : 0;
        store<f32>(to + (lane << 2), Lanes.halfToF32(scale));
        store<f32>(to + step + (lane << 2), Lanes.halfToF32(least));
        for (let block: u32 = 0; block < 8; block++) {
          const pairAt = to + (2 + <usize>(block >> 1)) * step + (lane << 1) + (block & 1), sixAt = from + 4;
          store<u8>(pairAt, alive ? Pairs.storedScale(sixAt, block) : 0);
          store<u8>(pairAt + 16, alive ? Pairs.storedMin(sixAt, block) : 0);
          const blockTo = to + HEAD * step + <usize>block * size + (lane << 2), codesTo = Quads.fives(type) ? blockTo + step : blockTo, codesFrom = from + codes + (<usize>(block >> 1) << 5), shift = (block & 1) << 2;
          for (let quad: usize = 0; quad < 4; quad++) {
            const low = alive ? load<u32>(codesFrom + (quad << 2)) >> shift & 0x0f0f0f0f : 0;
            const high = alive ? load<u32>(codesFrom + 16 + (quad << 2)) >> shift & 0x0f0f0f0f : 0;
            store<u32>(codesTo + quad * step, low | high << 4);
          }
          if (Quads.fives(type)) {
            // Bit `block` of byte l is the fifth bit of k = l.
            let fifths: u32 = 0;
            for (let quad: u32 = 0; quad < 8; quad++) fifths |= (alive ? load<u32>(from + 16 + (quad << 2)) >> block & 0x01010101 : 0) << quad;
            store<u32>(blockTo, fifths);
          }
        }
      }
    }
  }
}
