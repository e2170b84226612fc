/**
 * iq4_nl beside quads of i8 (bytes.ts): tiles, rows, dequantise. iq4_nl.ts packs them.
 *
 * Packed form, per group of 8 outputs and block of 32 inputs (160 bytes), as q4_0: [4 quads][8 outputs][4 bytes], low nibbles k = 4 quad ..
 * 4 quad + 3, high nibbles k + 16; then [8 outputs] f32 scales. Codes become bytes in excess 128 by their table.
 */

import { BLOCK, TYPE_IQ4_NL } from "../abi";
import { Bytes } from "./bytes";

/** Of 32 bytes before the scales. */
const UNITS: usize = 4;

export function tile_iq4_nl_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.tile(TYPE_IQ4_NL, false, h, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
}

export function tile_iq4_nl_q8_signed(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.tile(TYPE_IQ4_NL, true, h, sumAt, weightAt, step, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv4_iq4_nl_q8(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.four(TYPE_IQ4_NL, false, sumAt, at, panelAt, scaleAt, sumsAt, blocks);
}

export function gemv4_iq4_nl_q8_signed(sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Bytes.four(TYPE_IQ4_NL, true, sumAt, at, panelAt, scaleAt, sumsAt, blocks);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_iq4_nl_quads(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  let at = groupAt + <usize>(begin / BLOCK) * (UNITS + 1) * step;
  for (let col = begin; col < end; col += BLOCK, outAt += 1024) {
    for (let half: usize = 0; half < 32; half += 16) {
      const scales = v128.load(at + UNITS * step + half);
      for (let quad: usize = 0; quad < UNITS; quad++) {
        const codes = v128.load(at + quad * step + half), to = outAt + half + (quad << 7);
        Bytes.spread(to, Bytes.first(TYPE_IQ4_NL, true, codes), scales);
        Bytes.spread(to + 512, Bytes.second(true, codes), scales);
      }
    }
    at += (UNITS + 1) * step;
  }
}
