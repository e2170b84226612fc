/**
 * q8_0 beside quads of i8 (bytes.ts): pack, dequantise, tiles and rows.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (288 bytes): [8 quads of k][8 outputs][4 k] bytes in excess 128, then
 * [8 outputs] f32 scales.
 *
 * Tile: s = W x for one group and h <= 6 rows; x [blocks][8 quads][h] quads of i8, scales [blocks][h] f32, sums of halves [blocks][h].
 */

import { BLOCK, GROUP, TYPE_Q8_0 } from "../abi";
import { Lanes } from "../lanes";
import { Bytes } from "./bytes";

/** Of 32 bytes before the scales. */
const UNITS: usize = 8;

export function tile_q8_0_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.tile(TYPE_Q8_0, false, h, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
}

export function tile_q8_0_q8_signed(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.tile(TYPE_Q8_0, true, h, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv4_q8_0_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.four(TYPE_Q8_0, false, sumAt, at, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv4_q8_0_q8_signed(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.four(TYPE_Q8_0, true, sumAt, at, panelAt, scaleAt, sumsAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q8_0_quads(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  let at = groupAt + <usize>(begin / BLOCK) * (UNITS + 1) * step;
  for (let col = begin; col < end; col += BLOCK) {
    const scalesAt = at + UNITS * step;
    for (let quad: usize = 0; quad < UNITS; quad++, outAt += 128) {
      for (let half: usize = 0; half < 32; half += 16) {
        Bytes.spread(outAt + half, Bytes.weight(true, v128.load(at + quad * step + half)), v128.load(scalesAt + half));
      }
    }
    at += (UNITS + 1) * step;
  }
}

/** As pack_q8_0, into quads. */
export function pack_q8_0_quads(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt;
    for (let col = 0; col < cols; col += BLOCK, from += 34, to += (UNITS + 1) * step) {
      const half = alive ? <u32>load<u16>(from) : 0;
      store<f32>(to + UNITS * step + (lane << 2), Lanes.halfToF32(half));
      for (let quad: usize = 0; quad < UNITS; quad++) store<u32>(to + quad * step + (lane << 2), alive ? load<u32>(from + 2 + (quad << 2)) ^ 0x80808080 : 0x80808080);
    }
  }
}
