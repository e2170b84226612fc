/**
 * Weights stored as q5_k, v = (d scale) code - (dmin min). Packed form, tile and exactness: supers.ts.
 *
 * 5.75 bits a weight (stored 5.5).
 */

import { TYPE_Q5_K } from "../abi";
import { Supers } from "./supers";

export function tile_q5_k_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.tile(TYPE_Q5_K, false, h, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks);
}

/** tile_q5_k_q8 with sums in i32, as tile_q4_0_q8_add. */
export function tile_q5_k_q8_add(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.tile(TYPE_Q5_K, true, h, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks);
}

/** One row, a visit, eight blocks: sums [32] go on. */
export function gemv4_q5_k_q8(sumAt: usize, at: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.four(TYPE_Q5_K, sumAt, at, panelAt, recordAt, integersAt, blocks);
}

/** The same of one or two visits whose groups lie apart, any number of super-blocks. */
export function gemv8_q5_k_q8(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.apart(TYPE_Q5_K, sumAt, at, lane, visits, panelAt, recordAt, integersAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q5_k(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  Supers.dequantize(TYPE_Q5_K, outAt, groupAt, step, begin, end);
}

/**
 * `lanes` stored rows (176-byte blocks of 256: f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 32 bytes of fifth bits, 128 bytes of nibbles), `rowBytes`
 * apart, of `cols` inputs -> the super-blocks of one group; further lanes become zeros.
 */
export function pack_q5_k(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  Supers.pack(TYPE_Q5_K, packedAt, step, sourceAt, rowBytes, lanes, cols);
}
