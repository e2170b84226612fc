/**
 * Weights stored as iq4_nl, v = d table[code]: pack, dequantise, and tiles that meet pairs of i16 (FORM_Q16_PAIRS, FORM_Q8_PAIRS).
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (160 bytes): [8 pairs][8 outputs][2 k] bytes, low nibbles pairs 0..7 of k, high
 * nibbles pairs 8..15; then [8 outputs] f32 scales. iq4_xs has the same table and, once its 6-bit scales are multiplied out, this form.
 *
 * The table's values have eight signed bits: no 7-bit operand, so they are looked up and meet i16 as q8_0 does (q8_0.ts: exactness).
 */

import { BLOCK, GROUP, VISIT_STEP } from "../abi";
import { Lanes } from "../lanes";

/** Of 32 bytes before the scales. */
const UNITS: usize = 4;

/** From a unit of a group to its next in a whole visit. */
const STEP: usize = VISIT_STEP;

/** The table of ggml's non-linear 4-bit types; in memory, and with zeros behind it, for the reasons that lanes.ts gives. */
const TABLE = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, 0, 0, 0, 0, 0, 0, 0, 0], 64);

class Tile {
  @inline static table(): v128 {
    return v128.load(TABLE);
  }

  @inline static low(codes: v128): v128 {
    return Lanes.lookup(Tile.table(), v128.and(codes, Lanes.nibbles()));
  }

  @inline static high(codes: v128): v128 {
    return Lanes.lookup(Tile.table(), v128.and(i16x8.shr_u(codes, 4), Lanes.nibbles()));
  }

  @inline static dot(x: v128, w: v128, sum: v128): v128 {
    return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
  }

  @inline static rows(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    const high = <usize>(h << 5); // pair + 8 of the same tile
    for (let block = 0; block < blocks; block++) {
      let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
      const end = weightAt + UNITS * step;
      let onward: usize = 16; // two pairs a unit, as q8_0
      while (weightAt < end) {
        const codes = v128.load(weightAt);
        let values = Tile.low(codes);
        let w0 = i16x8.extend_low_i8x16_s(values), w1 = i16x8.extend_high_i8x16_s(values);
        let x = v128.load32_splat(panelAt, 0);
        c00 = Tile.dot(x, w0, c00); c01 = Tile.dot(x, w1, c01);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Tile.dot(x, w0, c10); c11 = Tile.dot(x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Tile.dot(x, w0, c20); c21 = Tile.dot(x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Tile.dot(x, w0, c30); c31 = Tile.dot(x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Tile.dot(x, w0, c40); c41 = Tile.dot(x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Tile.dot(x, w0, c50); c51 = Tile.dot(x, w1, c51); }
        const highAt = panelAt + high;
        values = Tile.high(codes);
        w0 = i16x8.extend_low_i8x16_s(values); w1 = i16x8.extend_high_i8x16_s(values);
        x = v128.load32_splat(highAt, 0);
        c00 = Tile.dot(x, w0, c00); c01 = Tile.dot(x, w1, c01);
        if (h > 1) { x = v128.load32_splat(highAt, 4); c10 = Tile.dot(x, w0, c10); c11 = Tile.dot(x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(highAt, 8); c20 = Tile.dot(x, w0, c20); c21 = Tile.dot(x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(highAt, 12); c30 = Tile.dot(x, w0, c30); c31 = Tile.dot(x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(highAt, 16); c40 = Tile.dot(x, w0, c40); c41 = Tile.dot(x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(highAt, 20); c50 = Tile.dot(x, w0, c50); c51 = Tile.dot(x, w1, c51); }
        weightAt += onward;
        onward = step - onward;
        panelAt += <usize>(h << 2);
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += step;
      panelAt += high;
      let row = v128.load32_splat(scaleAt, 0);
      s00 = Lanes.addScaled(s00, c00, row, scales0); s01 = Lanes.addScaled(s01, c01, row, scales1);
      if (h > 1) { row = v128.load32_splat(scaleAt, 4); s10 = Lanes.addScaled(s10, c10, row, scales0); s11 = Lanes.addScaled(s11, c11, row, scales1); }
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Lanes.addScaled(s20, c20, row, scales0); s21 = Lanes.addScaled(s21, c21, row, scales1); }
      if (h > 3) { row = v128.load32_splat(scaleAt, 12); s30 = Lanes.addScaled(s30, c30, row, scales0); s31 = Lanes.addScaled(s31, c31, row, scales1); }
      if (h > 4) { row = v128.load32_splat(scaleAt, 16); s40 = Lanes.addScaled(s40, c40, row, scales0); s41 = Lanes.addScaled(s41, c41, row, scales1); }
      if (h > 5) { row = v128.load32_splat(scaleAt, 20); s50 = Lanes.addScaled(s50, c50, row, scales0); s51 = Lanes.addScaled(s51, c51, row, scales1); }
      scaleAt += <usize>(h << 2);
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }
}

export function tile_iq4_nl_q16(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  switch (h) {
    case 1: Tile.rows(1, sumAt, weightAt, step, panelAt, scaleAt, blocks); break;
    case 2: Tile.rows(2, sumAt, weightAt, step, panelAt, scaleAt, blocks); break;
    case 3: Tile.rows(3, sumAt, weightAt, step, panelAt, scaleAt, blocks); break;
    case 4: Tile.rows(4, sumAt, weightAt, step, panelAt, scaleAt, blocks); break;
    case 5: Tile.rows(5, sumAt, weightAt, step, panelAt, scaleAt, blocks); break;
    default: Tile.rows(6, sumAt, weightAt, step, panelAt, scaleAt, blocks);
  }
}

/** One row, a visit, at most eight blocks: sums [32] go on. The same sums in the same order as the tile of one row. */
export function gemv4_iq4_nl_q16(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  let s0 = v128.load(sumAt, 0), s1 = v128.load(sumAt, 16), s2 = v128.load(sumAt, 32), s3 = v128.load(sumAt, 48);
  let s4 = v128.load(sumAt, 64), s5 = v128.load(sumAt, 80), s6 = v128.load(sumAt, 96), s7 = v128.load(sumAt, 112);
  for (let block = 0; block < blocks; block++) {
    let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
    const end = at + UNITS * STEP;
    let onward: usize = 16;
    while (at < end) {
      const x = v128.load32_splat(panelAt, 0), y = v128.load32_splat(panelAt, 32);
      const w0 = v128.load(at, 0), low0 = Tile.low(w0), high0 = Tile.high(w0);
      c0 = Tile.dot(x, i16x8.extend_low_i8x16_s(low0), c0); c1 = Tile.dot(x, i16x8.extend_high_i8x16_s(low0), c1);
      c0 = Tile.dot(y, i16x8.extend_low_i8x16_s(high0), c0); c1 = Tile.dot(y, i16x8.extend_high_i8x16_s(high0), c1);
      const w1 = v128.load(at, 32), low1 = Tile.low(w1), high1 = Tile.high(w1);
      c2 = Tile.dot(x, i16x8.extend_low_i8x16_s(low1), c2); c3 = Tile.dot(x, i16x8.extend_high_i8x16_s(low1), c3);
      c2 = Tile.dot(y, i16x8.extend_low_i8x16_s(high1), c2); c3 = Tile.dot(y, i16x8.extend_high_i8x16_s(high1), c3);
      const w2 = v128.load(at, 64), low2 = Tile.low(w2), high2 = Tile.high(w2);
      c4 = Tile.dot(x, i16x8.extend_low_i8x16_s(low2), c4); c5 = Tile.dot(x, i16x8.extend_high_i8x16_s(low2), c5);
      c4 = Tile.dot(y, i16x8.extend_low_i8x16_s(high2), c4); c5 = Tile.dot(y, i16x8.extend_high_i8x16_s(high2), c5);
      const w3 = v128.load(at, 96), low3 = Tile.low(w3), high3 = Tile.high(w3);
      c6 = Tile.dot(x, i16x8.extend_low_i8x16_s(low3), c6); c7 = Tile.dot(x, i16x8.extend_high_i8x16_s(low3), c7);
      c6 = Tile.dot(y, i16x8.extend_low_i8x16_s(high3), c6); c7 = Tile.dot(y, i16x8.extend_high_i8x16_s(high3), c7);
      at += onward;
      onward = STEP - onward;
      panelAt += 4;
    }
    panelAt += 32;
    const row = v128.load32_splat(scaleAt);
    s0 = Lanes.addScaled(s0, c0, row, v128.load(at, 0)); s1 = Lanes.addScaled(s1, c1, row, v128.load(at, 16));
    s2 = Lanes.addScaled(s2, c2, row, v128.load(at, 32)); s3 = Lanes.addScaled(s3, c3, row, v128.load(at, 48));
    s4 = Lanes.addScaled(s4, c4, row, v128.load(at, 64)); s5 = Lanes.addScaled(s5, c5, row, v128.load(at, 80));
    s6 = Lanes.addScaled(s6, c6, row, v128.load(at, 96)); s7 = Lanes.addScaled(s7, c7, row, v128.load(at, 112));
    at += STEP;
    scaleAt += 4;
  }
  v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16); v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
  v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80); v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_iq4_nl(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  let at = groupAt + <usize>(begin / BLOCK) * (UNITS + 1) * step;
  for (let col = begin; col < end; col += BLOCK, outAt += 1024) {
    const scalesAt = at + UNITS * step, scales0 = v128.load(scalesAt, 0), scales1 = v128.load(scalesAt, 16);
    for (let pair: usize = 0; pair < 8; pair++) {
      const codes = v128.load(at + (pair >> 1) * step + ((pair & 1) << 4));
      spread(outAt + (pair << 6), Tile.low(codes), scales0, scales1);
      spread(outAt + 512 + (pair << 6), Tile.high(codes), scales0, scales1);
    }
    at += (UNITS + 1) * step;
  }
}

/** [8 outputs][2 k] i8 -> two rows of k. */
@inline function spread(outAt: usize, values: v128, scales0: v128, scales1: v128): void {
  const even_i16x8 = i16x8.shr_s(i16x8.shl(values, 8), 8), odd_i16x8 = i16x8.shr_s(values, 8);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(even_i16x8)), scales0), 0);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(even_i16x8)), scales1), 16);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(odd_i16x8)), scales0), 32);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(odd_i16x8)), scales1), 48);
}

/** 16 bytes, byte j holding k = j low, k = j + 16 high, of output `lane` -> its places in a packed block, in pairs or quads of bytes. */
@inline function spreadCodes(quads: bool, toAt: usize, step: usize, lane: usize, fromAt: usize, alive: bool): void {
  if (quads) {
    for (let quad: usize = 0; quad < 4; quad++) store<u32>(toAt + quad * step + (lane << 2), alive ? load<u32>(fromAt + (quad << 2)) : 0x88888888);
    return;
  }
  // k = 2 pair, 2 pair + 1: pairs 0..7 are the low nibbles of all bytes, pairs 8..15 their high ones.
  for (let pair: usize = 0; pair < 8; pair++) store<u16>(toAt + (pair >> 1) * step + ((pair & 1) << 4) + (lane << 1), alive ? load<u16>(fromAt + (pair << 1)) : 0x8888);
}

/**
 * `lanes` stored rows (18-byte blocks: f16 d, 16 bytes), `rowBytes` apart, of `cols` inputs -> the blocks of one group; further lanes
 * become zeros. `quads`: as iq4_nl_quads.ts has them.
 */
@inline function pack_nl(quads: bool, packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt;
    for (let col = 0; col < cols; col += BLOCK, from += 18, to += (UNITS + 1) * step) {
      const scale = alive ? <u32>load<u16>(from) : 0;
      store<f32>(to + UNITS * step + (lane << 2), Lanes.halfToF32(scale));
      spreadCodes(quads, to, step, lane, from + 2, alive);
    }
  }
}

/**
 * The same of iq4_xs (136-byte blocks of 256: f16 d, u16 of upper and 4 bytes of lower scale bits, 8 x 16 bytes): d (scale - 32) is
 * exact in f32, so nothing is rounded.
 */
@inline function pack_xs(quads: bool, packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt;
    for (let col = 0; col < cols; col += 256, from += 136) {
      const scale = alive ? <u32>load<u16>(from) : 0, upper = alive ? <u32>load<u16>(from + 2) : 0, lower = alive ? load<u32>(from + 4) : 0;
      for (let block: u32 = 0; block < 8; block++, to += (UNITS + 1) * step) {
        const six = <i32>((lower >> (block << 2) & 15) | (upper >> (block << 1) & 3) << 4);
        store<f32>(to + UNITS * step + (lane << 2), Lanes.halfToF32(scale) * <f32>(six - 32));
        spreadCodes(quads, to, step, lane, from + 8 + (<usize>block << 4), alive);
      }
    }
  }
}

export function pack_iq4_nl(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  pack_nl(false, packedAt, step, sourceAt, rowBytes, lanes, cols);
}

export function pack_iq4_nl_quads(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  pack_nl(true, packedAt, step, sourceAt, rowBytes, lanes, cols);
}

export function pack_iq4_xs(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  pack_xs(false, packedAt, step, sourceAt, rowBytes, lanes, cols);
}

export function pack_iq4_xs_quads(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  pack_xs(true, packedAt, step, sourceAt, rowBytes, lanes, cols);
}
