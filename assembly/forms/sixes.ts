/**
 * Register tiles of 6-bit codes with a scale for 16 inputs beside 8-bit activations that have one for 256 (FORM_Q8_SUPERS): q6_k, whose packed
 * form q6_k.ts draws.
 *
 * s [h][8] f32 = W x for h <= 6 rows; x, and of one row `integersAt`, as for supers.ts (a tile keeps its integers: 6 % faster wide). Products of 6 bits
 * gather in i16 over two quads (4 x 2 x 127 x 63 = 64,008 would not fit, 32,004 does) and are widened by a dot with their scale. Exact:
 * |sum| <= 8 x 32 x 127 x 63 x 128 x 8 < 2^31; one conversion a super-block.
 */

import { SUPER_HALVES, SUPER_TIMES, SUPER_WORDS, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { VISIT_SUMS, VISIT_UNIT } from "../visits";

/** Of 32 bytes a group: d and scales of eight blocks; codes of a pair of quads, before its upper bits; a block. */
export const HEAD: usize = 5;
export const CODES: usize = 2;
export const BLOCK_UNITS: usize = 6;
/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

export class Sixes {
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

  /** Codes are 32 too high: a block's sums begin with that much less. `minus`: minus the sums of its halves of x. */
  @inline static begin(scales: v128, minus: v128): v128 {
    return i32x4.shl(i32x4.dot_i16x8_s(scales, minus), 5);
  }

  /** What a block's activations count, i32. */
  @inline static times(at: usize): v128 {
    return v128.and(v128.load32_splat(at), Lanes.halves());
  }

  /** A block of two groups joins its super-block. */
  @inline static joinTwo(integersAt: usize, times: v128, c0: v128, c1: v128, c2: v128, c3: v128): void {
    const s0 = i32x4.add(v128.load(integersAt, 0), i32x4.mul(c0, times)), s1 = i32x4.add(v128.load(integersAt, 16), i32x4.mul(c1, times));
    v128.store(integersAt, s0, 0); v128.store(integersAt, s1, 16);
    const s2 = i32x4.add(v128.load(integersAt, 32), i32x4.mul(c2, times)), s3 = i32x4.add(v128.load(integersAt, 48), i32x4.mul(c3, times));
    v128.store(integersAt, s2, 32); v128.store(integersAt, s3, 48);
  }

  @inline static rows(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const zero = i32x4.splat(0), mask = Lanes.nibbles(), upper = Lanes.uppers(), line = <usize>(h << 2);
    for (let left = blocks; left > 0; left -= 8) {
      const headAt = weightAt;
      weightAt += HEAD * step;
      let t00 = zero, t01 = zero, t10 = zero, t11 = zero, t20 = zero, t21 = zero;
      let t30 = zero, t31 = zero, t40 = zero, t41 = zero, t50 = zero, t51 = zero;
      for (let block = 0; block < 8; block++) {
        const pairsAt = headAt + (1 + <usize>(block >> 1)) * step + (<usize>(block & 1) << 4);
        const p0 = v128.load8x8_s(pairsAt, 0), p1 = v128.load8x8_s(pairsAt, 8);
        const minusAt = recordAt + <usize>(SUPER_HALVES + block) * line;
        let minus = v128.load32_splat(minusAt, 0);
        let c00 = Sixes.begin(p0, minus), c01 = Sixes.begin(p1, minus), c10 = zero, c11 = zero, c20 = zero, c21 = zero;
        let c30 = zero, c31 = zero, c40 = zero, c41 = zero, c50 = zero, c51 = zero;
        if (h > 1) { minus = v128.load32_splat(minusAt, 4); c10 = Sixes.begin(p0, minus); c11 = Sixes.begin(p1, minus); }
        if (h > 2) { minus = v128.load32_splat(minusAt, 8); c20 = Sixes.begin(p0, minus); c21 = Sixes.begin(p1, minus); }
        if (h > 3) { minus = v128.load32_splat(minusAt, 12); c30 = Sixes.begin(p0, minus); c31 = Sixes.begin(p1, minus); }
        if (h > 4) { minus = v128.load32_splat(minusAt, 16); c40 = Sixes.begin(p0, minus); c41 = Sixes.begin(p1, minus); }
        if (h > 5) { minus = v128.load32_splat(minusAt, 20); c50 = Sixes.begin(p0, minus); c51 = Sixes.begin(p1, minus); }
        const end = weightAt + BLOCK_UNITS * step;
        while (weightAt < end) {
          const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16), u0 = v128.load(weightAt + step, 0), u1 = v128.load(weightAt + step, 16);
          const upperAt = weightAt + CODES * step, b0 = v128.load(upperAt, 0), b1 = v128.load(upperAt, 16);
          let k0 = Sixes.firstScales(p0), k1 = Sixes.firstScales(p1);
          let w0_ = v128.or(v128.and(w0, mask), v128.and(i16x8.shl(b0, 4), upper)), w1_ = v128.or(v128.and(w1, mask), v128.and(i16x8.shl(b1, 4), upper));
          let u0_ = v128.or(v128.and(u0, mask), v128.and(b0, upper)), u1_ = v128.or(v128.and(u1, mask), v128.and(b1, upper));
          let xAt = panelAt, yAt = panelAt + line;
          let x = v128.load32_splat(xAt, 0), y = v128.load32_splat(yAt, 0);
          c00 = Sixes.two(c00, x, w0_, y, u0_, k0); c01 = Sixes.two(c01, x, w1_, y, u1_, k1);
          if (h > 1) {
            x = v128.load32_splat(xAt, 4); y = v128.load32_splat(yAt, 4);
            c10 = Sixes.two(c10, x, w0_, y, u0_, k0); c11 = Sixes.two(c11, x, w1_, y, u1_, k1);
          }
          if (h > 2) {
            x = v128.load32_splat(xAt, 8); y = v128.load32_splat(yAt, 8);
            c20 = Sixes.two(c20, x, w0_, y, u0_, k0); c21 = Sixes.two(c21, x, w1_, y, u1_, k1);
          }
          if (h > 3) {
            x = v128.load32_splat(xAt, 12); y = v128.load32_splat(yAt, 12);
            c30 = Sixes.two(c30, x, w0_, y, u0_, k0); c31 = Sixes.two(c31, x, w1_, y, u1_, k1);
          }
          if (h > 4) {
            x = v128.load32_splat(xAt, 16); y = v128.load32_splat(yAt, 16);
            c40 = Sixes.two(c40, x, w0_, y, u0_, k0); c41 = Sixes.two(c41, x, w1_, y, u1_, k1);
          }
          if (h > 5) {
            x = v128.load32_splat(xAt, 20); y = v128.load32_splat(yAt, 20);
            c50 = Sixes.two(c50, x, w0_, y, u0_, k0); c51 = Sixes.two(c51, x, w1_, y, u1_, k1);
          }
          k0 = Sixes.lastScales(p0); k1 = Sixes.lastScales(p1);
          w0_ = v128.or(v128.and(i16x8.shr_u(w0, 4), mask), v128.and(i16x8.shl(b0, 2), upper));
          w1_ = v128.or(v128.and(i16x8.shr_u(w1, 4), mask), v128.and(i16x8.shl(b1, 2), upper));
          u0_ = v128.or(v128.and(i16x8.shr_u(u0, 4), mask), v128.and(i16x8.shr_u(b0, 2), upper));
          u1_ = v128.or(v128.and(i16x8.shr_u(u1, 4), mask), v128.and(i16x8.shr_u(b1, 2), upper));
          xAt += 4 * line; yAt += 4 * line;
          x = v128.load32_splat(xAt, 0); y = v128.load32_splat(yAt, 0);
          c00 = Sixes.two(c00, x, w0_, y, u0_, k0); c01 = Sixes.two(c01, x, w1_, y, u1_, k1);
          if (h > 1) {
            x = v128.load32_splat(xAt, 4); y = v128.load32_splat(yAt, 4);
            c10 = Sixes.two(c10, x, w0_, y, u0_, k0); c11 = Sixes.two(c11, x, w1_, y, u1_, k1);
          }
          if (h > 2) {
            x = v128.load32_splat(xAt, 8); y = v128.load32_splat(yAt, 8);
            c20 = Sixes.two(c20, x, w0_, y, u0_, k0); c21 = Sixes.two(c21, x, w1_, y, u1_, k1);
          }
          if (h > 3) {
            x = v128.load32_splat(xAt, 12); y = v128.load32_splat(yAt, 12);
            c30 = Sixes.two(c30, x, w0_, y, u0_, k0); c31 = Sixes.two(c31, x, w1_, y, u1_, k1);
          }
          if (h > 4) {
            x = v128.load32_splat(xAt, 16); y = v128.load32_splat(yAt, 16);
            c40 = Sixes.two(c40, x, w0_, y, u0_, k0); c41 = Sixes.two(c41, x, w1_, y, u1_, k1);
          }
          if (h > 5) {
            x = v128.load32_splat(xAt, 20); y = v128.load32_splat(yAt, 20);
            c50 = Sixes.two(c50, x, w0_, y, u0_, k0); c51 = Sixes.two(c51, x, w1_, y, u1_, k1);
          }
          weightAt += (CODES + 1) * step;
          panelAt += 2 * line;
        }
        panelAt += 4 * line;
        const timesAt = recordAt + <usize>(SUPER_TIMES + block) * line;
        let times = Sixes.times(timesAt);
        t00 = i32x4.add(t00, i32x4.mul(c00, times)); t01 = i32x4.add(t01, i32x4.mul(c01, times));
        if (h > 1) { times = Sixes.times(timesAt + 4); t10 = i32x4.add(t10, i32x4.mul(c10, times)); t11 = i32x4.add(t11, i32x4.mul(c11, times)); }
        if (h > 2) { times = Sixes.times(timesAt + 8); t20 = i32x4.add(t20, i32x4.mul(c20, times)); t21 = i32x4.add(t21, i32x4.mul(c21, times)); }
        if (h > 3) { times = Sixes.times(timesAt + 12); t30 = i32x4.add(t30, i32x4.mul(c30, times)); t31 = i32x4.add(t31, i32x4.mul(c31, times)); }
        if (h > 4) { times = Sixes.times(timesAt + 16); t40 = i32x4.add(t40, i32x4.mul(c40, times)); t41 = i32x4.add(t41, i32x4.mul(c41, times)); }
        if (h > 5) { times = Sixes.times(timesAt + 20); t50 = i32x4.add(t50, i32x4.mul(c50, times)); t51 = i32x4.add(t51, i32x4.mul(c51, times)); }
      }
      const d0 = v128.load(headAt, 0), d1 = v128.load(headAt, 16);
      let row = v128.load32_splat(recordAt, 0);
      s00 = Lanes.addScaled(s00, t00, row, d0); s01 = Lanes.addScaled(s01, t01, row, d1);
      if (h > 1) { row = v128.load32_splat(recordAt, 4); s10 = Lanes.addScaled(s10, t10, row, d0); s11 = Lanes.addScaled(s11, t11, row, d1); }
      if (h > 2) { row = v128.load32_splat(recordAt, 8); s20 = Lanes.addScaled(s20, t20, row, d0); s21 = Lanes.addScaled(s21, t21, row, d1); }
      if (h > 3) { row = v128.load32_splat(recordAt, 12); s30 = Lanes.addScaled(s30, t30, row, d0); s31 = Lanes.addScaled(s31, t31, row, d1); }
      if (h > 4) { row = v128.load32_splat(recordAt, 16); s40 = Lanes.addScaled(s40, t40, row, d0); s41 = Lanes.addScaled(s41, t41, row, d1); }
      if (h > 5) { row = v128.load32_splat(recordAt, 20); s50 = Lanes.addScaled(s50, t50, row, d0); s51 = Lanes.addScaled(s51, t51, row, d1); }
      recordAt += <usize>SUPER_WORDS * line;
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
  @inline static rowsAdd(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const zero = i32x4.splat(0), mask = Lanes.nibbles(), upper = Lanes.uppers(), line = <usize>(h << 2);
    for (let left = blocks; left > 0; left -= 8) {
      const headAt = weightAt;
      weightAt += HEAD * step;
      let a00 = zero, a01 = zero, a10 = zero, a11 = zero, a20 = zero, a21 = zero;
      let a30 = zero, a31 = zero, a40 = zero, a41 = zero, a50 = zero, a51 = zero;
      for (let block = 0; block < 8; block++) {
        const pairsAt = headAt + (1 + <usize>(block >> 1)) * step + (<usize>(block & 1) << 4), codesAt = weightAt, end = weightAt + BLOCK_UNITS * step;
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
          c00 = Sixes.pair(x, w0_, y, u0_, c00); c01 = Sixes.pair(x, w1_, y, u1_, c01);
          if (h > 1) { x = v128.load32_splat(panelAt, 4); y = v128.load32_splat(yAt, 4); c10 = Sixes.pair(x, w0_, y, u0_, c10); c11 = Sixes.pair(x, w1_, y, u1_, c11); }
          if (h > 2) { x = v128.load32_splat(panelAt, 8); y = v128.load32_splat(yAt, 8); c20 = Sixes.pair(x, w0_, y, u0_, c20); c21 = Sixes.pair(x, w1_, y, u1_, c21); }
          if (h > 3) { x = v128.load32_splat(panelAt, 12); y = v128.load32_splat(yAt, 12); c30 = Sixes.pair(x, w0_, y, u0_, c30); c31 = Sixes.pair(x, w1_, y, u1_, c31); }
          if (h > 4) { x = v128.load32_splat(panelAt, 16); y = v128.load32_splat(yAt, 16); c40 = Sixes.pair(x, w0_, y, u0_, c40); c41 = Sixes.pair(x, w1_, y, u1_, c41); }
          if (h > 5) { x = v128.load32_splat(panelAt, 20); y = v128.load32_splat(yAt, 20); c50 = Sixes.pair(x, w0_, y, u0_, c50); c51 = Sixes.pair(x, w1_, y, u1_, c51); }
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
          c00 = Sixes.pair(x, w0_, y, u0_, c00); c01 = Sixes.pair(x, w1_, y, u1_, c01);
          if (h > 1) { x = v128.load32_splat(panelAt, 4); y = v128.load32_splat(yAt, 4); c10 = Sixes.pair(x, w0_, y, u0_, c10); c11 = Sixes.pair(x, w1_, y, u1_, c11); }
          if (h > 2) { x = v128.load32_splat(panelAt, 8); y = v128.load32_splat(yAt, 8); c20 = Sixes.pair(x, w0_, y, u0_, c20); c21 = Sixes.pair(x, w1_, y, u1_, c21); }
          if (h > 3) { x = v128.load32_splat(panelAt, 12); y = v128.load32_splat(yAt, 12); c30 = Sixes.pair(x, w0_, y, u0_, c30); c31 = Sixes.pair(x, w1_, y, u1_, c31); }
          if (h > 4) { x = v128.load32_splat(panelAt, 16); y = v128.load32_splat(yAt, 16); c40 = Sixes.pair(x, w0_, y, u0_, c40); c41 = Sixes.pair(x, w1_, y, u1_, c41); }
          if (h > 5) { x = v128.load32_splat(panelAt, 20); y = v128.load32_splat(yAt, 20); c50 = Sixes.pair(x, w0_, y, u0_, c50); c51 = Sixes.pair(x, w1_, y, u1_, c51); }
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
        const minusAt = recordAt + <usize>(SUPER_HALVES + block) * line, timesAt = recordAt + <usize>(SUPER_TIMES + block) * line;
        let times = Sixes.times(timesAt);
        let minus = v128.load32_splat(minusAt, 0);
        a00 = i32x4.add(a00, i32x4.mul(i32x4.add(t00, Sixes.begin(p0, minus)), times)); a01 = i32x4.add(a01, i32x4.mul(i32x4.add(t01, Sixes.begin(p1, minus)), times));
        if (h > 1) {
          times = Sixes.times(timesAt + 4); minus = v128.load32_splat(minusAt, 4);
          a10 = i32x4.add(a10, i32x4.mul(i32x4.add(t10, Sixes.begin(p0, minus)), times)); a11 = i32x4.add(a11, i32x4.mul(i32x4.add(t11, Sixes.begin(p1, minus)), times));
        }
        if (h > 2) {
          times = Sixes.times(timesAt + 8); minus = v128.load32_splat(minusAt, 8);
          a20 = i32x4.add(a20, i32x4.mul(i32x4.add(t20, Sixes.begin(p0, minus)), times)); a21 = i32x4.add(a21, i32x4.mul(i32x4.add(t21, Sixes.begin(p1, minus)), times));
        }
        if (h > 3) {
          times = Sixes.times(timesAt + 12); minus = v128.load32_splat(minusAt, 12);
          a30 = i32x4.add(a30, i32x4.mul(i32x4.add(t30, Sixes.begin(p0, minus)), times)); a31 = i32x4.add(a31, i32x4.mul(i32x4.add(t31, Sixes.begin(p1, minus)), times));
        }
        if (h > 4) {
          times = Sixes.times(timesAt + 16); minus = v128.load32_splat(minusAt, 16);
          a40 = i32x4.add(a40, i32x4.mul(i32x4.add(t40, Sixes.begin(p0, minus)), times)); a41 = i32x4.add(a41, i32x4.mul(i32x4.add(t41, Sixes.begin(p1, minus)), times));
        }
        if (h > 5) {
          times = Sixes.times(timesAt + 20); minus = v128.load32_splat(minusAt, 20);
          a50 = i32x4.add(a50, i32x4.mul(i32x4.add(t50, Sixes.begin(p0, minus)), times)); a51 = i32x4.add(a51, i32x4.mul(i32x4.add(t51, Sixes.begin(p1, minus)), times));
        }
      }
      const d0 = v128.load(headAt, 0), d1 = v128.load(headAt, 16);
      let row = v128.load32_splat(recordAt, 0);
      s00 = Lanes.addScaled(s00, a00, row, d0); s01 = Lanes.addScaled(s01, a01, row, d1);
      if (h > 1) { row = v128.load32_splat(recordAt, 4); s10 = Lanes.addScaled(s10, a10, row, d0); s11 = Lanes.addScaled(s11, a11, row, d1); }
      if (h > 2) { row = v128.load32_splat(recordAt, 8); s20 = Lanes.addScaled(s20, a20, row, d0); s21 = Lanes.addScaled(s21, a21, row, d1); }
      if (h > 3) { row = v128.load32_splat(recordAt, 12); s30 = Lanes.addScaled(s30, a30, row, d0); s31 = Lanes.addScaled(s31, a31, row, d1); }
      if (h > 4) { row = v128.load32_splat(recordAt, 16); s40 = Lanes.addScaled(s40, a40, row, d0); s41 = Lanes.addScaled(s41, a41, row, d1); }
      if (h > 5) { row = v128.load32_splat(recordAt, 20); s50 = Lanes.addScaled(s50, a50, row, d0); s51 = Lanes.addScaled(s51, a51, row, d1); }
      recordAt += <usize>SUPER_WORDS * line;
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  /** One row of a super-block, a visit: sums [32] go on. */
  @inline static four(sumAt: usize, headAt: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
    const mask = Lanes.nibbles();
    let at = headAt, seen: u32 = 0;
    for (const codesAt = at + HEAD * STEP; at < codesAt; at += 64) seen |= load<u32>(at); // line after line (supers.ts)
    at = headAt + HEAD * STEP;
    const zero = i32x4.splat(0), none = i32x4.splat(seen & blocks >> 31);
    v128.store(integersAt, none, 0); v128.store(integersAt, none, 16); v128.store(integersAt, zero, 32); v128.store(integersAt, zero, 48);
    v128.store(integersAt, zero, 64); v128.store(integersAt, zero, 80); v128.store(integersAt, zero, 96); v128.store(integersAt, zero, 112);
    for (let block: usize = 0; block < 8; block++) {
      const pairsAt = headAt + (1 + (block >> 1)) * STEP + ((block & 1) << 4);
      const minus = v128.load32_splat(recordAt + (<usize>SUPER_HALVES + block << 2));
      let c0 = Sixes.begin(v128.load8x8_s(pairsAt, 0), minus), c1 = Sixes.begin(v128.load8x8_s(pairsAt, 8), minus), c2 = Sixes.begin(v128.load8x8_s(pairsAt, 32), minus), c3 = Sixes.begin(v128.load8x8_s(pairsAt, 40), minus);
      let c4 = Sixes.begin(v128.load8x8_s(pairsAt, 64), minus), c5 = Sixes.begin(v128.load8x8_s(pairsAt, 72), minus), c6 = Sixes.begin(v128.load8x8_s(pairsAt, 96), minus), c7 = Sixes.begin(v128.load8x8_s(pairsAt, 104), minus);
      const end = at + BLOCK_UNITS * STEP;
      while (at < end) {
        const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 4), z = v128.load32_splat(panelAt, 16), q = v128.load32_splat(panelAt, 20);
        c0 = Sixes.both(c0, x, y, z, q, v128.load(at, 0), v128.load(at, STEP), v128.load(at, CODES * STEP), v128.load8x8_s(pairsAt, 0), mask);
        c1 = Sixes.both(c1, x, y, z, q, v128.load(at, 16), v128.load(at, STEP + 16), v128.load(at, CODES * STEP + 16), v128.load8x8_s(pairsAt, 8), mask);
        c2 = Sixes.both(c2, x, y, z, q, v128.load(at, 32), v128.load(at, STEP + 32), v128.load(at, CODES * STEP + 32), v128.load8x8_s(pairsAt, 32), mask);
        c3 = Sixes.both(c3, x, y, z, q, v128.load(at, 48), v128.load(at, STEP + 48), v128.load(at, CODES * STEP + 48), v128.load8x8_s(pairsAt, 40), mask);
        c4 = Sixes.both(c4, x, y, z, q, v128.load(at, 64), v128.load(at, STEP + 64), v128.load(at, CODES * STEP + 64), v128.load8x8_s(pairsAt, 64), mask);
        c5 = Sixes.both(c5, x, y, z, q, v128.load(at, 80), v128.load(at, STEP + 80), v128.load(at, CODES * STEP + 80), v128.load8x8_s(pairsAt, 72), mask);
        c6 = Sixes.both(c6, x, y, z, q, v128.load(at, 96), v128.load(at, STEP + 96), v128.load(at, CODES * STEP + 96), v128.load8x8_s(pairsAt, 96), mask);
        c7 = Sixes.both(c7, x, y, z, q, v128.load(at, 112), v128.load(at, STEP + 112), v128.load(at, CODES * STEP + 112), v128.load8x8_s(pairsAt, 104), mask);
        at += (CODES + 1) * STEP;
        panelAt += 8;
      }
      panelAt += 16;
      const times = Sixes.times(recordAt + (<usize>SUPER_TIMES + block << 2));
      Sixes.joinTwo(integersAt, times, c0, c1, c2, c3);
      Sixes.joinTwo(integersAt + 64, times, c4, c5, c6, c7);
    }
    const row = v128.load32_splat(recordAt);
    const s0 = Lanes.addScaled(v128.load(sumAt, 0), v128.load(integersAt, 0), row, v128.load(headAt, 0)), s1 = Lanes.addScaled(v128.load(sumAt, 16), v128.load(integersAt, 16), row, v128.load(headAt, 16));
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
    const s2 = Lanes.addScaled(v128.load(sumAt, 32), v128.load(integersAt, 32), row, v128.load(headAt + 32, 0)), s3 = Lanes.addScaled(v128.load(sumAt, 48), v128.load(integersAt, 48), row, v128.load(headAt + 32, 16));
    v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    const s4 = Lanes.addScaled(v128.load(sumAt, 64), v128.load(integersAt, 64), row, v128.load(headAt + 64, 0)), s5 = Lanes.addScaled(v128.load(sumAt, 80), v128.load(integersAt, 80), row, v128.load(headAt + 64, 16));
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80);
    const s6 = Lanes.addScaled(v128.load(sumAt, 96), v128.load(integersAt, 96), row, v128.load(headAt + 96, 0)), s7 = Lanes.addScaled(v128.load(sumAt, 112), v128.load(integersAt, 112), row, v128.load(headAt + 96, 16));
    v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
  }

  /** The same of one or two visits whose groups lie apart, `lane` bytes from one to the next: a block of each in turn (q4_0.ts). */
  @inline static apart(sumAt: usize, headAt: usize, lane: usize, visits: i32, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
    for (let left = blocks; left > 0; left -= 8) {
      memory.fill(integersAt, 0, <usize>visits * VISIT_SUMS);
      for (let block: usize = 0; block < 8; block++, panelAt += 32) {
        Sixes.pairOfGroups(integersAt, headAt, lane, block, panelAt, recordAt);
        Sixes.pairOfGroups(integersAt + 64, headAt + 2 * lane, lane, block, panelAt, recordAt);
        if (visits > 1) {
          Sixes.pairOfGroups(integersAt + 128, headAt + 4 * lane, lane, block, panelAt, recordAt);
          Sixes.pairOfGroups(integersAt + 192, headAt + 6 * lane, lane, block, panelAt, recordAt);
        }
      }
      const row = v128.load32_splat(recordAt);
      for (let at = headAt, to: usize = 0, end = <usize>visits * VISIT_SUMS; to < end; to += VISIT_SUMS / 2, at += 2 * lane) {
        const from = integersAt + to;
        Lanes.addTwo(sumAt + to, at, at + lane, row, v128.load(from, 0), v128.load(from, 16), v128.load(from, 32), v128.load(from, 48));
      }
      headAt += (HEAD + 8 * BLOCK_UNITS) * VISIT_UNIT;
      recordAt += <usize>SUPER_WORDS << 2;
    }
  }

  /** Block `block` of two groups: integers [16] go on. */
  @inline static pairOfGroups(integersAt: usize, headAt: usize, lane: usize, block: usize, panelAt: usize, recordAt: usize): void {
    const mask = Lanes.nibbles(), pairsAt = headAt + (1 + (block >> 1)) * VISIT_UNIT + ((block & 1) << 4);
    const minus = v128.load32_splat(recordAt + (<usize>SUPER_HALVES + block << 2));
    let c0 = Sixes.begin(v128.load8x8_s(pairsAt, 0), minus), c1 = Sixes.begin(v128.load8x8_s(pairsAt, 8), minus);
    let c2 = Sixes.begin(v128.load8x8_s(pairsAt + lane, 0), minus), c3 = Sixes.begin(v128.load8x8_s(pairsAt + lane, 8), minus);
    let at = headAt + (HEAD + block * BLOCK_UNITS) * VISIT_UNIT, at1 = at + lane;
    const end = at + BLOCK_UNITS * VISIT_UNIT;
    while (at < end) {
      const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 4), z = v128.load32_splat(panelAt, 16), q = v128.load32_splat(panelAt, 20);
      c0 = Sixes.both(c0, x, y, z, q, v128.load(at, 0), v128.load(at, VISIT_UNIT), v128.load(at, CODES * VISIT_UNIT), v128.load8x8_s(pairsAt, 0), mask);
      c1 = Sixes.both(c1, x, y, z, q, v128.load(at, 16), v128.load(at, VISIT_UNIT + 16), v128.load(at, CODES * VISIT_UNIT + 16), v128.load8x8_s(pairsAt, 8), mask);
      c2 = Sixes.both(c2, x, y, z, q, v128.load(at1, 0), v128.load(at1, VISIT_UNIT), v128.load(at1, CODES * VISIT_UNIT), v128.load8x8_s(pairsAt + lane, 0), mask);
      c3 = Sixes.both(c3, x, y, z, q, v128.load(at1, 16), v128.load(at1, VISIT_UNIT + 16), v128.load(at1, CODES * VISIT_UNIT + 16), v128.load8x8_s(pairsAt + lane, 8), mask);
      at += (CODES + 1) * VISIT_UNIT; at1 += (CODES + 1) * VISIT_UNIT;
      panelAt += 8;
    }
    Sixes.joinTwo(integersAt, Sixes.times(recordAt + (<usize>SUPER_TIMES + block << 2)), c0, c1, c2, c3);
  }

  /** Two pairs of quads, 16 inputs apart, of four outputs. */
  @inline static both(sum: v128, x: v128, y: v128, z: v128, q: v128, w: v128, u: v128, bits: v128, pairs: v128, mask: v128): v128 {
    const upper = Lanes.uppers();
    const first = Sixes.two(sum, x, v128.or(v128.and(w, mask), v128.and(i16x8.shl(bits, 4), upper)), y, v128.or(v128.and(u, mask), v128.and(bits, upper)), Sixes.firstScales(pairs));
    return Sixes.two(
      first, z, v128.or(v128.and(i16x8.shr_u(w, 4), mask), v128.and(i16x8.shl(bits, 2), upper)),
      q, v128.or(v128.and(i16x8.shr_u(u, 4), mask), v128.and(i16x8.shr_u(bits, 2), upper)), Sixes.lastScales(pairs),
    );
  }
}
