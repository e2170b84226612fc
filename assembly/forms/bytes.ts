/**
 * Weights of signed bytes that meet quads of i8 (FORM_Q8_QUADS) in one dot of bytes: q8_0 and iq4_nl where the processor has such a dot.
 *
 * What `i32x4.relaxed_dot_i8x16_i7x16_add_s` makes of its second operand beyond 0..127 is the processor's affair. AVX-VNNI takes it for an
 * unsigned byte (vpdpbusd): so weights are held in excess 128, and what is too much, 128 x the sum of the activations, is where the sum of a
 * block begins. Neon and AVX-VNNI-INT8 take it for a signed one: there 128 is taken off every weight. Both give the exact integers that
 * pairs of i16 give everywhere else, where two products saturate; src/runtime/dot.ts asks which it is.
 *
 * Exact: |sum| <= 32 x 127 x 255 < 2^21; its conversion to f32 and its scaling round as in q8_0.ts.
 */

import { Lanes } from "../lanes";

export class Bytes {
  /** A weight in excess 128 as the dot wants it. */
  @inline static weight(signed: bool, excess: v128): v128 {
    return signed ? v128.xor(excess, Lanes.signs()) : excess;
  }

  /** Where the sum of a block begins: its activations' sums of halves lie at `sumsAt`. */
  @inline static begin(signed: bool, sumsAt: usize): v128 {
    return signed ? i32x4.splat(0) : i32x4.dot_i16x8_s(v128.load32_splat(sumsAt), i16x8.splat(-128));
  }

  /** s + integers * (row scale * output scales). */
  @inline static scale(sum: v128, integers: v128, row: v128, scales: v128): v128 {
    return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(integers), f32x4.mul(row, scales)));
  }

  /** [4 outputs][4 k] i8 -> one half of four rows of k. */
  @inline static spread(outAt: usize, w: v128, scales: v128): void {
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(w, 24), 24)), scales), 0);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(w, 16), 24)), scales), 32);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(w, 8), 24)), scales), 64);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(w, 24)), scales), 96);
  }
}

/** Four equal products of bytes, a sum of them, as the dot of this build makes it. */
export function byte_dot(activation: i32, weight: i32): i32 {
  return i32x4.extract_lane(Lanes.dotAddI8I7(i8x16.splat(<i8>activation), i8x16.splat(<i8>weight), i32x4.splat(0)), 0);
}
