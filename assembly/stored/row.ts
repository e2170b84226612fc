/** What files store: one row of any type <-> f32. Counts are whole blocks. Every function is a plain walk over bytes, for any bytes. */

import {
  BF16_BYTES, BF16_VALUES, F16_BYTES, F16_VALUES, F32_BYTES, F32_VALUES, IQ4_NL_BYTES, IQ4_NL_VALUES, IQ4_XS_BYTES, IQ4_XS_VALUES, MXFP4_BYTES,
  MXFP4_VALUES, Q2_K_BYTES, Q2_K_VALUES, Q3_K_BYTES, Q3_K_VALUES, Q4_0_BYTES, Q4_0_VALUES, Q4_1_BYTES, Q4_1_VALUES, Q4_K_BYTES, Q4_K_VALUES,
  Q5_0_BYTES, Q5_0_VALUES, Q5_1_BYTES, Q5_1_VALUES, Q5_K_BYTES, Q5_K_VALUES, Q6_K_BYTES, Q6_K_VALUES, Q8_0_BYTES, Q8_0_VALUES, TQ1_0_BYTES,
  TQ1_0_VALUES, TQ2_0_BYTES, TQ2_0_VALUES, TYPE_BF16, TYPE_F16, TYPE_F32, TYPE_F8_E4M3, TYPE_IQ4_NL, TYPE_IQ4_XS, TYPE_MXFP4, TYPE_Q2_K, TYPE_Q3_K,
  TYPE_Q4_0, TYPE_Q4_1, TYPE_Q4_K, TYPE_Q5_0, TYPE_Q5_1, TYPE_Q5_K, TYPE_Q6_K, TYPE_Q8_0, TYPE_TQ1_0, TYPE_TQ2_0,
} from "../abi";
import { encode_q4_k, encode_q5_k, encode_q6_k } from "./encode_k";
import { decode_bf16, decode_f16, decode_f32, decode_f8_e4m3, encode_bf16, encode_f16 } from "./float";
import { Half } from "./half";
import { decode_iq4_nl, decode_iq4_xs, decode_mxfp4, finite_mxfp4 } from "./iq4";
import { decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k } from "./k";
import {
  decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1, decode_q8_0, encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_q8_0,
} from "./legacy";
import { decode_tq1_0, decode_tq2_0 } from "./ternary";

/** Bytes of `count` stored values, whole blocks. */
export function row_bytes(type: u32, count: i32): usize {
  switch (type) {
    case TYPE_F32: return <usize>(count / F32_VALUES) * F32_BYTES;
    case TYPE_F16: return <usize>(count / F16_VALUES) * F16_BYTES;
    case TYPE_BF16: return <usize>(count / BF16_VALUES) * BF16_BYTES;
    case TYPE_Q8_0: return <usize>(count / Q8_0_VALUES) * Q8_0_BYTES;
    case TYPE_Q4_0: return <usize>(count / Q4_0_VALUES) * Q4_0_BYTES;
    case TYPE_Q4_1: return <usize>(count / Q4_1_VALUES) * Q4_1_BYTES;
    case TYPE_Q5_0: return <usize>(count / Q5_0_VALUES) * Q5_0_BYTES;
    case TYPE_Q5_1: return <usize>(count / Q5_1_VALUES) * Q5_1_BYTES;
    case TYPE_Q2_K: return <usize>(count / Q2_K_VALUES) * Q2_K_BYTES;
    case TYPE_Q3_K: return <usize>(count / Q3_K_VALUES) * Q3_K_BYTES;
    case TYPE_Q4_K: return <usize>(count / Q4_K_VALUES) * Q4_K_BYTES;
    case TYPE_Q5_K: return <usize>(count / Q5_K_VALUES) * Q5_K_BYTES;
    case TYPE_Q6_K: return <usize>(count / Q6_K_VALUES) * Q6_K_BYTES;
    case TYPE_IQ4_NL: return <usize>(count / IQ4_NL_VALUES) * IQ4_NL_BYTES;
    case TYPE_IQ4_XS: return <usize>(count / IQ4_XS_VALUES) * IQ4_XS_BYTES;
    case TYPE_MXFP4: return <usize>(count / MXFP4_VALUES) * MXFP4_BYTES;
    case TYPE_TQ1_0: return <usize>(count / TQ1_0_VALUES) * TQ1_0_BYTES;
    case TYPE_TQ2_0: return <usize>(count / TQ2_0_VALUES) * TQ2_0_BYTES;
    default: return <usize>count; // f8_e4m3
  }
}

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
    case TYPE_Q8_0: return Finite.scales(fromAt, small, Q8_0_BYTES, 0, false);
    case TYPE_Q4_0: case TYPE_IQ4_NL: return Finite.scales(fromAt, small, IQ4_NL_BYTES, 0, false);
    case TYPE_Q4_1: return Finite.scales(fromAt, small, Q4_1_BYTES, 0, true);
    case TYPE_Q5_0: return Finite.scales(fromAt, small, Q5_0_BYTES, 0, false);
    case TYPE_Q5_1: return Finite.scales(fromAt, small, Q5_1_BYTES, 0, true);
    case TYPE_Q2_K: return Finite.scales(fromAt, large, Q2_K_BYTES, 80, true);
    case TYPE_Q3_K: return Finite.scales(fromAt, large, Q3_K_BYTES, 108, false);
    case TYPE_Q4_K: return Finite.scales(fromAt, large, Q4_K_BYTES, 0, true);
    case TYPE_Q5_K: return Finite.scales(fromAt, large, Q5_K_BYTES, 0, true);
    case TYPE_Q6_K: return Finite.scales(fromAt, large, Q6_K_BYTES, 208, false);
    case TYPE_IQ4_XS: return Finite.scales(fromAt, large, IQ4_XS_BYTES, 0, false);
    case TYPE_MXFP4: return finite_mxfp4(fromAt, count);
    case TYPE_TQ1_0: return Finite.scales(fromAt, large, TQ1_0_BYTES, 52, false);
    case TYPE_TQ2_0: return Finite.scales(fromAt, large, TQ2_0_BYTES, 64, false);
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
