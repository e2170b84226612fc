/**
 * Weights stored as q6_k, v = (d scale) (code - 32), a scale for 16 inputs: pack, dequantise, and by sixes.ts tiles that meet 8-bit activations.
 *
 * Packed form, per group of 8 outputs and 256 inputs (53 units of 32 bytes, 6.63 bits a weight, stored 6.56), woven (visits.ts):
 *
 *   d [8] f32 | 4 x two blocks' scales [8][2] i8, of the first and of the last 16 inputs of each
 *   | 8 blocks x 2 pairs of quads x (2 quads [8 outputs][4 bytes], low nibbles k = 4 quad .. 4 quad + 3, high nibbles k + 16
 *                                    , [8 outputs][4 bytes], two upper bits each of quads 2p, 2p + 4, 2p + 1, 2p + 5)
 */

import { GROUP } from "../abi";
import { Lanes } from "../lanes";
import { BLOCK_UNITS, CODES, HEAD, Sixes } from "./sixes";

/** Of 32 bytes a group: a super-block. */
const UNITS: usize = HEAD + 8 * BLOCK_UNITS;

export function tile_q6_k_q8(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  switch (h) {
    case 1: Sixes.rows(1, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 2: Sixes.rows(2, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 3: Sixes.rows(3, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 4: Sixes.rows(4, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 5: Sixes.rows(5, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    default: Sixes.rows(6, sumAt, weightAt, step, panelAt, recordAt, blocks);
  }
}

/** tile_q6_k_q8 with sums in i32, as tile_q4_0_q8_add. */
export function tile_q6_k_q8_add(h: i32, sumAt: usize, weightAt: usize, step: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  switch (h) {
    case 1: Sixes.rowsAdd(1, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 2: Sixes.rowsAdd(2, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 3: Sixes.rowsAdd(3, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 4: Sixes.rowsAdd(4, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    case 5: Sixes.rowsAdd(5, sumAt, weightAt, step, panelAt, recordAt, blocks); break;
    default: Sixes.rowsAdd(6, sumAt, weightAt, step, panelAt, recordAt, blocks);
  }
}

/** One row, a visit, eight blocks: sums [32] go on. The same sums in the same order as the tile of one row. */
export function gemv4_q6_k_q8(sumAt: usize, at: usize, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Sixes.four(sumAt, at, panelAt, recordAt, integersAt, blocks);
}

/** The same of one or two visits whose groups lie apart, any number of super-blocks. */
export function gemv8_q6_k_q8(sumAt: usize, at: usize, lane: usize, visits: i32, panelAt: usize, recordAt: usize, integersAt: usize, blocks: i32): void {
  Sixes.apart(sumAt, at, lane, visits, panelAt, recordAt, integersAt, blocks);
}

/** Sixteen codes, [4 outputs][4 k] bytes -> out [4 k][8 outputs] f32 (one half). */
@inline function spread(outAt: usize, codes: v128, scales: v128): void {
  const low = i32x4.splat(255), offset = i32x4.splat(32);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(codes, low), offset)), scales), 0);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(i32x4.shr_u(codes, 8), low), offset)), scales), 32);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(v128.and(i32x4.shr_u(codes, 16), low), offset)), scales), 64);
  v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(codes, 24), offset)), scales), 96);
}

/** Inputs [begin, end) of one packed group (multiples of 32) -> out [end - begin][8] f32. */
export function dequantize_q6_k(outAt: usize, groupAt: usize, step: usize, begin: i32, end: i32): void {
  const mask = i8x16.splat(15), upper = i8x16.splat(48), low = i32x4.splat(0xffff);
  for (let block = begin >> 5; block < end >> 5; block++, outAt += 1024) {
    const headAt = groupAt + <usize>(block >> 3) * UNITS * step, codesAt = headAt + (HEAD + <usize>(block & 7) * BLOCK_UNITS) * step;
    const pairsAt = headAt + (1 + <usize>(block >> 1 & 3)) * step + (<usize>(block & 1) << 4);
    for (let half: usize = 0; half < 2; half++) {
      const d = v128.load(headAt + (half << 4)), pairs = v128.load8x8_s(pairsAt + (half << 3));
      const first = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(pairs, 16), 16))), last = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.shr_s(pairs, 16)));
      for (let pair: usize = 0; pair < 2; pair++) {
        const at = codesAt + (CODES + 1) * pair * step + (half << 4), to = outAt + (pair << 8) + (half << 4);
        const w = v128.load(at), u = v128.load(at + step), bits = v128.load(at + CODES * step);
        spread(to, v128.or(v128.and(w, mask), v128.and(i16x8.shl(bits, 4), upper)), first);
        spread(to + 128, v128.or(v128.and(u, mask), v128.and(bits, upper)), first);
        spread(to + 512, v128.or(v128.and(i16x8.shr_u(w, 4), mask), v128.and(i16x8.shl(bits, 2), upper)), last);
        spread(to + 640, v128.or(v128.and(i16x8.shr_u(u, 4), mask), v128.and(i16x8.shr_u(bits, 2), upper)), last);
      }
    }
  }
}

/**
 * `lanes` stored rows (210-byte blocks of 256: 128 bytes of nibbles, 64 of upper bits, 16 i8 scales, f16 d), `rowBytes` apart, of `cols`
 * inputs -> the super-blocks of one group; further lanes become zeros.
 */
export function pack_q6_k(packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    const alive = <i32>lane < lanes;
    let from = sourceAt + lane * rowBytes, to = packedAt;
    for (let col = 0; col < cols; col += 256, from += 210, to += UNITS * step) {
      const scale = alive ? <u32>load<u16>(from + 208) : 0;
      store<f32>(to + (lane << 2), Lanes.halfToF32(scale));
      for (let block: u32 = 0; block < 8; block++) {
        store<u16>(to + (1 + <usize>(block >> 1)) * step + (<usize>(block & 1) << 4) + (lane << 1), alive ? load<u16>(from + 192 + (<usize>block << 1)) : 0);
        // A half of 128 inputs holds four blocks: nibbles low, low, high, high of 64 bytes, upper bits 2 x block of 32.
        const nibbleAt = from + (<usize>(block >> 2) << 6) + (<usize>(block & 1) << 5), nibbleShift = (block >> 1 & 1) << 2;
        const upperFrom = from + 128 + (<usize>(block >> 2) << 5), upperShift = (block & 3) << 1;
        const codesTo = to + (HEAD + <usize>block * BLOCK_UNITS) * step + (lane << 2);
        for (let pair: usize = 0; pair < 2; pair++) {
          let bits: u32 = 0;
          for (let second: usize = 0; second < 2; second++) {
            const quad = (pair << 1) + second;
            const low = alive ? load<u32>(nibbleAt + (quad << 2)) >> nibbleShift & 0x0f0f0f0f : 0;
            const high = alive ? load<u32>(nibbleAt + 16 + (quad << 2)) >> nibbleShift & 0x0f0f0f0f : 0;
            store<u32>(codesTo + ((CODES + 1) * pair + second) * step, low | high << 4);
            const lowBits = alive ? load<u32>(upperFrom + (quad << 2)) >> upperShift & 0x03030303 : 0;
            const highBits = alive ? load<u32>(upperFrom + 16 + (quad << 2)) >> upperShift & 0x03030303 : 0;
            bits |= (lowBits | highBits << 2) << (<u32>second << 2);
          }
          store<u32>(codesTo + ((CODES + 1) * pair + CODES) * step, bits);
        }
      }
    }
  }
}
