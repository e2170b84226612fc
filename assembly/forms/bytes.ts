/**
 * Weights of signed bytes that meet quads of i8 (FORM_Q8_QUADS) in one dot of bytes: q8_0 and iq4_nl where the processor has such a dot.
 *
 * What `i32x4.relaxed_dot_i8x16_i7x16_add_s` makes of its second operand beyond 0..127 is the processor's affair. AVX-VNNI takes it for an
 * unsigned byte (vpdpbusd): so weights are held in excess 128, and what is too much, 128 x the sum of the activations, is where the sum of a
 * block begins. Neon and AVX-VNNI-INT8 take it for a signed one: there 128 is taken off every weight. Both give the exact integers that
 * pairs of i16 give everywhere else, where two products saturate; src/runtime/dot.ts asks which it is.
 *
 * Exact: |sum| <= 32 x 127 x 255 < 2^21; its conversion to f32 and its scaling round as in q8_0.ts.
 */

import { TYPE_IQ4_NL, TYPE_Q8_0, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { VISIT_UNIT } from "../visits";

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

/** The table of ggml's non-linear 4-bit types in excess 128; in memory as that of iq4_nl.ts. */
const TABLE = memory.data<i8>([1, 24, 45, 63, 79, 93, 106, 118, -127, -115, -103, -90, -75, -59, -39, -15, 0, 0, 0, 0, 0, 0, 0, 0], 64);

export class Bytes {
  /** A weight in excess 128 as the dot wants it. */
  @inline static weight(signed: bool, excess: v128): v128 {
    return signed ? v128.xor(excess, Lanes.signs()) : excess;
  }

  /** Whether codes of four bits become bytes by the table: those of quad + 4 stand in the high nibbles. */
  @inline static nibbles(type: u32): bool {
    return type === TYPE_IQ4_NL;
  }

  /** Of 32 bytes before the scales of a block. */
  @inline static units(type: u32): usize {
    return Bytes.nibbles(type) ? 4 : 8;
  }

  /** Weights of a quad. */
  @inline static first(type: u32, signed: bool, w: v128): v128 {
    return Bytes.weight(signed, Bytes.nibbles(type) ? Lanes.lookup(v128.load(TABLE), v128.and(w, Lanes.nibbles())) : w);
  }

  /** Those in the high nibbles. */
  @inline static second(signed: bool, w: v128): v128 {
    return Bytes.weight(signed, Lanes.lookup(v128.load(TABLE), v128.and(i16x8.shr_u(w, 4), Lanes.nibbles())));
  }

  /** Where the sum of a block begins: its activations' sums of halves lie at `sumsAt`. */
  @inline static begin(signed: bool, sumsAt: usize): v128 {
    return signed ? i32x4.splat(0) : i32x4.dot_i16x8_s(v128.load32_splat(sumsAt), Lanes.leastBytes());
  }

  @inline static rows(type: u32, signed: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const line = <usize>(h << 2), high = line << 2;
    for (let block = 0; block < blocks; block++) {
      let c00 = Bytes.begin(signed, sumsAt), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
      if (h > 1) { c10 = Bytes.begin(signed, sumsAt + 4); c11 = c10; }
      if (h > 2) { c20 = Bytes.begin(signed, sumsAt + 8); c21 = c20; }
      if (h > 3) { c30 = Bytes.begin(signed, sumsAt + 12); c31 = c30; }
      if (h > 4) { c40 = Bytes.begin(signed, sumsAt + 16); c41 = c40; }
      if (h > 5) { c50 = Bytes.begin(signed, sumsAt + 20); c51 = c50; }
      const end = weightAt + Bytes.units(type) * step;
      while (weightAt < end) {
        const v0 = v128.load(weightAt, 0), v1 = v128.load(weightAt, 16);
        let w0 = Bytes.first(type, signed, v0), w1 = Bytes.first(type, signed, v1), x: v128;
        x = v128.load32_splat(panelAt, 0);
        c00 = Lanes.dotAddBytes(signed, x, w0, c00); c01 = Lanes.dotAddBytes(signed, x, w1, c01);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Lanes.dotAddBytes(signed, x, w0, c10); c11 = Lanes.dotAddBytes(signed, x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Lanes.dotAddBytes(signed, x, w0, c20); c21 = Lanes.dotAddBytes(signed, x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Lanes.dotAddBytes(signed, x, w0, c30); c31 = Lanes.dotAddBytes(signed, x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Lanes.dotAddBytes(signed, x, w0, c40); c41 = Lanes.dotAddBytes(signed, x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Lanes.dotAddBytes(signed, x, w0, c50); c51 = Lanes.dotAddBytes(signed, x, w1, c51); }
        if (Bytes.nibbles(type)) {
          w0 = Bytes.second(signed, v0); w1 = Bytes.second(signed, v1);
          const highAt = panelAt + high;
          x = v128.load32_splat(highAt, 0);
          c00 = Lanes.dotAddBytes(signed, x, w0, c00); c01 = Lanes.dotAddBytes(signed, x, w1, c01);
          if (h > 1) { x = v128.load32_splat(highAt, 4); c10 = Lanes.dotAddBytes(signed, x, w0, c10); c11 = Lanes.dotAddBytes(signed, x, w1, c11); }
          if (h > 2) { x = v128.load32_splat(highAt, 8); c20 = Lanes.dotAddBytes(signed, x, w0, c20); c21 = Lanes.dotAddBytes(signed, x, w1, c21); }
          if (h > 3) { x = v128.load32_splat(highAt, 12); c30 = Lanes.dotAddBytes(signed, x, w0, c30); c31 = Lanes.dotAddBytes(signed, x, w1, c31); }
          if (h > 4) { x = v128.load32_splat(highAt, 16); c40 = Lanes.dotAddBytes(signed, x, w0, c40); c41 = Lanes.dotAddBytes(signed, x, w1, c41); }
          if (h > 5) { x = v128.load32_splat(highAt, 20); c50 = Lanes.dotAddBytes(signed, x, w0, c50); c51 = Lanes.dotAddBytes(signed, x, w1, c51); }
        }
        weightAt += step;
        panelAt += line;
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += step;
      if (Bytes.nibbles(type)) panelAt += high;
      let row = v128.load32_splat(scaleAt, 0);
      s00 = Lanes.addScaled(s00, c00, row, scales0); s01 = Lanes.addScaled(s01, c01, row, scales1);
      if (h > 1) { row = v128.load32_splat(scaleAt, 4); s10 = Lanes.addScaled(s10, c10, row, scales0); s11 = Lanes.addScaled(s11, c11, row, scales1); }
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Lanes.addScaled(s20, c20, row, scales0); s21 = Lanes.addScaled(s21, c21, row, scales1); }
      if (h > 3) { row = v128.load32_splat(scaleAt, 12); s30 = Lanes.addScaled(s30, c30, row, scales0); s31 = Lanes.addScaled(s31, c31, row, scales1); }
      if (h > 4) { row = v128.load32_splat(scaleAt, 16); s40 = Lanes.addScaled(s40, c40, row, scales0); s41 = Lanes.addScaled(s41, c41, row, scales1); }
      if (h > 5) { row = v128.load32_splat(scaleAt, 20); s50 = Lanes.addScaled(s50, c50, row, scales0); s51 = Lanes.addScaled(s51, c51, row, scales1); }
      scaleAt += line;
      sumsAt += line;
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  @inline static tile(type: u32, signed: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    switch (h) {
      case 1: Bytes.rows(type, signed, 1, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 2: Bytes.rows(type, signed, 2, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 3: Bytes.rows(type, signed, 3, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 4: Bytes.rows(type, signed, 4, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 5: Bytes.rows(type, signed, 5, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      default: Bytes.rows(type, signed, 6, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
    }
  }

  /** One row, a visit, at most eight blocks: sums [32] go on, and lie in memory (q8_0.ts). */
  @inline static four(type: u32, signed: bool, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    for (let block = 0; block < blocks; block++) {
      const row = v128.load32_splat(scaleAt);
      let c0 = Bytes.begin(signed, sumsAt), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
      const end = at + Bytes.units(type) * STEP, next = panelAt + 32;
      while (at < end) {
        const x = v128.load32_splat(panelAt, 0), y = Bytes.nibbles(type) ? v128.load32_splat(panelAt, 16) : x;
        const w0 = v128.load(at, 0), w1 = v128.load(at, 16);
        c0 = Bytes.dot(type, signed, x, y, w0, c0); c1 = Bytes.dot(type, signed, x, y, w1, c1);
        const w2 = v128.load(at, 32), w3 = v128.load(at, 48);
        c2 = Bytes.dot(type, signed, x, y, w2, c2); c3 = Bytes.dot(type, signed, x, y, w3, c3);
        const w4 = v128.load(at, 64), w5 = v128.load(at, 80);
        c4 = Bytes.dot(type, signed, x, y, w4, c4); c5 = Bytes.dot(type, signed, x, y, w5, c5);
        const w6 = v128.load(at, 96), w7 = v128.load(at, 112);
        c6 = Bytes.dot(type, signed, x, y, w6, c6); c7 = Bytes.dot(type, signed, x, y, w7, c7);
        at += STEP;
        panelAt += 4;
      }
      Lanes.addVisit(sumAt, at, row, c0, c1, c2, c3, c4, c5, c6, c7);
      at += STEP;
      panelAt = next;
      scaleAt += 4;
      sumsAt += 4;
    }
  }

  /** The same of one or two visits of q8_0 whose groups lie apart (q4_0.ts). */
  @inline static apart(signed: bool, sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    for (let block = 0; block < blocks; block++) {
      Bytes.two(signed, sumAt, at, lane, panelAt, scaleAt, sumsAt);
      Bytes.two(signed, sumAt + 64, at + 2 * lane, lane, panelAt, scaleAt, sumsAt);
      if (visits > 1) {
        Bytes.two(signed, sumAt + 128, at + 4 * lane, lane, panelAt, scaleAt, sumsAt);
        Bytes.two(signed, sumAt + 192, at + 6 * lane, lane, panelAt, scaleAt, sumsAt);
      }
      at += (Bytes.units(TYPE_Q8_0) + 1) * VISIT_UNIT;
      panelAt += 32;
      scaleAt += 4;
      sumsAt += 4;
    }
  }

  /** A block of two groups: sums [16] go on. */
  @inline static two(signed: bool, sumAt: usize, at: usize, lane: usize, panelAt: usize, scaleAt: usize, sumsAt: usize): void {
    let at1 = at + lane;
    let c0 = Bytes.begin(signed, sumsAt), c1 = c0, c2 = c0, c3 = c0;
    const end = at + Bytes.units(TYPE_Q8_0) * VISIT_UNIT;
    while (at < end) {
      const x = v128.load32_splat(panelAt);
      c0 = Bytes.dot(TYPE_Q8_0, signed, x, x, v128.load(at, 0), c0); c1 = Bytes.dot(TYPE_Q8_0, signed, x, x, v128.load(at, 16), c1);
      c2 = Bytes.dot(TYPE_Q8_0, signed, x, x, v128.load(at1, 0), c2); c3 = Bytes.dot(TYPE_Q8_0, signed, x, x, v128.load(at1, 16), c3);
      at += VISIT_UNIT; at1 += VISIT_UNIT;
      panelAt += 4;
    }
    Lanes.addTwo(sumAt, at, at1, v128.load32_splat(scaleAt), c0, c1, c2, c3);
  }

  /** A unit of four outputs beside a quad, and where weights are nibbles beside a second one. */
  @inline static dot(type: u32, signed: bool, x: v128, y: v128, w: v128, sum: v128): v128 {
    const first = Lanes.dotAddBytes(signed, x, Bytes.first(type, signed, w), sum);
    return Bytes.nibbles(type) ? Lanes.dotAddBytes(signed, y, Bytes.second(signed, w), first) : first;
  }

  /** [4 outputs][4 k] i8 -> one half of four rows of k. */
  @inline static spread(outAt: usize, w: v128, scales: v128): void {
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(w, 24), 24)), scales), 0);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(w, 16), 24)), scales), 32);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(w, 8), 24)), scales), 64);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(w, 24)), scales), 96);
  }
}

/** Four equal products of bytes, a sum of them, as the dot of this build makes it. */
export function byte_dot(activation: i32, weight: i32): i32 {
  return i32x4.extract_lane(Lanes.dotAddI8I7(i8x16.splat(<i8>activation), i8x16.splat(<i8>weight), i32x4.splat(0)), 0);
}
