/**
 * q8_0 beside quads of i8 (bytes.ts), or of both bytes of 16 bits (sixteens.ts): pack, dequantise, tiles and rows.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (288 bytes): [8 quads of k][8 outputs][4 k] bytes in excess 128, then
 * [8 outputs] f32 scales.
 *
 * Tile: s = W x for one group and h <= 6 rows; x [blocks][8 quads][h] quads of i8, scales [blocks][h] f32, sums of halves [blocks][h].
 */

import { BLOCK, GROUP, TYPE_Q8_0 } from "../abi";
import { Lanes } from "../lanes";
import { Bytes } from "./bytes";
import { Rows } from "./rows";
import { Sixteens, UNITS } from "./sixteens";

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

export function gemv8_q8_0_q8(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.apart(false, sumAt, at, lane, visits, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv8_q8_0_q8_signed(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.apart(true, sumAt, at, lane, visits, panelAt, scaleAt, sumsAt, blocks);
}

export function tile_q8_0_q16_bytes(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Sixteens.tile(false, h, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks);
}

export function tile_q8_0_q16_bytes_signed(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Sixteens.tile(true, h, sumAt, weightAt, step, panelAt, scaleAt, startAt, blocks);
}

export function gemv4_q8_0_q16_bytes(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Sixteens.four(false, sumAt, at, panelAt, scaleAt, startAt, blocks);
}

export function gemv4_q8_0_q16_bytes_signed(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Sixteens.four(true, sumAt, at, panelAt, scaleAt, startAt, blocks);
}

export function gemv8_q8_0_q16_bytes(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Sixteens.apart(false, sumAt, at, lane, visits, panelAt, scaleAt, startAt, blocks);
}

export function gemv8_q8_0_q16_bytes_signed(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Sixteens.apart(true, sumAt, at, lane, visits, panelAt, scaleAt, startAt, blocks);
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
  for (let col = 0; col < cols; col += BLOCK, sourceAt += 34, packedAt += (UNITS + 1) * step) {
    Rows.quads(packedAt, step, sourceAt + 2, rowBytes, lanes, 0, Lanes.signs());
    Rows.quads(packedAt + (UNITS / 2) * step, step, sourceAt + 18, rowBytes, lanes, 0, Lanes.signs());
    Rows.scales(packedAt + UNITS * step, sourceAt, rowBytes, lanes);
  }
}
