/**
 * Weights stored as q4_0: pack, dequantise, and the 4-bit register tiles.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (160 bytes):
 *
 *   [4 quads][8 outputs][4 bytes]: low nibbles hold k = 4 quad .. 4 quad + 3, high nibbles k + 16; then [8 outputs] f32 scales
 *
 * tile_q4_0_q8, s = W x for one group and h <= 6 rows:
 *
 *   x  [blocks][8 quads][h] quads of i8 (FORM_Q8_QUADS), scales [blocks][h] f32, sums of x over the block's halves [blocks][h], i16 each
 *
 * Nibbles stay unsigned (0..15, a legal 7-bit operand) and 8 * sum(x) is taken off once per block. Products gather in i16 for a
 * whole block: 8 steps x 2 x 127 x 15 = 30,480 fits. Exact in both builds; scaling as in q8_0.
 */

import { BLOCK, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { Rows } from "./rows";
import { VISIT_UNIT } from "../visits";

/** Of 32 bytes before the scales. */
const UNITS: usize = 4;

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

class Tile {
  /** s + (gathered - 8 * sum of x) * (row scale * output scales). */
  @inline static scale(sum: v128, gathered: v128, ones: v128, offset: v128, row: v128, scales: v128, add: bool): v128 {
    const dot = add ? gathered : i32x4.add(i32x4.dot_i16x8_s(gathered, ones), offset);
    return Lanes.addScaled(sum, dot, row, scales);
  }

  /** Products gather in i16, or where `add` in i32. */
  @inline static dot(x: v128, w: v128, sum: v128, add: bool): v128 {
    return add ? Lanes.dotAddI8I7(x, w, sum) : i16x8.add(sum, Lanes.dotI8I7(x, w));
  }

  /** Nibbles count from 0: where sums are i32 they begin with that taken off, else it is taken off at the end. */
  @inline static begin(blockSumAt: usize, add: bool): v128 {
    return add ? i32x4.dot_i16x8_s(v128.load32_splat(blockSumAt), Lanes.lessEights()) : i16x8.splat(0);
  }

  @inline static offset(blockSumAt: usize, add: bool): v128 {
    return add ? i32x4.splat(0) : i32x4.dot_i16x8_s(v128.load32_splat(blockSumAt), Lanes.lessEights());
  }

  /** [4 outputs][4 k] codes -> one half of four rows of k. */
  @inline static spread(outAt: usize, codes: v128, scales: v128): void {
    const low = i32x4.splat(15), offset = i32x4.splat(8);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(codes, low), offset)), scales), 0);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(i32x4.shr_u(codes, 8), low), offset)), scales), 32);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(i32x4.shr_u(codes, 16), low), offset)), scales), 64);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(codes, 24), offset)), scales), 96);
  }

  @inline static q4(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32, add: bool): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const mask = Lanes.nibbles(), ones = Lanes.ones();
    const high: usize = <usize>(h << 4); // quad + 4 of the same tile
    for (let block = 0; block < blocks; block++) {
      let c00 = Tile.begin(blockSumAt, add), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
      if (add) {
        if (h > 1) { c10 = Tile.begin(blockSumAt + 4, add); c11 = c10; }
        if (h > 2) { c20 = Tile.begin(blockSumAt + 8, add); c21 = c20; }
        if (h > 3) { c30 = Tile.begin(blockSumAt + 12, add); c31 = c30; }
        if (h > 4) { c40 = Tile.begin(blockSumAt + 16, add); c41 = c40; }
        if (h > 5) { c50 = Tile.begin(blockSumAt + 20, add); c51 = c50; }
      }
      const end = weightAt + UNITS * step;
      while (weightAt < end) {
        const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16);
        let low0 = v128.and(w0, mask), low1 = v128.and(w1, mask);
        let x = v128.load32_splat(panelAt, 0);
        c00 = Tile.dot(x, low0, c00, add); c01 = Tile.dot(x, low1, c01, add);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Tile.dot(x, low0, c10, add); c11 = Tile.dot(x, low1, c11, add); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Tile.dot(x, low0, c20, add); c21 = Tile.dot(x, low1, c21, add); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Tile.dot(x, low0, c30, add); c31 = Tile.dot(x, low1, c31, add); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Tile.dot(x, low0, c40, add); c41 = Tile.dot(x, low1, c41, add); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Tile.dot(x, low0, c50, add); c51 = Tile.dot(x, low1, c51, add); }
        // Not i8x16.shr_u, which is a shift of words and a mask of its own.
        low0 = v128.and(i16x8.shr_u(w0, 4), mask);
        low1 = v128.and(i16x8.shr_u(w1, 4), mask);
        const highAt = panelAt + high;
        x = v128.load32_splat(highAt, 0);
        c00 = Tile.dot(x, low0, c00, add); c01 = Tile.dot(x, low1, c01, add);
        if (h > 1) { x = v128.load32_splat(highAt, 4); c10 = Tile.dot(x, low0, c10, add); c11 = Tile.dot(x, low1, c11, add); }
        if (h > 2) { x = v128.load32_splat(highAt, 8); c20 = Tile.dot(x, low0, c20, add); c21 = Tile.dot(x, low1, c21, add); }
        if (h > 3) { x = v128.load32_splat(highAt, 12); c30 = Tile.dot(x, low0, c30, add); c31 = Tile.dot(x, low1, c31, add); }
        if (h > 4) { x = v128.load32_splat(highAt, 16); c40 = Tile.dot(x, low0, c40, add); c41 = Tile.dot(x, low1, c41, add); }
        if (h > 5) { x = v128.load32_splat(highAt, 20); c50 = Tile.dot(x, low0, c50, add); c51 = Tile.dot(x, low1, c51, add); }
        weightAt += step;
        panelAt += <usize>(h << 2);
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += step;
      panelAt += high;
      let row = v128.load32_splat(scaleAt, 0), offset = Tile.offset(blockSumAt, add);
      s00 = Tile.scale(s00, c00, ones, offset, row, scales0, add); s01 = Tile.scale(s01, c01, ones, offset, row, scales1, add);
      if (h > 1) {
        row = v128.load32_splat(scaleAt, 4); offset = Tile.offset(blockSumAt + 4, add);
        s10 = Tile.scale(s10, c10, ones, offset, row, scales0, add); s11 = Tile.scale(s11, c11, ones, offset, row, scales1, add);
      }
      if (h > 2) {
        row = v128.load32_splat(scaleAt, 8); offset = Tile.offset(blockSumAt + 8, add);
        s20 = Tile.scale(s20, c20, ones, offset, row, scales0, add); s21 = Tile.scale(s21, c21, ones, offset, row, scales1, add);
      }
      if (h > 3) {
        row = v128.load32_splat(scaleAt, 12); offset = Tile.offset(blockSumAt + 12, add);
        s30 = Tile.scale(s30, c30, ones, offset, row, scales0, add); s31 = Tile.scale(s31, c31, ones, offset, row, scales1, add);
      }
      if (h > 4) {
        row = v128.load32_splat(scaleAt, 16); offset = Tile.offset(blockSumAt + 16, add);
        s40 = Tile.scale(s40, c40, ones, offset, row, scales0, add); s41 = Tile.scale(s41, c41, ones, offset, row, scales1, add);
      }
      if (h > 5) {
        row = v128.load32_splat(scaleAt, 20); offset = Tile.offset(blockSumAt + 20, add);
        s50 = Tile.scale(s50, c50, ones, offset, row, scales0, add); s51 = Tile.scale(s51, c51, ones, offset, row, scales1, add);
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

  @inline static each(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32, add: bool): void {
    switch (h) {
      case 1: Tile.q4(1, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, add); break;
      case 2: Tile.q4(2, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, add); break;
      case 3: Tile.q4(3, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, add); break;
      case 4: Tile.q4(4, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, add); break;
      case 5: Tile.q4(5, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, add); break;
      default: Tile.q4(6, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, add);
    }
  }
}

export function tile_q4_0_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Tile.each(h, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, false);
}

/**
 * tile_q4_0_q8 with sums in i32: four products and their sum are one instruction on processors with AVX-VNNI under V8 12 and later, three
 * elsewhere. src/runtime/tuning.ts measures which tile is the faster one. The same integers, so the same bits.
 */
export function tile_q4_0_q8_add(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Tile.each(h, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks, true);
}

/** One row, a visit, at most eight blocks: sums [32] go on, as gemv4_q8_0_q16. The same sums in the same order as the tile of one row. */
export function gemv4_q4_0_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  woven(sumAt, at, panelAt, scaleAt, blockSumAt, blocks, false);
}

/** The same with sums in i32. */
export function gemv4_q4_0_q8_add(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  woven(sumAt, at, panelAt, scaleAt, blockSumAt, blocks, true);
}

/**
 * The same of one or two visits whose groups lie apart, `lane` bytes from one to the next: a block of each in turn, two groups at once.
 *
 * A group has loads of its own, since a prefetcher tells streams apart by the instruction that reads them, and two groups need no more than
 * the registers there are (docs/performance.md, "Groups apart").
 */
export function gemv8_q4_0_q8(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  apart(sumAt, at, lane, visits, panelAt, scaleAt, blockSumAt, blocks, false);
}

export function gemv8_q4_0_q8_add(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  apart(sumAt, at, lane, visits, panelAt, scaleAt, blockSumAt, blocks, true);
}

@inline function woven(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32, add: bool): void {
  const mask = Lanes.nibbles(), ones = Lanes.ones();
  for (let block = 0; block < blocks; block++) {
    const row = v128.load32_splat(scaleAt), offset = Tile.offset(blockSumAt, add);
    let c0 = Tile.begin(blockSumAt, add), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
    const end = at + UNITS * STEP, next = panelAt + 32;
    while (at < end) {
      const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 16);
      const w0 = v128.load(at, 0), w1 = v128.load(at, 16);
      c0 = Tile.dot(x, v128.and(w0, mask), c0, add); c1 = Tile.dot(x, v128.and(w1, mask), c1, add);
      c0 = Tile.dot(y, v128.and(i16x8.shr_u(w0, 4), mask), c0, add); c1 = Tile.dot(y, v128.and(i16x8.shr_u(w1, 4), mask), c1, add);
      const w2 = v128.load(at, 32), w3 = v128.load(at, 48);
      c2 = Tile.dot(x, v128.and(w2, mask), c2, add); c3 = Tile.dot(x, v128.and(w3, mask), c3, add);
      c2 = Tile.dot(y, v128.and(i16x8.shr_u(w2, 4), mask), c2, add); c3 = Tile.dot(y, v128.and(i16x8.shr_u(w3, 4), mask), c3, add);
      const w4 = v128.load(at, 64), w5 = v128.load(at, 80);
      c4 = Tile.dot(x, v128.and(w4, mask), c4, add); c5 = Tile.dot(x, v128.and(w5, mask), c5, add);
      c4 = Tile.dot(y, v128.and(i16x8.shr_u(w4, 4), mask), c4, add); c5 = Tile.dot(y, v128.and(i16x8.shr_u(w5, 4), mask), c5, add);
      const w6 = v128.load(at, 96), w7 = v128.load(at, 112);
      c6 = Tile.dot(x, v128.and(w6, mask), c6, add); c7 = Tile.dot(x, v128.and(w7, mask), c7, add);
      c6 = Tile.dot(y, v128.and(i16x8.shr_u(w6, 4), mask), c6, add); c7 = Tile.dot(y, v128.and(i16x8.shr_u(w7, 4), mask), c7, add);
      at += STEP;
      panelAt += 4;
    }
    const s0 = Tile.scale(v128.load(sumAt, 0), c0, ones, offset, row, v128.load(at, 0), add), s1 = Tile.scale(v128.load(sumAt, 16), c1, ones, offset, row, v128.load(at, 16), add);
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
    const s2 = Tile.scale(v128.load(sumAt, 32), c2, ones, offset, row, v128.load(at, 32), add), s3 = Tile.scale(v128.load(sumAt, 48), c3, ones, offset, row, v128.load(at, 48), add);
    v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    const s4 = Tile.scale(v128.load(sumAt, 64), c4, ones, offset, row, v128.load(at, 64), add), s5 = Tile.scale(v128.load(sumAt, 80), c5, ones, offset, row, v128.load(at, 80), add);
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80);
    const s6 = Tile.scale(v128.load(sumAt, 96), c6, ones, offset, row, v128.load(at, 96), add), s7 = Tile.scale(v128.load(sumAt, 112), c7, ones, offset, row, v128.load(at, 112), add);
    v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
    at += STEP;
    panelAt = next;
    scaleAt += 4;
    blockSumAt += 4;
  }
}

@inline function apart(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32, add: bool): void {
  for (let block = 0; block < blocks; block++) {
    two(sumAt, at, lane, panelAt, scaleAt, blockSumAt, add);
    two(sumAt + 64, at + 2 * lane, lane, panelAt, scaleAt, blockSumAt, add);
    if (visits > 1) {
      two(sumAt + 128, at + 4 * lane, lane, panelAt, scaleAt, blockSumAt, add);
      two(sumAt + 192, at + 6 * lane, lane, panelAt, scaleAt, blockSumAt, add);
    }
    at += (UNITS + 1) * VISIT_UNIT;
    panelAt += 32;
    scaleAt += 4;
    blockSumAt += 4;
  }
}

/** A block of two groups: sums [16] go on. */
@inline function two(sumAt: usize, at: usize, lane: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, add: bool): void {
  let at1 = at + lane;
  const mask = Lanes.nibbles();
  let c0 = Tile.begin(blockSumAt, add), c1 = c0, c2 = c0, c3 = c0;
  const end = at + UNITS * VISIT_UNIT;
  while (at < end) {
    const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 16);
    const w0 = v128.load(at, 0), w1 = v128.load(at, 16), w2 = v128.load(at1, 0), w3 = v128.load(at1, 16);
    c0 = Tile.dot(x, v128.and(w0, mask), c0, add); c1 = Tile.dot(x, v128.and(w1, mask), c1, add);
    c0 = Tile.dot(y, v128.and(i16x8.shr_u(w0, 4), mask), c0, add); c1 = Tile.dot(y, v128.and(i16x8.shr_u(w1, 4), mask), c1, add);
    c2 = Tile.dot(x, v128.and(w2, mask), c2, add); c3 = Tile.dot(x, v128.and(w3, mask), c3, add);
    c2 = Tile.dot(y, v128.and(i16x8.shr_u(w2, 4), mask), c2, add); c3 = Tile.dot(y, v128.and(i16x8.shr_u(w3, 4), mask), c3, add);
    at += VISIT_UNIT; at1 += VISIT_UNIT;
    panelAt += 4;
  }
  const row = v128.load32_splat(scaleAt), offset = Tile.offset(blockSumAt, add), ones = Lanes.ones();
  const s0 = Tile.scale(v128.load(sumAt, 0), c0, ones, offset, row, v128.load(at, 0), add), s1 = Tile.scale(v128.load(sumAt, 16), c1, ones, offset, row, v128.load(at, 16), add);
  v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
  const s2 = Tile.scale(v128.load(sumAt, 32), c2, ones, offset, row, v128.load(at1, 0), add), s3 = Tile.scale(v128.load(sumAt, 48), c3, ones, offset, row, v128.load(at1, 16), add);
  v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q4_0(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  const mask = i8x16.splat(15);
  let at = groupAt + <usize>(begin / BLOCK) * (UNITS + 1) * step;
  for (let col = begin; col < end; col += BLOCK, outAt += 1024) {
    const scalesAt = at + UNITS * step, scales0 = v128.load(scalesAt, 0), scales1 = v128.load(scalesAt, 16);
    for (let quad: usize = 0; quad < 4; quad++, at += step) {
      const w0 = v128.load(at, 0), w1 = v128.load(at, 16), to = outAt + (quad << 7);
      Tile.spread(to, v128.and(w0, mask), scales0); Tile.spread(to + 16, v128.and(w1, mask), scales1);
      Tile.spread(to + 512, v128.and(i16x8.shr_u(w0, 4), mask), scales0); Tile.spread(to + 528, v128.and(i16x8.shr_u(w1, 4), mask), scales1);
    }
    at += step;
  }
}

/**
 * `lanes` stored rows (18-byte blocks: f16 scale, 16 bytes; byte j holds k = j low, k = j + 16 high), `rowBytes` apart, of `cols` inputs
 * -> the blocks of one group; further lanes become zeros.
 */
export function pack_q4_0(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let col = 0; col < cols; col += BLOCK, sourceAt += 18, packedAt += (UNITS + 1) * step) {
    Rows.quads(packedAt, step, sourceAt + 2, rowBytes, lanes, 0x88888888, i32x4.splat(0));
    Rows.scales(packedAt + UNITS * step, sourceAt, rowBytes, lanes);
  }
}
