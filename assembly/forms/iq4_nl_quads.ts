/**
 * iq4_nl beside quads of i8 (bytes.ts): tiles, rows, dequantise. iq4_nl.ts packs them.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (160 bytes), as q4_0: [4 quads][8 outputs][4 bytes], low nibbles k = 4 quad ..
 * 4 quad + 3, high nibbles k + 16; then [8 outputs] f32 scales. Codes become bytes in excess 128 by their table.
 */

import { BLOCK, GROUP, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";
import { Bytes } from "./bytes";

/** Of 32 bytes before the scales. */
const UNITS: usize = 4;

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

/** The table of ggml's non-linear 4-bit types in excess 128; in memory as that of iq4_nl.ts. */
const TABLE = memory.data<i8>([1, 24, 45, 63, 79, 93, 106, 118, -127, -115, -103, -90, -75, -59, -39, -15, 0, 0, 0, 0, 0, 0, 0, 0], 64);

class Tile {
  /** Codes 0..15 to weights. */
  @inline static weight(signed: bool, codes: v128): v128 {
    return Bytes.weight(signed, Lanes.lookup(v128.load(TABLE), codes));
  }

  @inline static low(signed: bool, codes: v128): v128 {
    return Tile.weight(signed, v128.and(codes, Lanes.nibbles()));
  }

  @inline static high(signed: bool, codes: v128): v128 {
    return Tile.weight(signed, v128.and(i16x8.shr_u(codes, 4), Lanes.nibbles()));
  }

  @inline static rows(signed: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
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
      const end = weightAt + UNITS * step;
      while (weightAt < end) {
        const v0 = v128.load(weightAt, 0), v1 = v128.load(weightAt, 16);
        let w0 = Tile.low(signed, v0), w1 = Tile.low(signed, v1), x: v128;
        x = v128.load32_splat(panelAt, 0);
        c00 = Lanes.dotAddBytes(signed, x, w0, c00); c01 = Lanes.dotAddBytes(signed, x, w1, c01);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Lanes.dotAddBytes(signed, x, w0, c10); c11 = Lanes.dotAddBytes(signed, x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Lanes.dotAddBytes(signed, x, w0, c20); c21 = Lanes.dotAddBytes(signed, x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Lanes.dotAddBytes(signed, x, w0, c30); c31 = Lanes.dotAddBytes(signed, x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Lanes.dotAddBytes(signed, x, w0, c40); c41 = Lanes.dotAddBytes(signed, x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Lanes.dotAddBytes(signed, x, w0, c50); c51 = Lanes.dotAddBytes(signed, x, w1, c51); }
        w0 = Tile.high(signed, v0); w1 = Tile.high(signed, v1);
        const highAt = panelAt + high;
        x = v128.load32_splat(highAt, 0);
        c00 = Lanes.dotAddBytes(signed, x, w0, c00); c01 = Lanes.dotAddBytes(signed, x, w1, c01);
        if (h > 1) { x = v128.load32_splat(highAt, 4); c10 = Lanes.dotAddBytes(signed, x, w0, c10); c11 = Lanes.dotAddBytes(signed, x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(highAt, 8); c20 = Lanes.dotAddBytes(signed, x, w0, c20); c21 = Lanes.dotAddBytes(signed, x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(highAt, 12); c30 = Lanes.dotAddBytes(signed, x, w0, c30); c31 = Lanes.dotAddBytes(signed, x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(highAt, 16); c40 = Lanes.dotAddBytes(signed, x, w0, c40); c41 = Lanes.dotAddBytes(signed, x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(highAt, 20); c50 = Lanes.dotAddBytes(signed, x, w0, c50); c51 = Lanes.dotAddBytes(signed, x, w1, c51); }
        weightAt += step;
        panelAt += line;
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += step;
      panelAt += high;
      let row = v128.load32_splat(scaleAt, 0);
      s00 = Bytes.scale(s00, c00, row, scales0); s01 = Bytes.scale(s01, c01, row, scales1);
      if (h > 1) { row = v128.load32_splat(scaleAt, 4); s10 = Bytes.scale(s10, c10, row, scales0); s11 = Bytes.scale(s11, c11, row, scales1); }
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Bytes.scale(s20, c20, row, scales0); s21 = Bytes.scale(s21, c21, row, scales1); }
      if (h > 3) { row = v128.load32_splat(scaleAt, 12); s30 = Bytes.scale(s30, c30, row, scales0); s31 = Bytes.scale(s31, c31, row, scales1); }
      if (h > 4) { row = v128.load32_splat(scaleAt, 16); s40 = Bytes.scale(s40, c40, row, scales0); s41 = Bytes.scale(s41, c41, row, scales1); }
      if (h > 5) { row = v128.load32_splat(scaleAt, 20); s50 = Bytes.scale(s50, c50, row, scales0); s51 = Bytes.scale(s51, c51, row, scales1); }
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

  @inline static each(signed: bool, h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    switch (h) {
      case 1: Tile.rows(signed, 1, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 2: Tile.rows(signed, 2, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 3: Tile.rows(signed, 3, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 4: Tile.rows(signed, 4, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      case 5: Tile.rows(signed, 5, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks); break;
      default: Tile.rows(signed, 6, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
    }
  }

  /** One row, a visit, at most eight blocks: sums [32] go on, and lie in memory (q8_0.ts). */
  @inline static four(signed: bool, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    for (let block = 0; block < blocks; block++) {
      const row = v128.load32_splat(scaleAt);
      let c0 = Bytes.begin(signed, sumsAt), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
      const end = at + UNITS * STEP;
      while (at < end) {
        const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 16);
        const w0 = v128.load(at, 0), w1 = v128.load(at, 16);
        c0 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w0), c0); c1 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w1), c1);
        c0 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w0), c0); c1 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w1), c1);
        const w2 = v128.load(at, 32), w3 = v128.load(at, 48);
        c2 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w2), c2); c3 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w3), c3);
        c2 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w2), c2); c3 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w3), c3);
        const w4 = v128.load(at, 64), w5 = v128.load(at, 80);
        c4 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w4), c4); c5 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w5), c5);
        c4 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w4), c4); c5 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w5), c5);
        const w6 = v128.load(at, 96), w7 = v128.load(at, 112);
        c6 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w6), c6); c7 = Lanes.dotAddBytes(signed, x, Tile.low(signed, w7), c7);
        c6 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w6), c6); c7 = Lanes.dotAddBytes(signed, y, Tile.high(signed, w7), c7);
        at += STEP;
        panelAt += 4;
      }
      const s0 = Bytes.scale(v128.load(sumAt, 0), c0, row, v128.load(at, 0)), s1 = Bytes.scale(v128.load(sumAt, 16), c1, row, v128.load(at, 16));
      v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
      const s2 = Bytes.scale(v128.load(sumAt, 32), c2, row, v128.load(at, 32)), s3 = Bytes.scale(v128.load(sumAt, 48), c3, row, v128.load(at, 48));
      v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
      const s4 = Bytes.scale(v128.load(sumAt, 64), c4, row, v128.load(at, 64)), s5 = Bytes.scale(v128.load(sumAt, 80), c5, row, v128.load(at, 80));
      v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80);
      const s6 = Bytes.scale(v128.load(sumAt, 96), c6, row, v128.load(at, 96)), s7 = Bytes.scale(v128.load(sumAt, 112), c7, row, v128.load(at, 112));
      v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
      at += STEP;
      panelAt += 16;
      scaleAt += 4;
      sumsAt += 4;
    }
  }
}

export function tile_iq4_nl_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Tile.each(false, h, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
}

export function tile_iq4_nl_q8_signed(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Tile.each(true, h, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv4_iq4_nl_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Tile.four(false, sumAt, at, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv4_iq4_nl_q8_signed(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Tile.four(true, sumAt, at, panelAt, scaleAt, sumsAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_iq4_nl_quads(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  let at = groupAt + <usize>(begin / BLOCK) * (UNITS + 1) * step;
  for (let col = begin; col < end; col += BLOCK, outAt += 1024) {
    for (let half: usize = 0; half < 32; half += 16) {
      const scales = v128.load(at + UNITS * step + half);
      for (let quad: usize = 0; quad < UNITS; quad++) {
        const codes = v128.load(at + quad * step + half), to = outAt + half + (quad << 7);
        Bytes.spread(to, Tile.low(true, codes), scales);
        Bytes.spread(to + 512, Tile.high(true, codes), scales);
      }
    }
    at += (UNITS + 1) * step;
  }
}
