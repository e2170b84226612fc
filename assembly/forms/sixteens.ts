/**
 * Weights of signed bytes that meet activations of 16 bits as two bytes each (FORM_Q16_BYTES), where the processor has a dot of bytes
 * (bytes.ts, whose packed forms these are): a block's high bytes first, its sums times 256, then the low bytes on top.
 *
 * High bytes have a sign, low ones have none. Where the dot takes an unsigned byte beside a signed one, weights are that byte beside the high
 * ones, in excess 128, and the signed one beside the low ones; what is too much is where the sum of a block begins. Where it takes two
 * signed bytes, low ones go in less 128, and 128 x the sum of the weights is added. Both give the integers of pairs of i16 (q8_0.ts).
 *
 * Weights are read twice, not kept beside two sums a row: twelve sums of 256 bits find registers, the weights beside them do not (a tile of 6
 * rows, wide: both bytes at once 0.8 times as fast as one after the other). Exact: 32 x 128 x 255 x 256 and as many low bytes stay below 2^29.
 */

import { VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { VISIT_UNIT } from "../visits";
import { Bytes } from "./bytes";

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;
/** Of 32 bytes before the scales of a block. */
export const UNITS: usize = 8;

export class Sixteens {
  /** Where the sum of a block begins. */
  @inline static begin(signed: bool, startAt: usize): v128 {
    return signed ? i32x4.splat(0) : v128.load32_splat(startAt);
  }

  /** sum + four weights beside as many high bytes. */
  @inline static high(signed: bool, x: v128, w: v128, sum: v128): v128 {
    return Lanes.dotAddBytes(signed, x, w, sum);
  }

  /** Four low bytes. */
  @inline static lows(signed: bool, at: usize): v128 {
    const x = v128.load32_splat(at);
    return signed ? v128.xor(x, Lanes.signs()) : x;
  }

  /** sum + four weights, signed, beside as many low bytes. */
  @inline static low(signed: bool, x: v128, w: v128, sum: v128): v128 {
    return signed ? Lanes.dotAddBytes(true, x, w, sum) : Lanes.dotAddBytes(false, w, x, sum);
  }

  /** The sum of four weights, where it is wanted. */
  @inline static count(signed: bool, w: v128, sum: v128): v128 {
    return signed ? Lanes.dotAddBytes(true, Lanes.byteOnes(), w, sum) : sum;
  }

  /** Sums of high bytes and of weights -> where those of low bytes begin. */
  @inline static onto(signed: bool, high: v128, weights: v128): v128 {
    const sum = i32x4.shl(high, 8);
    return signed ? i32x4.add(sum, i32x4.shl(weights, 7)) : sum;
  }

  /** h <= 6 rows and one group. */
  @inline static rows(signed: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const line = <usize>(h << 2);
    for (let block = 0; block < blocks; block++) {
      let c00 = Sixteens.begin(signed, startAt), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00, t0 = i32x4.splat(0), t1 = t0;
      if (h > 1) { c10 = Sixteens.begin(signed, startAt + 4); c11 = c10; }
      if (h > 2) { c20 = Sixteens.begin(signed, startAt + 8); c21 = c20; }
      if (h > 3) { c30 = Sixteens.begin(signed, startAt + 12); c31 = c30; }
      if (h > 4) { c40 = Sixteens.begin(signed, startAt + 16); c41 = c40; }
      if (h > 5) { c50 = Sixteens.begin(signed, startAt + 20); c51 = c50; }
      const end = weightAt + UNITS * step;
      while (weightAt < end) {
        const w0 = Bytes.weight(signed, v128.load(weightAt, 0)), w1 = Bytes.weight(signed, v128.load(weightAt, 16));
        let x: v128;
        t0 = Sixteens.count(signed, w0, t0); t1 = Sixteens.count(signed, w1, t1);
        x = v128.load32_splat(panelAt, 0); c00 = Sixteens.high(signed, x, w0, c00); c01 = Sixteens.high(signed, x, w1, c01);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Sixteens.high(signed, x, w0, c10); c11 = Sixteens.high(signed, x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Sixteens.high(signed, x, w0, c20); c21 = Sixteens.high(signed, x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Sixteens.high(signed, x, w0, c30); c31 = Sixteens.high(signed, x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Sixteens.high(signed, x, w0, c40); c41 = Sixteens.high(signed, x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Sixteens.high(signed, x, w0, c50); c51 = Sixteens.high(signed, x, w1, c51); }
        weightAt += step;
        panelAt += line;
      }
      c00 = Sixteens.onto(signed, c00, t0); c01 = Sixteens.onto(signed, c01, t1);
      if (h > 1) { c10 = Sixteens.onto(signed, c10, t0); c11 = Sixteens.onto(signed, c11, t1); }
      if (h > 2) { c20 = Sixteens.onto(signed, c20, t0); c21 = Sixteens.onto(signed, c21, t1); }
      if (h > 3) { c30 = Sixteens.onto(signed, c30, t0); c31 = Sixteens.onto(signed, c31, t1); }
      if (h > 4) { c40 = Sixteens.onto(signed, c40, t0); c41 = Sixteens.onto(signed, c41, t1); }
      if (h > 5) { c50 = Sixteens.onto(signed, c50, t0); c51 = Sixteens.onto(signed, c51, t1); }
      weightAt -= UNITS * step;
      while (weightAt < end) {
        const w0 = Bytes.weight(true, v128.load(weightAt, 0)), w1 = Bytes.weight(true, v128.load(weightAt, 16));
        let x: v128;
        x = Sixteens.lows(signed, panelAt); c00 = Sixteens.low(signed, x, w0, c00); c01 = Sixteens.low(signed, x, w1, c01);
        if (h > 1) { x = Sixteens.lows(signed, panelAt + 4); c10 = Sixteens.low(signed, x, w0, c10); c11 = Sixteens.low(signed, x, w1, c11); }
        if (h > 2) { x = Sixteens.lows(signed, panelAt + 8); c20 = Sixteens.low(signed, x, w0, c20); c21 = Sixteens.low(signed, x, w1, c21); }
        if (h > 3) { x = Sixteens.lows(signed, panelAt + 12); c30 = Sixteens.low(signed, x, w0, c30); c31 = Sixteens.low(signed, x, w1, c31); }
        if (h > 4) { x = Sixteens.lows(signed, panelAt + 16); c40 = Sixteens.low(signed, x, w0, c40); c41 = Sixteens.low(signed, x, w1, c41); }
        if (h > 5) { x = Sixteens.lows(signed, panelAt + 20); c50 = Sixteens.low(signed, x, w0, c50); c51 = Sixteens.low(signed, x, w1, c51); }
        weightAt += step;
        panelAt += line;
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += step;
      let row: v128;
      row = v128.load32_splat(scaleAt, 0); s00 = Lanes.addScaled(s00, c00, row, scales0); s01 = Lanes.addScaled(s01, c01, row, scales1);
      if (h > 1) { row = v128.load32_splat(scaleAt, 4); s10 = Lanes.addScaled(s10, c10, row, scales0); s11 = Lanes.addScaled(s11, c11, row, scales1); }
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Lanes.addScaled(s20, c20, row, scales0); s21 = Lanes.addScaled(s21, c21, row, scales1); }
      if (h > 3) { row = v128.load32_splat(scaleAt, 12); s30 = Lanes.addScaled(s30, c30, row, scales0); s31 = Lanes.addScaled(s31, c31, row, scales1); }
      if (h > 4) { row = v128.load32_splat(scaleAt, 16); s40 = Lanes.addScaled(s40, c40, row, scales0); s41 = Lanes.addScaled(s41, c41, row, scales1); }
      if (h > 5) { row = v128.load32_splat(scaleAt, 20); s50 = Lanes.addScaled(s50, c50, row, scales0); s51 = Lanes.addScaled(s51, c51, row, scales1); }
      scaleAt += line;
      startAt += line;
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  @inline static tile(signed: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
    switch (h) {
      case 1: Sixteens.rows(signed, 1, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks); break;
      case 2: Sixteens.rows(signed, 2, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks); break;
      case 3: Sixteens.rows(signed, 3, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks); break;
      case 4: Sixteens.rows(signed, 4, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks); break;
      case 5: Sixteens.rows(signed, 5, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks); break;
      default: Sixteens.rows(signed, 6, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks);
    }
  }

  /** One row, a visit, at most eight blocks: sums [32] go on, and lie in memory (q8_0.ts). */
  @inline static four(signed: bool, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
    for (let block = 0; block < blocks; block++) {
      let c0 = Sixteens.begin(signed, startAt), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
      let t0 = i32x4.splat(0), t1 = t0, t2 = t0, t3 = t0, t4 = t0, t5 = t0, t6 = t0, t7 = t0;
      const end = at + UNITS * STEP;
      while (at < end) {
        const x = v128.load32_splat(panelAt, 0);
        const v0 = v128.load(at, 0), v1 = v128.load(at, 16);
        c0 = Sixteens.high(signed, x, Bytes.weight(signed, v0), c0); c1 = Sixteens.high(signed, x, Bytes.weight(signed, v1), c1);
        t0 = Sixteens.count(signed, Bytes.weight(true, v0), t0); t1 = Sixteens.count(signed, Bytes.weight(true, v1), t1);
        const v2 = v128.load(at, 32), v3 = v128.load(at, 48);
        c2 = Sixteens.high(signed, x, Bytes.weight(signed, v2), c2); c3 = Sixteens.high(signed, x, Bytes.weight(signed, v3), c3);
        t2 = Sixteens.count(signed, Bytes.weight(true, v2), t2); t3 = Sixteens.count(signed, Bytes.weight(true, v3), t3);
        const v4 = v128.load(at, 64), v5 = v128.load(at, 80);
        c4 = Sixteens.high(signed, x, Bytes.weight(signed, v4), c4); c5 = Sixteens.high(signed, x, Bytes.weight(signed, v5), c5);
        t4 = Sixteens.count(signed, Bytes.weight(true, v4), t4); t5 = Sixteens.count(signed, Bytes.weight(true, v5), t5);
        const v6 = v128.load(at, 96), v7 = v128.load(at, 112);
        c6 = Sixteens.high(signed, x, Bytes.weight(signed, v6), c6); c7 = Sixteens.high(signed, x, Bytes.weight(signed, v7), c7);
        t6 = Sixteens.count(signed, Bytes.weight(true, v6), t6); t7 = Sixteens.count(signed, Bytes.weight(true, v7), t7);
        at += STEP;
        panelAt += 4;
      }
      c0 = Sixteens.onto(signed, c0, t0); c1 = Sixteens.onto(signed, c1, t1); c2 = Sixteens.onto(signed, c2, t2); c3 = Sixteens.onto(signed, c3, t3);
      c4 = Sixteens.onto(signed, c4, t4); c5 = Sixteens.onto(signed, c5, t5); c6 = Sixteens.onto(signed, c6, t6); c7 = Sixteens.onto(signed, c7, t7);
      at -= UNITS * STEP;
      while (at < end) {
        const x = Sixteens.lows(signed, panelAt);
        const v0 = v128.load(at, 0), v1 = v128.load(at, 16);
        c0 = Sixteens.low(signed, x, Bytes.weight(true, v0), c0); c1 = Sixteens.low(signed, x, Bytes.weight(true, v1), c1);
        const v2 = v128.load(at, 32), v3 = v128.load(at, 48);
        c2 = Sixteens.low(signed, x, Bytes.weight(true, v2), c2); c3 = Sixteens.low(signed, x, Bytes.weight(true, v3), c3);
        const v4 = v128.load(at, 64), v5 = v128.load(at, 80);
        c4 = Sixteens.low(signed, x, Bytes.weight(true, v4), c4); c5 = Sixteens.low(signed, x, Bytes.weight(true, v5), c5);
        const v6 = v128.load(at, 96), v7 = v128.load(at, 112);
        c6 = Sixteens.low(signed, x, Bytes.weight(true, v6), c6); c7 = Sixteens.low(signed, x, Bytes.weight(true, v7), c7);
        at += STEP;
        panelAt += 4;
      }
      Lanes.addVisit(sumAt, at, v128.load32_splat(scaleAt), c0, c1, c2, c3, c4, c5, c6, c7);
      at += STEP;
      scaleAt += 4;
      startAt += 4;
    }
  }

  /** The same of one or two visits whose groups lie apart (q4_0.ts). */
  @inline static apart(signed: bool, sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
    for (let block = 0; block < blocks; block++) {
      Sixteens.two(signed, sumAt, at, lane, panelAt, scaleAt, startAt);
      Sixteens.two(signed, sumAt + 64, at + 2 * lane, lane, panelAt, scaleAt, startAt);
      if (visits > 1) {
        Sixteens.two(signed, sumAt + 128, at + 4 * lane, lane, panelAt, scaleAt, startAt);
        Sixteens.two(signed, sumAt + 192, at + 6 * lane, lane, panelAt, scaleAt, startAt);
      }
      at += (UNITS + 1) * VISIT_UNIT;
      panelAt += 64;
      scaleAt += 4;
      startAt += 4;
    }
  }

  /** A block of two groups, both bytes at once: sums [16] go on. */
  @inline static two(signed: bool, sumAt: usize, at: usize, lane: usize, panelAt: usize, scaleAt: usize, startAt: usize): void {
    let at1 = at + lane;
    let c0 = Sixteens.begin(signed, startAt), c1 = c0, c2 = c0, c3 = c0;
    let l0 = i32x4.splat(0), l1 = l0, l2 = l0, l3 = l0, t0 = l0, t1 = l0, t2 = l0, t3 = l0;
    const end = at + UNITS * VISIT_UNIT;
    while (at < end) {
      const x = v128.load32_splat(panelAt), y = Sixteens.lows(signed, panelAt + 32);
      const v0 = v128.load(at, 0), v1 = v128.load(at, 16), v2 = v128.load(at1, 0), v3 = v128.load(at1, 16);
      c0 = Sixteens.high(signed, x, Bytes.weight(signed, v0), c0); c1 = Sixteens.high(signed, x, Bytes.weight(signed, v1), c1);
      c2 = Sixteens.high(signed, x, Bytes.weight(signed, v2), c2); c3 = Sixteens.high(signed, x, Bytes.weight(signed, v3), c3);
      l0 = Sixteens.low(signed, y, Bytes.weight(true, v0), l0); l1 = Sixteens.low(signed, y, Bytes.weight(true, v1), l1);
      l2 = Sixteens.low(signed, y, Bytes.weight(true, v2), l2); l3 = Sixteens.low(signed, y, Bytes.weight(true, v3), l3);
      t0 = Sixteens.count(signed, Bytes.weight(true, v0), t0); t1 = Sixteens.count(signed, Bytes.weight(true, v1), t1);
      t2 = Sixteens.count(signed, Bytes.weight(true, v2), t2); t3 = Sixteens.count(signed, Bytes.weight(true, v3), t3);
      at += VISIT_UNIT; at1 += VISIT_UNIT;
      panelAt += 4;
    }
    c0 = i32x4.add(Sixteens.onto(signed, c0, t0), l0); c1 = i32x4.add(Sixteens.onto(signed, c1, t1), l1);
    c2 = i32x4.add(Sixteens.onto(signed, c2, t2), l2); c3 = i32x4.add(Sixteens.onto(signed, c3, t3), l3);
    Lanes.addTwo(sumAt, at, at1, v128.load32_splat(scaleAt), c0, c1, c2, c3);
  }
}
