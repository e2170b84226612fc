/**
 * Weights stored as q4_k, v = (d scale) code - (dmin min). Packed form, tile and exactness: supers.ts.
 *
 * 4.75 bits a weight (stored 4.5): scales stay 6-bit integers, since the dot that widens multiplies by them for nothing.
 */

import { TYPE_Q4_K } from "../abi";
import { Supers } from "./supers";

export function tile_q4_k_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.tile(TYPE_Q4_K, false, h, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks);
}

/** tile_q4_k_q8 with sums in i32, as tile_q4_0_q8_add. */
export function tile_q4_k_q8_add(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.tile(TYPE_Q4_K, true, h, sumAt, weightAt, step, panelAt, recordAt, integersAt, blocks);
}

/** One row, a visit, eight blocks: sums [32] go on. */
export function gemv4_q4_k_q8(sumAt: usize, at: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.four(TYPE_Q4_K, sumAt, at, panelAt, recordAt, integersAt, blocks);
}

/** The same of one or two visits whose groups lie apart, any number of super-blocks. */
export function gemv8_q4_k_q8(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Supers.apart(TYPE_Q4_K, sumAt, at, lane, visits, panelAt, recordAt, integersAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q4_k(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  Supers.dequantize(TYPE_Q4_K, outAt, groupAt, step, begin, end);
}

/**
 * `lanes` stored rows (144-byte blocks of 256: f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 128 bytes of nibbles), `rowBytes`
 * apart, of `cols` inputs -> the super-blocks of one group; further lanes become zeros.
 */
export function pack_q4_k(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  Supers.pack(TYPE_Q4_K, packedAt, step, sourceAt, rowBytes, lanes, cols);
}
