/**
 * Weights stored as q6_k, v = (d scale) (code - 32), a scale for 16 inputs: pack, dequantise, and tiles that meet 8-bit activations.
 *
 * Packed form, per group of 8 outputs and 256 inputs (53 units of 32 bytes, 6.63 bits a weight, stored 6.56), woven (visits.ts):
 *
 *   d [8] f32 | 4 x two blocks' scales [8][2] i8, of the first and of the last 16 inputs of each
 *   | 8 blocks x 2 pairs of quads x (2 quads [8 outputs][4 bytes], low nibbles k = 4 quad .. 4 quad + 3, high nibbles k + 16
 *                                    , [8 outputs][4 bytes], two upper bits each of quads 2p, 2p + 4, 2p + 1, 2p + 5)
 *
 * s [h][8] f32 = W x for h <= 6 rows; x as for quads.ts. Products of 6 bits gather in i16 over two quads (4 x 2 x 127 x 63 = 64,008 would not
 * fit, 32,004 does) and are widened by a dot with their scale. Exact: |sum| <= 32 x 127 x 63 x 128 < 2^31; one conversion a block.
 */

import { GROUP, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";

/** Of 32 bytes a group: d and scales of eight blocks; codes of a pair of quads, before its upper bits; a block; a super-block. */
const HEAD: usize = 5;
const CODES: usize = 2;
const BLOCK_UNITS: usize = 6;
const UNITS: usize = HEAD + 8 * BLOCK_UNITS;
/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

class Tile {
  @inline static firstScales(pairs: v128): v128 {
    return v128.or(v128.and(pairs, Lanes.halves()), i32x4.shl(pairs, 16));
  }

  @inline static lastScales(pairs: v128): v128 {
    return v128.or(i32x4.shr_u(pairs, 16), v128.and(pairs, i32x4.splat(0xffff0000)));
  }

  /** sum + scales * (x w + y u), i32. */
  @inline static two(sum: v128, x: v128, w: v128, y: v128, u: v128, scales: v128): v128 {
    return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.add(Lanes.dotI8I7(x, w), Lanes.dotI8I7(y, u)), scales));
  }

  @inline static finish(sum: v128, integers: v128, row: v128, sums: v128, scales: v128, d: v128): v128 {
    const dot = i32x4.sub(integers, i32x4.shl(i32x4.dot_i16x8_s(scales, sums), 5));
    return Lanes.addScaled(sum, dot, row, d);
  }

  @inline static rows(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const mask = Lanes.nibbles(), upper = Lanes.uppers(), line = <usize>(h << 2);
    for (let block = 0; block < blocks; ) {
      const headAt = weightAt;
      weightAt += HEAD * step;
      for (const stop = block + 8; block < stop; block++) {
        let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
        let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
        const pairsAt = headAt + (1 + <usize>(block >> 1 & 3)) * step + (<usize>(block & 1) << 4);
        const p0 = v128.load8x8_s(pairsAt, 0), p1 = v128.load8x8_s(pairsAt, 8);
        const end = weightAt + BLOCK_UNITS * step;
        while (weightAt < end) {
          const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16), u0 = v128.load(weightAt + step, 0), u1 = v128.load(weightAt + step, 16);
          const upperAt = weightAt + CODES * step, b0 = v128.load(upperAt, 0), b1 = v128.load(upperAt, 16);
          let k0 = Tile.firstScales(p0), k1 = Tile.firstScales(p1);
          let w0_ = v128.or(v128.and(w0, mask), v128.and(i16x8.shl(b0, 4), upper)), w1_ = v128.or(v128.and(w1, mask), v128.and(i16x8.shl(b1, 4), upper));
          let u0_ = v128.or(v128.and(u0, mask), v128.and(b0, upper)), u1_ = v128.or(v128.and(u1, mask), v128.and(b1, upper));
          let xAt = panelAt, yAt = panelAt + line;
          let x = v128.load32_splat(xAt, 0), y = v128.load32_splat(yAt, 0);
          c00 = Tile.two(c00, x, w0_, y, u0_, k0); c01 = Tile.two(c01, x, w1_, y, u1_, k1);
          if (h > 1) {
            x = v128.load32_splat(xAt, 4); y = v128.load32_splat(yAt, 4);
            c10 = Tile.two(c10, x, w0_, y, u0_, k0); c11 = Tile.two(c11, x, w1_, y, u1_, k1);
          }
          if (h > 2) {
            x = v128.load32_splat(xAt, 8); y = v128.load32_splat(yAt, 8);
            c20 = Tile.two(c20, x, w0_, y, u0_, k0); c21 = Tile.two(c21, x, w1_, y, u1_, k1);
          }
          if (h > 3) {
            x = v128.load32_splat(xAt, 12); y = v128.load32_splat(yAt, 12);
            c30 = Tile.two(c30, x, w0_, y, u0_, k0); c31 = Tile.two(c31, x, w1_, y, u1_, k1);
          }
          if (h > 4) {
            x = v128.load32_splat(xAt, 16); y = v128.load32_splat(yAt, 16);
            c40 = Tile.two(c40, x, w0_, y, u0_, k0); c41 = Tile.two(c41, x, w1_, y, u1_, k1);
          }
          if (h > 5) {
            x = v128.load32_splat(xAt, 20); y = v128.load32_splat(yAt, 20);
            c50 = Tile.two(c50, x, w0_, y, u0_, k0); c51 = Tile.two(c51, x, w1_, y, u1_, k1);
          }
          k0 = Tile.lastScales(p0); k1 = Tile.lastScales(p1);
          w0_ = v128.or(v128.and(i16x8.shr_u(w0, 4), mask), v128.and(i16x8.shl(b0, 2), upper));
          w1_ = v128.or(v128.and(i16x8.shr_u(w1, 4), mask), v128.and(i16x8.shl(b1, 2), upper));
          u0_ = v128.or(v128.and(i16x8.shr_u(u0, 4), mask), v128.and(i16x8.shr_u(b0, 2), upper));
          u1_ = v128.or(v128.and(i16x8.shr_u(u1, 4), mask), v128.and(i16x8.shr_u(b1, 2), upper));
          xAt += 4 * line; yAt += 4 * line;
          x = v128.load32_splat(xAt, 0); y = v128.load32_splat(yAt, 0);
          c00 = Tile.two(c00, x, w0_, y, u0_, k0); c01 = Tile.two(c01, x, w1_, y, u1_, k1);
          if (h > 1) {
            x = v128.load32_splat(xAt, 4); y = v128.load32_splat(yAt, 4);
            c10 = Tile.two(c10, x, w0_, y, u0_, k0); c11 = Tile.two(c11, x, w1_, y, u1_, k1);
          }
          if (h > 2) {
            x = v128.load32_splat(xAt, 8); y = v128.load32_splat(yAt, 8);
            c20 = Tile.two(c20, x, w0_, y, u0_, k0); c21 = Tile.two(c21, x, w1_, y, u1_, k1);
          }
          if (h > 3) {
            x = v128.load32_splat(xAt, 12); y = v128.load32_splat(yAt, 12);
            c30 = Tile.two(c30, x, w0_, y, u0_, k0); c31 = Tile.two(c31, x, w1_, y, u1_, k1);
          }
          if (h > 4) {
            x = v128.load32_splat(xAt, 16); y = v128.load32_splat(yAt, 16);
            c40 = Tile.two(c40, x, w0_, y, u0_, k0); c41 = Tile.two(c41, x, w1_, y, u1_, k1);
          }
          if (h > 5) {
            x = v128.load32_splat(xAt, 20); y = v128.load32_splat(yAt, 20);
            c50 = Tile.two(c50, x, w0_, y, u0_, k0); c51 = Tile.two(c51, x, w1_, y, u1_, k1);
          }
          weightAt += (CODES + 1) * step;
          panelAt += 2 * line;
        }
        panelAt += 4 * line;
        const d0 = v128.load(headAt, 0), d1 = v128.load(headAt, 16);
        let row = v128.load32_splat(scaleAt, 0), sums = v128.load32_splat(blockSumAt, 0);
        s00 = Tile.finish(s00, c00, row, sums, p0, d0); s01 = Tile.finish(s01, c01, row, sums, p1, d1);
        if (h > 1) {
          row = v128.load32_splat(scaleAt, 4); sums = v128.load32_splat(blockSumAt, 4);
          s10 = Tile.finish(s10, c10, row, sums, p0, d0); s11 = Tile.finish(s11, c11, row, sums, p1, d1);
        }
        if (h > 2) {
          row = v128.load32_splat(scaleAt, 8); sums = v128.load32_splat(blockSumAt, 8);
          s20 = Tile.finish(s20, c20, row, sums, p0, d0); s21 = Tile.finish(s21, c21, row, sums, p1, d1);
        }
        if (h > 3) {
          row = v128.load32_splat(scaleAt, 12); sums = v128.load32_splat(blockSumAt, 12);
          s30 = Tile.finish(s30, c30, row, sums, p0, d0); s31 = Tile.finish(s31, c31, row, sums, p1, d1);
        }
        if (h > 4) {
          row = v128.load32_splat(scaleAt, 16); sums = v128.load32_splat(blockSumAt, 16);
          s40 = Tile.finish(s40, c40, row, sums, p0, d0); s41 = Tile.finish(s41, c41, row, sums, p1, d1);
        }
        if (h > 5) {
          row = v128.load32_splat(scaleAt, 20); sums = v128.load32_splat(blockSumAt, 20);
          s50 = Tile.finish(s50, c50, row, sums, p0, d0); s51 = Tile.finish(s51, c51, row, sums, p1, d1);
        }
        scaleAt += line;
        blockSumAt += line;
      }
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  /** sum + x w + y u, i32. */
  @inline static pair(x: v128, w: v128, y: v128, u: v128, sum: v128): v128 {
    return Lanes.dotAddI8I7(y, u, Lanes.dotAddI8I7(x, w, sum));
  }

  /** `rows` with sums in i32: the inputs of one scale after those of the other, each multiplied by it once. */
  @inline static rowsAdd(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const mask = Lanes.nibbles(), upper = Lanes.uppers(), line = <usize>(h << 2);
    for (let block = 0; block < blocks; ) {
      const headAt = weightAt;
      weightAt += HEAD * step;
      for (const stop = block + 8; block < stop; block++) {
        const pairsAt = headAt + (1 + <usize>(block >> 1 & 3)) * step + (<usize>(block & 1) << 4), codesAt = weightAt, end = weightAt + BLOCK_UNITS * step;
        const p0 = v128.load8x8_s(pairsAt, 0), p1 = v128.load8x8_s(pairsAt, 8);
        let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
        let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
        while (weightAt < end) {
          const upperAt = weightAt + CODES * step, b0 = v128.load(upperAt, 0), b1 = v128.load(upperAt, 16);
          const w0_ = v128.or(v128.and(v128.load(weightAt, 0), mask), v128.and(i16x8.shl(b0, 4), upper)), w1_ = v128.or(v128.and(v128.load(weightAt, 16), mask), v128.and(i16x8.shl(b1, 4), upper));
          const u0_ = v128.or(v128.and(v128.load(weightAt + step, 0), mask), v128.and(b0, upper)), u1_ = v128.or(v128.and(v128.load(weightAt + step, 16), mask), v128.and(b1, upper));
          let x: v128, y: v128;
          const yAt = panelAt + line;
          x = v128.load32_splat(panelAt, 0); y = v128.load32_splat(yAt, 0);
          c00 = Tile.pair(x, w0_, y, u0_, c00); c01 = Tile.pair(x, w1_, y, u1_, c01);
          if (h > 1) { x = v128.load32_splat(panelAt, 4); y = v128.load32_splat(yAt, 4); c10 = Tile.pair(x, w0_, y, u0_, c10); c11 = Tile.pair(x, w1_, y, u1_, c11); }
          if (h > 2) { x = v128.load32_splat(panelAt, 8); y = v128.load32_splat(yAt, 8); c20 = Tile.pair(x, w0_, y, u0_, c20); c21 = Tile.pair(x, w1_, y, u1_, c21); }
          if (h > 3) { x = v128.load32_splat(panelAt, 12); y = v128.load32_splat(yAt, 12); c30 = Tile.pair(x, w0_, y, u0_, c30); c31 = Tile.pair(x, w1_, y, u1_, c31); }
          if (h > 4) { x = v128.load32_splat(panelAt, 16); y = v128.load32_splat(yAt, 16); c40 = Tile.pair(x, w0_, y, u0_, c40); c41 = Tile.pair(x, w1_, y, u1_, c41); }
          if (h > 5) { x = v128.load32_splat(panelAt, 20); y = v128.load32_splat(yAt, 20); c50 = Tile.pair(x, w0_, y, u0_, c50); c51 = Tile.pair(x, w1_, y, u1_, c51); }
          weightAt += (CODES + 1) * step;
          panelAt += 2 * line;
        }
        let k0 = i32x4.shr_s(i32x4.shl(p0, 16), 16), k1 = i32x4.shr_s(i32x4.shl(p1, 16), 16);
        let t00 = c00, t01 = c00, t10 = c00, t11 = c00, t20 = c00, t21 = c00, t30 = c00, t31 = c00, t40 = c00, t41 = c00, t50 = c00, t51 = c00;
        t00 = i32x4.mul(c00, k0); t01 = i32x4.mul(c01, k1);
        if (h > 1) { t10 = i32x4.mul(c10, k0); t11 = i32x4.mul(c11, k1); }
        if (h > 2) { t20 = i32x4.mul(c20, k0); t21 = i32x4.mul(c21, k1); }
        if (h > 3) { t30 = i32x4.mul(c30, k0); t31 = i32x4.mul(c31, k1); }
        if (h > 4) { t40 = i32x4.mul(c40, k0); t41 = i32x4.mul(c41, k1); }
        if (h > 5) { t50 = i32x4.mul(c50, k0); t51 = i32x4.mul(c51, k1); }
        c00 = i32x4.splat(0); c01 = c00; c10 = c00; c11 = c00; c20 = c00; c21 = c00;
        c30 = c00; c31 = c00; c40 = c00; c41 = c00; c50 = c00; c51 = c00;
        weightAt = codesAt;
        while (weightAt < end) {
          const upperAt = weightAt + CODES * step, b0 = v128.load(upperAt, 0), b1 = v128.load(upperAt, 16);
          const w0_ = v128.or(v128.and(i16x8.shr_u(v128.load(weightAt, 0), 4), mask), v128.and(i16x8.shl(b0, 2), upper)), w1_ = v128.or(v128.and(i16x8.shr_u(v128.load(weightAt, 16), 4), mask), v128.and(i16x8.shl(b1, 2), upper));
          const u0_ = v128.or(v128.and(i16x8.shr_u(v128.load(weightAt + step, 0), 4), mask), v128.and(i16x8.shr_u(b0, 2), upper)), u1_ = v128.or(v128.and(i16x8.shr_u(v128.load(weightAt + step, 16), 4), mask), v128.and(i16x8.shr_u(b1, 2), upper));
          let x: v128, y: v128;
          const yAt = panelAt + line;
          x = v128.load32_splat(panelAt, 0); y = v128.load32_splat(yAt, 0);
          c00 = Tile.pair(x, w0_, y, u0_, c00); c01 = Tile.pair(x, w1_, y, u1_, c01);
          if (h > 1) { x = v128.load32_splat(panelAt, 4); y = v128.load32_splat(yAt, 4); c10 = Tile.pair(x, w0_, y, u0_, c10); c11 = Tile.pair(x, w1_, y, u1_, c11); }
          if (h > 2) { x = v128.load32_splat(panelAt, 8); y = v128.load32_splat(yAt, 8); c20 = Tile.pair(x, w0_, y, u0_, c20); c21 = Tile.pair(x, w1_, y, u1_, c21); }
          if (h > 3) { x = v128.load32_splat(panelAt, 12); y = v128.load32_splat(yAt, 12); c30 = Tile.pair(x, w0_, y, u0_, c30); c31 = Tile.pair(x, w1_, y, u1_, c31); }
          if (h > 4) { x = v128.load32_splat(panelAt, 16); y = v128.load32_splat(yAt, 16); c40 = Tile.pair(x, w0_, y, u0_, c40); c41 = Tile.pair(x, w1_, y, u1_, c41); }
          if (h > 5) { x = v128.load32_splat(panelAt, 20); y = v128.load32_splat(yAt, 20); c50 = Tile.pair(x, w0_, y, u0_, c50); c51 = Tile.pair(x, w1_, y, u1_, c51); }
          weightAt += (CODES + 1) * step;
          panelAt += 2 * line;
        }
        k0 = i32x4.shr_s(p0, 16); k1 = i32x4.shr_s(p1, 16);
        t00 = i32x4.add(t00, i32x4.mul(c00, k0)); t01 = i32x4.add(t01, i32x4.mul(c01, k1));
        if (h > 1) { t10 = i32x4.add(t10, i32x4.mul(c10, k0)); t11 = i32x4.add(t11, i32x4.mul(c11, k1)); }
        if (h > 2) { t20 = i32x4.add(t20, i32x4.mul(c20, k0)); t21 = i32x4.add(t21, i32x4.mul(c21, k1)); }
        if (h > 3) { t30 = i32x4.add(t30, i32x4.mul(c30, k0)); t31 = i32x4.add(t31, i32x4.mul(c31, k1)); }
        if (h > 4) { t40 = i32x4.add(t40, i32x4.mul(c40, k0)); t41 = i32x4.add(t41, i32x4.mul(c41, k1)); }
        if (h > 5) { t50 = i32x4.add(t50, i32x4.mul(c50, k0)); t51 = i32x4.add(t51, i32x4.mul(c51, k1)); }
        const d0 = v128.load(headAt, 0), d1 = v128.load(headAt, 16);
        let row = v128.load32_splat(scaleAt, 0), sums = v128.load32_splat(blockSumAt, 0);
        s00 = Tile.finish(s00, t00, row, sums, p0, d0); s01 = Tile.finish(s01, t01, row, sums, p1, d1);
        if (h > 1) { row = v128.load32_splat(scaleAt, 4); sums = v128.load32_splat(blockSumAt, 4); s10 = Tile.finish(s10, t10, row, sums, p0, d0); s11 = Tile.finish(s11, t11, row, sums, p1, d1); }
        if (h > 2) { row = v128.load32_splat(scaleAt, 8); sums = v128.load32_splat(blockSumAt, 8); s20 = Tile.finish(s20, t20, row, sums, p0, d0); s21 = Tile.finish(s21, t21, row, sums, p1, d1); }
        if (h > 3) { row = v128.load32_splat(scaleAt, 12); sums = v128.load32_splat(blockSumAt, 12); s30 = Tile.finish(s30, t30, row, sums, p0, d0); s31 = Tile.finish(s31, t31, row, sums, p1, d1); }
        if (h > 4) { row = v128.load32_splat(scaleAt, 16); sums = v128.load32_splat(blockSumAt, 16); s40 = Tile.finish(s40, t40, row, sums, p0, d0); s41 = Tile.finish(s41, t41, row, sums, p1, d1); }
        if (h > 5) { row = v128.load32_splat(scaleAt, 20); sums = v128.load32_splat(blockSumAt, 20); s50 = Tile.finish(s50, t50, row, sums, p0, d0); s51 = Tile.finish(s51, t51, row, sums, p1, d1); }
        scaleAt += line;
        blockSumAt += line;
      }
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  /** One row of a super-block, a visit (four groups woven): sums [32] go on. */
  @inline static four(sumAt: usize, headAt: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
    const mask = Lanes.nibbles();
    let at = headAt, seen: u32 = 0;
    for (const codesAt = at + HEAD * STEP; at < codesAt; at += 64) seen |= load<u32>(at); // line after line (quads.ts)
    let s0 = v128.load(sumAt, 0), s1 = v128.load(sumAt, 16), s2 = v128.load(sumAt, 32), s3 = v128.load(sumAt, 48);
    let s4 = v128.load(sumAt, 64), s5 = v128.load(sumAt, 80), s6 = v128.load(sumAt, 96), s7 = v128.load(sumAt, 112);
    const none = i32x4.splat(seen & blocks >> 31);
    s0 = v128.or(s0, none); s1 = v128.or(s1, none);
    for (let block: usize = 0; block < 8; block++) {
      let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
      const pairsAt = headAt + (1 + (block >> 1)) * STEP + ((block & 1) << 4);
      const end = at + BLOCK_UNITS * STEP;
      while (at < end) {
        const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 4), z = v128.load32_splat(panelAt, 16), q = v128.load32_splat(panelAt, 20);
        c0 = Tile.both(c0, x, y, z, q, v128.load(at, 0), v128.load(at, STEP + 0), v128.load(at, CODES * STEP + 0), v128.load8x8_s(pairsAt, 0), mask);
        c1 = Tile.both(c1, x, y, z, q, v128.load(at, 16), v128.load(at, STEP + 16), v128.load(at, CODES * STEP + 16), v128.load8x8_s(pairsAt, 8), mask);
        c2 = Tile.both(c2, x, y, z, q, v128.load(at, 32), v128.load(at, STEP + 32), v128.load(at, CODES * STEP + 32), v128.load8x8_s(pairsAt, 32), mask);
        c3 = Tile.both(c3, x, y, z, q, v128.load(at, 48), v128.load(at, STEP + 48), v128.load(at, CODES * STEP + 48), v128.load8x8_s(pairsAt, 40), mask);
        c4 = Tile.both(c4, x, y, z, q, v128.load(at, 64), v128.load(at, STEP + 64), v128.load(at, CODES * STEP + 64), v128.load8x8_s(pairsAt, 64), mask);
        c5 = Tile.both(c5, x, y, z, q, v128.load(at, 80), v128.load(at, STEP + 80), v128.load(at, CODES * STEP + 80), v128.load8x8_s(pairsAt, 72), mask);
        c6 = Tile.both(c6, x, y, z, q, v128.load(at, 96), v128.load(at, STEP + 96), v128.load(at, CODES * STEP + 96), v128.load8x8_s(pairsAt, 96), mask);
        c7 = Tile.both(c7, x, y, z, q, v128.load(at, 112), v128.load(at, STEP + 112), v128.load(at, CODES * STEP + 112), v128.load8x8_s(pairsAt, 104), mask);
        at += (CODES + 1) * STEP;
        panelAt += 8;
      }
      panelAt += 16;
      const row = v128.load32_splat(scaleAt), sums = v128.load32_splat(blockSumAt);
      s0 = Tile.finish(s0, c0, row, sums, v128.load8x8_s(pairsAt, 0), v128.load(headAt, 0)); s1 = Tile.finish(s1, c1, row, sums, v128.load8x8_s(pairsAt, 8), v128.load(headAt, 16));
      s2 = Tile.finish(s2, c2, row, sums, v128.load8x8_s(pairsAt, 32), v128.load(headAt, 32)); s3 = Tile.finish(s3, c3, row, sums, v128.load8x8_s(pairsAt, 40), v128.load(headAt, 48));
      s4 = Tile.finish(s4, c4, row, sums, v128.load8x8_s(pairsAt, 64), v128.load(headAt, 64)); s5 = Tile.finish(s5, c5, row, sums, v128.load8x8_s(pairsAt, 72), v128.load(headAt, 80));
      s6 = Tile.finish(s6, c6, row, sums, v128.load8x8_s(pairsAt, 96), v128.load(headAt, 96)); s7 = Tile.finish(s7, c7, row, sums, v128.load8x8_s(pairsAt, 104), v128.load(headAt, 112));
      scaleAt += 4;
      blockSumAt += 4;
    }
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16); v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80); v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
  }

  /** Two pairs of quads, 16 inputs apart, of four outputs. */
  @inline static both(sum: v128, x: v128, y: v128, z: v128, q: v128, w: v128, u: v128, bits: v128, pairs: v128, mask: v128): v128 {
    const upper = Lanes.uppers();
    const first = Tile.two(sum, x, v128.or(v128.and(w, mask), v128.and(i16x8.shl(bits, 4), upper)), y, v128.or(v128.and(u, mask), v128.and(bits, upper)), Tile.firstScales(pairs));
    return Tile.two(
      first, z, v128.or(v128.and(i16x8.shr_u(w, 4), mask), v128.and(i16x8.shl(bits, 2), upper)),
      q, v128.or(v128.and(i16x8.shr_u(u, 4), mask), v128.and(i16x8.shr_u(bits, 2), upper)), Tile.lastScales(pairs),
    );
  }

  @inline static spread(outAt: usize, codes: v128, scales: v128): void {
    const low = i32x4.splat(255), offset = i32x4.splat(32);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(codes, low), offset)), scales), 0);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(i32x4.shr_u(codes, 8), low), offset)), scales), 32);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(i32x4.shr_u(codes, 16), low), offset)), scales), 64);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(codes, 24), offset)), scales), 96);
  }
}

export function tile_q6_k_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  switch (h) {
    case 1: Tile.rows(1, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 2: Tile.rows(2, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 3: Tile.rows(3, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 4: Tile.rows(4, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 5: Tile.rows(5, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    default: Tile.rows(6, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks);
  }
}

/** tile_q6_k_q8 with sums in i32, as tile_q4_0_q8_add. */
export function tile_q6_k_q8_add(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  switch (h) {
    case 1: Tile.rowsAdd(1, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 2: Tile.rowsAdd(2, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 3: Tile.rowsAdd(3, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 4: Tile.rowsAdd(4, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    case 5: Tile.rowsAdd(5, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks); break;
    default: Tile.rowsAdd(6, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks);
  }
}

/** One row, a visit, eight blocks: sums [32] go on. The same sums in the same order as the tile of one row. */
export function gemv4_q6_k_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Tile.four(sumAt, at, panelAt, scaleAt, blockSumAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q6_k(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  const mask = i8x16.splat(15), upper = i8x16.splat(48), low = i32x4.splat(0xffff);
  for (let block = begin >> 5; block < end >> 5; block++, outAt += 1024) {
    const headAt = groupAt + <usize>(block >> 3) * UNITS * step, codesAt = headAt + (HEAD + <usize>(block & 7) * BLOCK_UNITS) * step;
    const pairsAt = headAt + (1 + <usize>(block >> 1 & 3)) * step + (<usize>(block & 1) << 4);
    for (let half: usize = 0; half < 2; half++) {
      const d = v128.load(headAt + (half << 4)), pairs = v128.load8x8_s(pairsAt + (half << 3));
      const first = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(pairs, 16), 16))), last = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.shr_s(pairs, 16)));
      for (let pair: usize = 0; pair < 2; pair++) {
        const at = codesAt + (CODES + 1) * pair * step + (half << 4), to = outAt + (pair << 8) + (half << 4);
        const w = v128.load(at), u = v128.load(at + step), bits = v128.load(at + CODES * step);
        Tile.spread(to, v128.or(v128.and(w, mask), v128.and(i16x8.shl(bits, 4), upper)), first);
        Tile.spread(to + 128, v128.or(v128.and(u, mask), v128.and(bits, upper)), first);
        Tile.spread(to + 512, v128.or(v128.and(i16x8.shr_u(w, 4), mask), v128.and(i16x8.shl(bits, 2), upper)), last);
        Tile.spread(to + 640, v128.or(v128.and(i16x8.shr_u(u, 4), mask), v128.and(i16x8.shr_u(bits, 2), upper)), last);
      }
    }
  }
}

/**
 * `lanes` stored rows (210-byte blocks of 256: 128 bytes of nibbles, 64 of upper bits, 16 i8 scales, f16 d), `rowBytes` apart, of `cols`
 * inputs -> the super-blocks of one group; further lanes become zeros.
 */
export function pack_q6_k(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt;
    for (let col = 0; col < cols; col += 256, from += 210, to += UNITS * step) {
      const scale = alive ? <u32>load<u16>(from + 208) : 0;
      store<f32>(to + (lane << 2), Lanes.halfToF32(scale));
      for (let block: u32 = 0; block < 8; block++) {
        store<u16>(to + (1 + <usize>(block >> 1)) * step + (<usize>(block & 1) << 4) + (lane << 1), alive ? load<u16>(from + 192 + (<usize>block << 1)) : 0);
        // A half of 128 inputs holds four blocks: nibbles low, low, high, high of 64 bytes, upper bits 2 x block of 32.
        const nibbleAt = from + (<usize>(block >> 2) << 6) + (<usize>(block & 1) << 5), nibbleShift = (block >> 1 & 1) << 2;
        const upperFrom = from + 128 + (<usize>(block >> 2) << 5), upperShift = (block & 3) << 1;
        const codesTo = to + (HEAD + <usize>block * BLOCK_UNITS) * step + (lane << 2);
        for (let pair: usize = 0; pair < 2; pair++) {
          let bits: u32 = 0;
          for (let second: usize = 0; second < 2; second++) {
            const quad = (pair << 1) + second;
            const low = alive ? load<u32>(nibbleAt + (quad << 2)) >> nibbleShift & 0x0f0f0f0f : 0;
            const high = alive ? load<u32>(nibbleAt + 16 + (quad << 2)) >> nibbleShift & 0x0f0f0f0f : 0;
            store<u32>(codesTo + ((CODES + 1) * pair + second) * step, low | high << 4);
            const lowBits = alive ? load<u32>(upperFrom + (quad << 2)) >> upperShift & 0x03030303 : 0;
            const highBits = alive ? load<u32>(upperFrom + 16 + (quad << 2)) >> upperShift & 0x03030303 : 0;
            bits |= (lowBits | highBits << 2) << (<u32>second << 2);
          }
          store<u32>(codesTo + ((CODES + 1) * pair + CODES) * step, bits);
        }
      }
    }
  }
}
