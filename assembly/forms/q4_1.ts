/**
 * Weights stored as q4_1, v = d code + m. Packed form, tile and exactness: quads.ts.
 *
 * In cache 6 bits a weight: d and m as f32 beside the codes.
 */

import { BLOCK, GROUP, TYPE_Q4_1 } from "../abi";
import { Lanes } from "../lanes";
import { CODES, Quads } from "./quads";

export function tile_q4_1_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Quads.tile(TYPE_Q4_1, false, h, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks);
}

/** tile_q4_1_q8 with sums in i32, as tile_q4_0_q8_add. */
export function tile_q4_1_q8_add(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Quads.tile(TYPE_Q4_1, true, h, sumAt, weightAt, step, panelAt, scaleAt, blockSumAt, blocks);
}

/** One row, a visit, at most eight blocks: sums [32] go on. */
export function gemv4_q4_1_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  Quads.four(TYPE_Q4_1, sumAt, at, panelAt, scaleAt, blockSumAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q4_1(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  Quads.dequantize(TYPE_Q4_1, outAt, groupAt, step, begin, end);
}

/**
 * `lanes` stored rows (20-byte blocks: f16 d, f16 m, 16 bytes; byte j holds k = j low, k = j + 16 high), `rowBytes` apart, of `cols`
 * inputs -> the blocks of one group; further lanes become zeros.
 */
export function pack_q4_1(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt + (lane << 2);
    for (let col = 0; col < cols; col += BLOCK, from += 20, to += Quads.blockUnits(TYPE_Q4_1) * step) {
      const scale = alive ? <u32>load<u16>(from) : 0, least = alive ? <u32>load<u16>(from + 2) : 0;
      store<f32>(to + CODES * step, Lanes.halfToF32(scale));
      store<f32>(to + (CODES + 1) * step, Lanes.halfToF32(least));
      for (let quad: usize = 0; quad < 4; quad++) store<u32>(to + quad * step, alive ? load<u32>(from + 4 + (quad << 2)) : 0);
    }
  }
}
