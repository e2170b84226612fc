/**
 * Weights stored as q5_k, v = (d scale) code - (dmin min). Packed form, tile and exactness: quads.ts.
 *
 * 5.75 bits a weight (stored 5.5).
 */

import { TYPE_Q5_K } from "../abi";
import { Quads, SUPER_HEAD } from "./quads";

export function tile_q5_k_q8(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Quads.tile(TYPE_Q5_K, h, sumAt, weightAt, panelAt, scaleAt, blockSumAt, blocks);
}

function four(sumAt: usize, at: usize, apart: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Quads.four(TYPE_Q5_K, sumAt, at, apart, panelAt, scaleAt, blockSumAt, blocks);
}

/** One row, eight groups that follow each other: s [64] f32. Eight streams, as gemv8_q8_0_q16, four at a time. */
export function gemv8_q5_k_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  const apart = <usize>(blocks >> 3) * (SUPER_HEAD + 8 * Quads.blockBytes(TYPE_Q5_K));
  memory.fill(sumAt, 0, 256);
  for (let left = blocks; left > 0; left -= 8) {
    const now = min(left, 8);
    four(sumAt, at, apart, panelAt, scaleAt, blockSumAt, now);
    four(sumAt + 128, at + 4 * apart, apart, panelAt, scaleAt, blockSumAt, now);
    at += SUPER_HEAD + 8 * Quads.blockBytes(TYPE_Q5_K);
    panelAt += 256;
    scaleAt += 32;
    blockSumAt += 32;
  }
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q5_k(outAt: usize, groupAt: usize, begin: i32, end: i32): void {
  Quads.dequantize(TYPE_Q5_K, outAt, groupAt, begin, end);
}

/**
 * `lanes` stored rows (176-byte blocks of 256: f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 32 bytes of fifth bits, 128 bytes of nibbles), `rowBytes`
 * apart, of `cols` inputs -> the super-blocks of one group; further lanes become zeros.
 */
export function pack_q5_k(packedAt: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  Quads.packSupers(TYPE_Q5_K, packedAt, sourceAt, rowBytes, lanes, cols);
}
