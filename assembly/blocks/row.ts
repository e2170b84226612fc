/** What files store: one row of any type <-> f32. Counts are whole blocks. Every function is a plain walk over bytes, for any bytes. */

import {
  TYPE_BF16, TYPE_F16, TYPE_F32, TYPE_F8_E4M3, TYPE_IQ4_NL, TYPE_IQ4_XS, TYPE_MXFP4, TYPE_Q2_K, TYPE_Q3_K, TYPE_Q4_0, TYPE_Q4_1, TYPE_Q4_K,
  TYPE_Q5_0, TYPE_Q5_1, TYPE_Q5_K, TYPE_Q6_K, TYPE_Q8_0, TYPE_TQ1_0, TYPE_TQ2_0,
} from "../abi";
import { encode_bf16, encode_f16, encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_q8_0 } from "./encode";
import { encode_q4_k, encode_q5_k, encode_q6_k } from "./encode_k";
import { decode_bf16, decode_f16, decode_f32, decode_f8_e4m3 } from "./float";
import { Half } from "./half";
import { decode_iq4_nl, decode_iq4_xs, decode_mxfp4, finite_mxfp4 } from "./iq4";
import { decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k } from "./k";
import { decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1, decode_q8_0 } from "./legacy";
import { decode_tq1_0, decode_tq2_0 } from "./ternary";

/** out[0..count) = the values of the stored row, each rounded as ggml rounds it. False: no such type, nothing written. */
export function decode_row(type: u32, outAt: usize, fromAt: usize, count: i32): bool {
  switch (type) {
    case TYPE_F32: decode_f32(outAt, fromAt, count); return true;
    case TYPE_F16: decode_f16(outAt, fromAt, count); return true;
    case TYPE_BF16: decode_bf16(outAt, fromAt, count); return true;
    case TYPE_Q8_0: decode_q8_0(outAt, fromAt, count); return true;
    case TYPE_Q4_0: decode_q4_0(outAt, fromAt, count); return true;
    case TYPE_Q4_1: decode_q4_1(outAt, fromAt, count); return true;
    case TYPE_Q5_0: decode_q5_0(outAt, fromAt, count); return true;
    case TYPE_Q5_1: decode_q5_1(outAt, fromAt, count); return true;
    case TYPE_Q2_K: decode_q2_k(outAt, fromAt, count); return true;
    case TYPE_Q3_K: decode_q3_k(outAt, fromAt, count); return true;
    case TYPE_Q4_K: decode_q4_k(outAt, fromAt, count); return true;
    case TYPE_Q5_K: decode_q5_k(outAt, fromAt, count); return true;
    case TYPE_Q6_K: decode_q6_k(outAt, fromAt, count); return true;
    case TYPE_IQ4_NL: decode_iq4_nl(outAt, fromAt, count); return true;
    case TYPE_IQ4_XS: decode_iq4_xs(outAt, fromAt, count); return true;
    case TYPE_MXFP4: decode_mxfp4(outAt, fromAt, count); return true;
    case TYPE_TQ1_0: decode_tq1_0(outAt, fromAt, count); return true;
    case TYPE_TQ2_0: decode_tq2_0(outAt, fromAt, count); return true;
    case TYPE_F8_E4M3: decode_f8_e4m3(outAt, fromAt, count); return true;
    default: return false;
  }
}

class Finite {
  /** Every f16 at `first` of blocks of `bytes`, and the one after it where `pair`. */
  @inline static scales(fromAt: usize, blocks: i32, bytes: usize, first: usize, pair: bool): bool {
    const end = fromAt + <usize>blocks * bytes;
    for (; fromAt < end; fromAt += bytes) {
      if (!Half.isFinite(fromAt + first)) return false;
      if (pair && !Half.isFinite(fromAt + first + 2)) return false;
    }
    return true;
  }

  /** Every 16-bit element: its exponent bits are not all ones. */
  @inline static halves(fromAt: usize, count: i32, exponent: u16): bool {
    const end = fromAt + ((<usize>count & ~7) << 1), ones = i16x8.splat(exponent);
    let bad = i16x8.splat(0);
    for (; fromAt < end; fromAt += 16) bad = v128.or(bad, i16x8.eq(v128.and(v128.load(fromAt), ones), ones));
    if (v128.any_true(bad)) return false;
    for (let i: usize = 0; i < <usize>(count & 7); i++) if ((load<u16>(fromAt + (i << 1)) & exponent) == exponent) return false;
    return true;
  }

  @inline static f32(fromAt: usize, count: i32): bool {
    const end = fromAt + ((<usize>count & ~3) << 2), ones = i32x4.splat(0x7f800000);
    let bad = i32x4.splat(0);
    for (; fromAt < end; fromAt += 16) bad = v128.or(bad, i32x4.eq(v128.and(v128.load(fromAt), ones), ones));
    if (v128.any_true(bad)) return false;
    for (let i: usize = 0; i < <usize>(count & 3); i++) if ((load<u32>(fromAt + (i << 2)) & 0x7f800000) == 0x7f800000) return false;
    return true;
  }

  @inline static f8(fromAt: usize, count: i32): bool {
    const end = fromAt + (<usize>count & ~15), ones = i8x16.splat(0x7f);
    let bad = i8x16.splat(0);
    for (; fromAt < end; fromAt += 16) bad = v128.or(bad, i8x16.eq(v128.and(v128.load(fromAt), ones), ones));
    if (v128.any_true(bad)) return false;
    for (let i: usize = 0; i < <usize>(count & 15); i++) if ((load<u8>(fromAt + i) & 0x7f) == 0x7f) return false;
    return true;
  }
}

/** Whether every value that the row decodes to is finite; false for an unknown type. */
export function finite_row(type: u32, fromAt: usize, count: i32): bool {
  const small = count >>> 5, large = count >>> 8;
  switch (type) {
    case TYPE_F32: return Finite.f32(fromAt, count);
    case TYPE_F16: return Finite.halves(fromAt, count, 0x7c00);
    case TYPE_BF16: return Finite.halves(fromAt, count, 0x7f80);
    case TYPE_Q8_0: return Finite.scales(fromAt, small, 34, 0, false);
    case TYPE_Q4_0: case TYPE_IQ4_NL: return Finite.scales(fromAt, small, 18, 0, false);
    case TYPE_Q4_1: return Finite.scales(fromAt, small, 20, 0, true);
    case TYPE_Q5_0: return Finite.scales(fromAt, small, 22, 0, false);
    case TYPE_Q5_1: return Finite.scales(fromAt, small, 24, 0, true);
    case TYPE_Q2_K: return Finite.scales(fromAt, large, 84, 80, true);
    case TYPE_Q3_K: return Finite.scales(fromAt, large, 110, 108, false);
    case TYPE_Q4_K: return Finite.scales(fromAt, large, 144, 0, true);
    case TYPE_Q5_K: return Finite.scales(fromAt, large, 176, 0, true);
    case TYPE_Q6_K: return Finite.scales(fromAt, large, 210, 208, false);
    case TYPE_IQ4_XS: return Finite.scales(fromAt, large, 136, 0, false);
    case TYPE_MXFP4: return finite_mxfp4(fromAt, count);
    case TYPE_TQ1_0: return Finite.scales(fromAt, large, 54, 52, false);
    case TYPE_TQ2_0: return Finite.scales(fromAt, large, 66, 64, false);
    case TYPE_F8_E4M3: return Finite.f8(fromAt, count);
    default: return false;
  }
}

/**
 * The row stored as `type`, byte for byte as ggml's reference quantisers store it. False: a type that nothing is written in, a value that
 * is not finite, or one too large for the type's f16.
 */
export function encode_row(type: u32, toAt: usize, xAt: usize, count: i32): bool {
  if (!Finite.f32(xAt, count)) return false;
  switch (type) {
    case TYPE_F32: memory.copy(toAt, xAt, (<usize>count) << 2); return true;
    case TYPE_F16: encode_f16(toAt, xAt, count); break;
    case TYPE_BF16: encode_bf16(toAt, xAt, count); break;
    case TYPE_Q8_0: encode_q8_0(toAt, xAt, count); break;
    case TYPE_Q4_0: encode_q4_0(toAt, xAt, count); break;
    case TYPE_Q4_1: encode_q4_1(toAt, xAt, count); break;
    case TYPE_Q5_0: encode_q5_0(toAt, xAt, count); break;
    case TYPE_Q5_1: encode_q5_1(toAt, xAt, count); break;
    case TYPE_Q4_K: encode_q4_k(toAt, xAt, count); break;
    case TYPE_Q5_K: encode_q5_k(toAt, xAt, count); break;
    case TYPE_Q6_K: encode_q6_k(toAt, xAt, count); break;
    default: return false;
  }
  return finite_row(type, toAt, count);
}
