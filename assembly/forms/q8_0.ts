/**
 * Weights stored as q8_0: pack, dequantise, and the register tiles that meet 16-bit activations.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (288 bytes):
 *
 *   [16 pairs of k][8 outputs][2 k] i8, then [8 outputs] f32 scales
 *
 * tile_q8_0_q16, s = W x for one group and h <= 6 rows:
 *
 *   s  [h][8]            f32   written
 *   w  [blocks] of the form above
 *   x  [blocks][16][h]   pairs of i16 (FORM_Q16_PAIRS), scales [blocks][h] f32
 *
 * Four outputs stand in the four i32 lanes: no horizontal sums. Exactness: the dot product of a block is an exact integer
 * (at most 32 * 128 * 32767 < 2^28); its conversion to f32 and its scaling round, s = s + integer * (scale of x * scale of w),
 * block after block, so one row and many agree bit for bit. No store stands before
 * the end, or V8 pairs nothing into 256 bits (6 x 8: 77 GOP/s with sums in memory, 134 so); in 128 bits the sums that find no
 * register cost no more on the stack than in memory of ours.
 */

import { BLOCK, GROUP } from "../abi";
import { Lanes } from "../lanes";

const BLOCK_BYTES: usize = 288;
const SCALES: usize = 256;

class Tile {
  @inline static dot(x: v128, w: v128, sum: v128): v128 {
    return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
  }

  /** s + integers * (row scale * output scales). */
  @inline static scale(sum: v128, integers: v128, row: v128, scales: v128): v128 {
    return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(integers), f32x4.mul(row, scales)));
  }

  @inline static q16(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
    let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
    let s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    for (let block = 0; block < blocks; block++) {
      let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
      let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
      const end = weightAt + SCALES;
      while (weightAt < end) {
        const w0 = v128.load8x8_s(weightAt, 0), w1 = v128.load8x8_s(weightAt, 8);
        let x = v128.load32_splat(panelAt, 0);
        c00 = Tile.dot(x, w0, c00); c01 = Tile.dot(x, w1, c01);
        if (h > 1) { x = v128.load32_splat(panelAt, 4); c10 = Tile.dot(x, w0, c10); c11 = Tile.dot(x, w1, c11); }
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Tile.dot(x, w0, c20); c21 = Tile.dot(x, w1, c21); }
        if (h > 3) { x = v128.load32_splat(panelAt, 12); c30 = Tile.dot(x, w0, c30); c31 = Tile.dot(x, w1, c31); }
        if (h > 4) { x = v128.load32_splat(panelAt, 16); c40 = Tile.dot(x, w0, c40); c41 = Tile.dot(x, w1, c41); }
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Tile.dot(x, w0, c50); c51 = Tile.dot(x, w1, c51); }
        weightAt += 16;
        panelAt += <usize>(h << 2);
      }
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16);
      weightAt += 32;
      let row = v128.load32_splat(scaleAt, 0);
      s00 = Tile.scale(s00, c00, row, scales0); s01 = Tile.scale(s01, c01, row, scales1);
      if (h > 1) { row = v128.load32_splat(scaleAt, 4); s10 = Tile.scale(s10, c10, row, scales0); s11 = Tile.scale(s11, c11, row, scales1); }
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Tile.scale(s20, c20, row, scales0); s21 = Tile.scale(s21, c21, row, scales1); }
      if (h > 3) { row = v128.load32_splat(scaleAt, 12); s30 = Tile.scale(s30, c30, row, scales0); s31 = Tile.scale(s31, c31, row, scales1); }
      if (h > 4) { row = v128.load32_splat(scaleAt, 16); s40 = Tile.scale(s40, c40, row, scales0); s41 = Tile.scale(s41, c41, row, scales1); }
      if (h > 5) { row = v128.load32_splat(scaleAt, 20); s50 = Tile.scale(s50, c50, row, scales0); s51 = Tile.scale(s51, c51, row, scales1); }
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

export function tile_q8_0_q16(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  switch (h) {
    case 1: Tile.q16(1, sumAt, weightAt, panelAt, scaleAt, blocks); break;
    case 2: Tile.q16(2, sumAt, weightAt, panelAt, scaleAt, blocks); break;
    case 3: Tile.q16(3, sumAt, weightAt, panelAt, scaleAt, blocks); break;
    case 4: Tile.q16(4, sumAt, weightAt, panelAt, scaleAt, blocks); break;
    case 5: Tile.q16(5, sumAt, weightAt, panelAt, scaleAt, blocks); break;
    default: Tile.q16(6, sumAt, weightAt, panelAt, scaleAt, blocks);
  }
}

/**
 * One row, eight groups that follow each other: s [64] f32. The same sums in the same order as the tile of one row.
 *
 * Eight streams of weights, since that is what the prefetcher of the processor follows: out of DRAM, two threads read 19 GB/s with
 * two streams, 22 with four, 24 with eight (plain reading 29; in 256 bits 21, 25, 26), though in cache they are all alike (30, wide
 * 50). Touching a line ahead takes from that (four streams 21 -> 19). Four streams at a time keep their integer sums in registers.
 *
 * The f32 sums of all blocks lie in memory. As variables V8 spills them to its stack, whose alignment hangs on who called whom: vectors
 * across cache lines cost q4_0 a quarter on one thread and nothing on another (EPYC Zen 4, Node 20, tokens/s: 97 or 135, here 142
 * on all). Both vectors of a group are computed before either is stored, else V8 pairs none of them (wide 155 -> 116).
 */
export function gemv8_q8_0_q16(sumAt: usize, at0: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  const bytes = <usize>blocks * BLOCK_BYTES;
  let at1 = at0 + bytes, at2 = at1 + bytes, at3 = at2 + bytes, at4 = at3 + bytes, at5 = at4 + bytes, at6 = at5 + bytes, at7 = at6 + bytes;
  for (let at = sumAt; at < sumAt + 256; at += 32) { v128.store(at, f32x4.splat(0), 0); v128.store(at, f32x4.splat(0), 16); }
  for (let block = 0; block < blocks; block++) {
    const row = v128.load32_splat(scaleAt);
    let xAt = panelAt;
    let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
    let end = at0 + SCALES;
    while (at0 < end) {
      const x = v128.load32_splat(xAt);
      c0 = Tile.dot(x, v128.load8x8_s(at0, 0), c0); c1 = Tile.dot(x, v128.load8x8_s(at0, 8), c1);
      c2 = Tile.dot(x, v128.load8x8_s(at1, 0), c2); c3 = Tile.dot(x, v128.load8x8_s(at1, 8), c3);
      c4 = Tile.dot(x, v128.load8x8_s(at2, 0), c4); c5 = Tile.dot(x, v128.load8x8_s(at2, 8), c5);
      c6 = Tile.dot(x, v128.load8x8_s(at3, 0), c6); c7 = Tile.dot(x, v128.load8x8_s(at3, 8), c7);
      at0 += 16; at1 += 16; at2 += 16; at3 += 16;
      xAt += 4;
    }
    const s0 = Tile.scale(v128.load(sumAt, 0), c0, row, v128.load(at0, 0)), s1 = Tile.scale(v128.load(sumAt, 16), c1, row, v128.load(at0, 16));
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
    const s2 = Tile.scale(v128.load(sumAt, 32), c2, row, v128.load(at1, 0)), s3 = Tile.scale(v128.load(sumAt, 48), c3, row, v128.load(at1, 16));
    v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    const s4 = Tile.scale(v128.load(sumAt, 64), c4, row, v128.load(at2, 0)), s5 = Tile.scale(v128.load(sumAt, 80), c5, row, v128.load(at2, 16));
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80);
    const s6 = Tile.scale(v128.load(sumAt, 96), c6, row, v128.load(at3, 0)), s7 = Tile.scale(v128.load(sumAt, 112), c7, row, v128.load(at3, 16));
    v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
    at0 += 32; at1 += 32; at2 += 32; at3 += 32;
    xAt = panelAt;
    c0 = i32x4.splat(0); c1 = c0; c2 = c0; c3 = c0; c4 = c0; c5 = c0; c6 = c0; c7 = c0;
    end = at4 + SCALES;
    while (at4 < end) {
      const x = v128.load32_splat(xAt);
      c0 = Tile.dot(x, v128.load8x8_s(at4, 0), c0); c1 = Tile.dot(x, v128.load8x8_s(at4, 8), c1);
      c2 = Tile.dot(x, v128.load8x8_s(at5, 0), c2); c3 = Tile.dot(x, v128.load8x8_s(at5, 8), c3);
      c4 = Tile.dot(x, v128.load8x8_s(at6, 0), c4); c5 = Tile.dot(x, v128.load8x8_s(at6, 8), c5);
      c6 = Tile.dot(x, v128.load8x8_s(at7, 0), c6); c7 = Tile.dot(x, v128.load8x8_s(at7, 8), c7);
      at4 += 16; at5 += 16; at6 += 16; at7 += 16;
      xAt += 4;
    }
    const s8 = Tile.scale(v128.load(sumAt, 128), c0, row, v128.load(at4, 0)), s9 = Tile.scale(v128.load(sumAt, 144), c1, row, v128.load(at4, 16));
    v128.store(sumAt, s8, 128); v128.store(sumAt, s9, 144);
    const s10 = Tile.scale(v128.load(sumAt, 160), c2, row, v128.load(at5, 0)), s11 = Tile.scale(v128.load(sumAt, 176), c3, row, v128.load(at5, 16));
    v128.store(sumAt, s10, 160); v128.store(sumAt, s11, 176);
    const s12 = Tile.scale(v128.load(sumAt, 192), c4, row, v128.load(at6, 0)), s13 = Tile.scale(v128.load(sumAt, 208), c5, row, v128.load(at6, 16));
    v128.store(sumAt, s12, 192); v128.store(sumAt, s13, 208);
    const s14 = Tile.scale(v128.load(sumAt, 224), c6, row, v128.load(at7, 0)), s15 = Tile.scale(v128.load(sumAt, 240), c7, row, v128.load(at7, 16));
    v128.store(sumAt, s14, 224); v128.store(sumAt, s15, 240);
    at4 += 32; at5 += 32; at6 += 32; at7 += 32;
    panelAt += 64;
    scaleAt += 4;
  }
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q8_0(outAt: usize, groupAt: usize, begin: i32, end: i32): void {
  let at = groupAt + <usize>(begin / BLOCK) * BLOCK_BYTES;
  for (let col = begin; col < end; col += BLOCK) {
    const scales0 = v128.load(at + SCALES, 0), scales1 = v128.load(at + SCALES, 16);
    for (let pair = 0; pair < 16; pair++, at += 16, outAt += 64) {
      // [8 outputs][2 k] -> two rows of k.
      const w = v128.load(at);
      const even_i16x8 = i16x8.shr_s(i16x8.shl(w, 8), 8), odd_i16x8 = i16x8.shr_s(w, 8);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(even_i16x8)), scales0), 0);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(even_i16x8)), scales1), 16);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(odd_i16x8)), scales0), 32);
      v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(odd_i16x8)), scales1), 48);
    }
    at += 32;
  }
}

/**
 * `lanes` stored rows (34-byte blocks: f16 scale, 32 i8), `rowBytes` apart, of `cols` inputs -> the blocks of one group; further lanes
 * become zeros.
 */
export function pack_q8_0(packedAt: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt;
    for (let col = 0; col < cols; col += BLOCK, from += 34, to += BLOCK_BYTES) {
      const half = alive ? <u32>load<u16>(from) : 0;
      store<f32>(to + SCALES + (lane << 2), Lanes.halfToF32(half));
      for (let pair: usize = 0; pair < 16; pair++) {
        store<u16>(to + pair * 16 + lane * 2, alive ? load<u16>(from + 2 + pair * 2) : 0);
      }
    }
  }
}
