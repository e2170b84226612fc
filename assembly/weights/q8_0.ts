/**
 * Weights stored as q8_0: pack, embed, dequantise, and the register tiles that meet 16-bit activations.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (288 bytes):
 *
 *   [16 pairs of k][8 outputs][2 k] i8, then [8 outputs] f32 scales
 *
 * tile_q8_0_q16, s = W x for one group and h <= 6 rows:
 *
 *   s  [h][8]            f32   written
 *   w  [blocks] of the form above
 *   x  [blocks][16][h]   pairs of i16 (PANEL_Q16_PAIRS), scales [blocks][h] f32
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
 * One row, two groups that follow each other: s [16] f32. The same sums in the same order as the tile of one row; here they
 * fit in registers, and a load of x serves 16 outputs.
 */
export function gemv2_q8_0_q16(sumAt: usize, weightAt: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  let nextAt = weightAt + <usize>blocks * BLOCK_BYTES;
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let block = 0; block < blocks; block++) {
    let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
    const end = weightAt + SCALES;
    while (weightAt < end) {
      const x = v128.load32_splat(panelAt);
      c0 = Tile.dot(x, v128.load8x8_s(weightAt, 0), c0);
      c1 = Tile.dot(x, v128.load8x8_s(weightAt, 8), c1);
      c2 = Tile.dot(x, v128.load8x8_s(nextAt, 0), c2);
      c3 = Tile.dot(x, v128.load8x8_s(nextAt, 8), c3);
      weightAt += 16;
      nextAt += 16;
      panelAt += 4;
    }
    const row = v128.load32_splat(scaleAt);
    s0 = f32x4.add(s0, f32x4.mul(f32x4.convert_i32x4_s(c0), f32x4.mul(row, v128.load(weightAt, 0))));
    s1 = f32x4.add(s1, f32x4.mul(f32x4.convert_i32x4_s(c1), f32x4.mul(row, v128.load(weightAt, 16))));
    s2 = f32x4.add(s2, f32x4.mul(f32x4.convert_i32x4_s(c2), f32x4.mul(row, v128.load(nextAt, 0))));
    s3 = f32x4.add(s3, f32x4.mul(f32x4.convert_i32x4_s(c3), f32x4.mul(row, v128.load(nextAt, 16))));
    weightAt += 32;
    nextAt += 32;
    scaleAt += 4;
  }
  v128.store(sumAt, s0, 0);
  v128.store(sumAt, s1, 16);
  v128.store(sumAt, s2, 32);
  v128.store(sumAt, s3, 48);
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

/** Row `row` of a packed matrix -> out [cols] f32. */
export function embed_q8_0(outAt: usize, weightAt: usize, row: i32, cols: i32): void {
  const blocks = cols / BLOCK;
  const lane = <usize>(row % GROUP);
  let at = weightAt + <usize>(row / GROUP) * <usize>blocks * BLOCK_BYTES;
  for (let block = 0; block < blocks; block++, at += BLOCK_BYTES) {
    const scale = load<f32>(at + SCALES + (lane << 2));
    for (let k: usize = 0; k < <usize>BLOCK; k++, outAt += 4) {
      store<f32>(outAt, <f32>load<i8>(at + (k >> 1) * 16 + lane * 2 + (k & 1)) * scale);
    }
  }
}

/**
 * Stored rows (34-byte blocks: f16 scale, 32 i8) from rowBegin -> packed group `group`. Rows past the matrix become zeros.
 * Returns false where a scale is NaN or infinite.
 */
export function pack_q8_0(packedAt: usize, sourceAt: usize, rows: i32, cols: i32, rowBegin: i32, group: i32): bool {
  const blocks = cols / BLOCK;
  const groupAt = packedAt + <usize>group * <usize>blocks * BLOCK_BYTES;
  let finite = true;
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const row = group * GROUP + <i32>lane;
    let from = sourceAt + <usize>(row - rowBegin) * <usize>blocks * 34;
    let to = groupAt;
    for (let block = 0; block < blocks; block++, from += 34, to += BLOCK_BYTES) {
      const alive = row < rows;
      const half = alive ? <u32>load<u16>(from) : 0;
      finite = finite && (half & 0x7c00) !== 0x7c00;
      store<f32>(to + SCALES + (lane << 2), f32x4.extract_lane(Lanes.widenF16(i32x4.splat(half)), 0));
      for (let pair: usize = 0; pair < 16; pair++) {
        store<u16>(to + pair * 16 + lane * 2, alive ? load<u16>(from + 2 + pair * 2) : 0);
      }
    }
  }
  return finite;
}
