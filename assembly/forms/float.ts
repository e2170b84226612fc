/**
 * Weights stored as f32, f16 or bf16: pack, embed, dequantise, and the f32 register tile.
 *
 * Packed form: groups of 8 outputs; a group is [cols][8] of the stored type, so one vector load gives four outputs of
 * one input and k runs upwards through memory. Missing outputs of the last group are zeros.
 *
 * f16 is packed with its exponents moved up by 10, subnormals normalised: what it widens to is then never a denormal f32, whose
 * multiplication costs hundreds of cycles (0.25 % of subnormals in N(0, 0.02) made a gemv 1.6 x slower). That needs weights
 * below 128; a matrix with larger ones is kept as f32.
 *
 * tile_f32, s += W x for one group and h <= 6 rows:
 *
 *   s  [h][8]      f32   sums, read and written: a caller continues them over pieces of k
 *   w  [cols][8]   f32
 *   x  [cols][h]   f32   FORM_F32
 *
 * Order: per output, k strictly upwards, one multiply and one add (fused only where the program says so).
 * Tried: unrolling k by 2 or 4 makes V8 spill (48 -> 33-38 GFLOP/s on Zen 3).
 */

import { GROUP, TILE_ROWS, TYPE_BF16, TYPE_F16, TYPE_F32 } from "../abi";
import { APART, FUSED, Lanes } from "../lanes";

class Tile {
  // One body for all heights: asc folds the comparisons of the literal h.
  @inline static f32(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, roundings: i32): void {
    let s00 = v128.load(sumAt, 0), s01 = v128.load(sumAt, 16);
    let s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    if (h > 1) { s10 = v128.load(sumAt, 32); s11 = v128.load(sumAt, 48); }
    if (h > 2) { s20 = v128.load(sumAt, 64); s21 = v128.load(sumAt, 80); }
    if (h > 3) { s30 = v128.load(sumAt, 96); s31 = v128.load(sumAt, 112); }
    if (h > 4) { s40 = v128.load(sumAt, 128); s41 = v128.load(sumAt, 144); }
    if (h > 5) { s50 = v128.load(sumAt, 160); s51 = v128.load(sumAt, 176); }
    const end = weightAt + ((<usize>cols) << 5);
    while (weightAt < end) {
      const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16);
      let x = v128.load32_splat(panelAt, 0);
      s00 = Lanes.multiplyAdd(x, w0, s00, roundings); s01 = Lanes.multiplyAdd(x, w1, s01, roundings);
      if (h > 1) { x = v128.load32_splat(panelAt, 4); s10 = Lanes.multiplyAdd(x, w0, s10, roundings); s11 = Lanes.multiplyAdd(x, w1, s11, roundings); }
      if (h > 2) { x = v128.load32_splat(panelAt, 8); s20 = Lanes.multiplyAdd(x, w0, s20, roundings); s21 = Lanes.multiplyAdd(x, w1, s21, roundings); }
      if (h > 3) { x = v128.load32_splat(panelAt, 12); s30 = Lanes.multiplyAdd(x, w0, s30, roundings); s31 = Lanes.multiplyAdd(x, w1, s31, roundings); }
      if (h > 4) { x = v128.load32_splat(panelAt, 16); s40 = Lanes.multiplyAdd(x, w0, s40, roundings); s41 = Lanes.multiplyAdd(x, w1, s41, roundings); }
      if (h > 5) { x = v128.load32_splat(panelAt, 20); s50 = Lanes.multiplyAdd(x, w0, s50, roundings); s51 = Lanes.multiplyAdd(x, w1, s51, roundings); }
      weightAt += 32;
      panelAt += <usize>(h << 2);
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); }
  }

  @inline static each(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, roundings: i32): void {
    switch (h) {
      case 1: Tile.f32(1, sumAt, weightAt, panelAt, cols, roundings); break;
      case 2: Tile.f32(2, sumAt, weightAt, panelAt, cols, roundings); break;
      case 3: Tile.f32(3, sumAt, weightAt, panelAt, cols, roundings); break;
      case 4: Tile.f32(4, sumAt, weightAt, panelAt, cols, roundings); break;
      case 5: Tile.f32(5, sumAt, weightAt, panelAt, cols, roundings); break;
      default: Tile.f32(6, sumAt, weightAt, panelAt, cols, roundings);
    }
  }
}

/** Multiply and add apart: attention, router, and every model with a quantised matrix. */
export function tile_f32(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Tile.each(h, sumAt, weightAt, panelAt, cols, APART);
}

/** Fused in the relaxed build: float matrices of a model that has no others. */
export function tile_f32_fused(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Tile.each(h, sumAt, weightAt, panelAt, cols, FUSED);
}

class Pair {
  // Two groups: in 256 bits the six chains of one do not hide a fused multiply-add's latency (6 x 8: 86 GFLOP/s, 6 x 16: 120).
  // In 128 bits this spills (47 instead of 65).
  @inline static f32(h: i32, sumAt: usize, weightAt: usize, nextAt: usize, panelAt: usize, cols: i32, roundings: i32): void {
    const otherAt = sumAt + <usize>(TILE_ROWS * GROUP * 4);
    let s00 = v128.load(sumAt, 0), s01 = v128.load(sumAt, 16), s02 = v128.load(otherAt, 0), s03 = v128.load(otherAt, 16);
    let s10 = s00, s11 = s00, s12 = s00, s13 = s00;
    let s20 = s00, s21 = s00, s22 = s00, s23 = s00;
    let s30 = s00, s31 = s00, s32 = s00, s33 = s00;
    let s40 = s00, s41 = s00, s42 = s00, s43 = s00;
    let s50 = s00, s51 = s00, s52 = s00, s53 = s00;
    if (h > 1) { s10 = v128.load(sumAt, 32); s11 = v128.load(sumAt, 48); s12 = v128.load(otherAt, 32); s13 = v128.load(otherAt, 48); }
    if (h > 2) { s20 = v128.load(sumAt, 64); s21 = v128.load(sumAt, 80); s22 = v128.load(otherAt, 64); s23 = v128.load(otherAt, 80); }
    if (h > 3) { s30 = v128.load(sumAt, 96); s31 = v128.load(sumAt, 112); s32 = v128.load(otherAt, 96); s33 = v128.load(otherAt, 112); }
    if (h > 4) { s40 = v128.load(sumAt, 128); s41 = v128.load(sumAt, 144); s42 = v128.load(otherAt, 128); s43 = v128.load(otherAt, 144); }
    if (h > 5) { s50 = v128.load(sumAt, 160); s51 = v128.load(sumAt, 176); s52 = v128.load(otherAt, 160); s53 = v128.load(otherAt, 176); }
    const end = weightAt + (<usize>cols << 5);
    while (weightAt < end) {
      const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16), w2 = v128.load(nextAt, 0), w3 = v128.load(nextAt, 16);
      let x = v128.load32_splat(panelAt, 0);
      s00 = Lanes.multiplyAdd(x, w0, s00, roundings); s01 = Lanes.multiplyAdd(x, w1, s01, roundings);
      s02 = Lanes.multiplyAdd(x, w2, s02, roundings); s03 = Lanes.multiplyAdd(x, w3, s03, roundings);
      if (h > 1) {
        x = v128.load32_splat(panelAt, 4);
        s10 = Lanes.multiplyAdd(x, w0, s10, roundings); s11 = Lanes.multiplyAdd(x, w1, s11, roundings);
        s12 = Lanes.multiplyAdd(x, w2, s12, roundings); s13 = Lanes.multiplyAdd(x, w3, s13, roundings);
      }
      if (h > 2) {
        x = v128.load32_splat(panelAt, 8);
        s20 = Lanes.multiplyAdd(x, w0, s20, roundings); s21 = Lanes.multiplyAdd(x, w1, s21, roundings);
        s22 = Lanes.multiplyAdd(x, w2, s22, roundings); s23 = Lanes.multiplyAdd(x, w3, s23, roundings);
      }
      if (h > 3) {
        x = v128.load32_splat(panelAt, 12);
        s30 = Lanes.multiplyAdd(x, w0, s30, roundings); s31 = Lanes.multiplyAdd(x, w1, s31, roundings);
        s32 = Lanes.multiplyAdd(x, w2, s32, roundings); s33 = Lanes.multiplyAdd(x, w3, s33, roundings);
      }
      if (h > 4) {
        x = v128.load32_splat(panelAt, 16);
        s40 = Lanes.multiplyAdd(x, w0, s40, roundings); s41 = Lanes.multiplyAdd(x, w1, s41, roundings);
        s42 = Lanes.multiplyAdd(x, w2, s42, roundings); s43 = Lanes.multiplyAdd(x, w3, s43, roundings);
      }
      if (h > 5) {
        x = v128.load32_splat(panelAt, 20);
        s50 = Lanes.multiplyAdd(x, w0, s50, roundings); s51 = Lanes.multiplyAdd(x, w1, s51, roundings);
        s52 = Lanes.multiplyAdd(x, w2, s52, roundings); s53 = Lanes.multiplyAdd(x, w3, s53, roundings);
      }
      weightAt += 32;
      nextAt += 32;
      panelAt += <usize>(h << 2);
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16); v128.store(otherAt, s02, 0); v128.store(otherAt, s03, 16);
    if (h > 1) { v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); v128.store(otherAt, s12, 32); v128.store(otherAt, s13, 48); }
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); v128.store(otherAt, s22, 64); v128.store(otherAt, s23, 80); }
    if (h > 3) { v128.store(sumAt, s30, 96); v128.store(sumAt, s31, 112); v128.store(otherAt, s32, 96); v128.store(otherAt, s33, 112); }
    if (h > 4) { v128.store(sumAt, s40, 128); v128.store(sumAt, s41, 144); v128.store(otherAt, s42, 128); v128.store(otherAt, s43, 144); }
    if (h > 5) { v128.store(sumAt, s50, 160); v128.store(sumAt, s51, 176); v128.store(otherAt, s52, 160); v128.store(otherAt, s53, 176); }
  }

  @inline static each(h: i32, sumAt: usize, weightAt: usize, nextAt: usize, panelAt: usize, cols: i32, roundings: i32): void {
    switch (h) {
      case 1: Pair.f32(1, sumAt, weightAt, nextAt, panelAt, cols, roundings); break;
      case 2: Pair.f32(2, sumAt, weightAt, nextAt, panelAt, cols, roundings); break;
      case 3: Pair.f32(3, sumAt, weightAt, nextAt, panelAt, cols, roundings); break;
      case 4: Pair.f32(4, sumAt, weightAt, nextAt, panelAt, cols, roundings); break;
      case 5: Pair.f32(5, sumAt, weightAt, nextAt, panelAt, cols, roundings); break;
      default: Pair.f32(6, sumAt, weightAt, nextAt, panelAt, cols, roundings);
    }
  }
}

/** tile_f32 of two groups, for 256-bit pairs: the sums of the second stand TILE_ROWS * 8 floats behind those of the first. */
export function tile2_f32(h: i32, sumAt: usize, weightAt: usize, nextAt: usize, panelAt: usize, cols: i32): void {
  Pair.each(h, sumAt, weightAt, nextAt, panelAt, cols, APART);
}

export function tile2_f32_fused(h: i32, sumAt: usize, weightAt: usize, nextAt: usize, panelAt: usize, cols: i32): void {
  Pair.each(h, sumAt, weightAt, nextAt, panelAt, cols, FUSED);
}

class Row {
  // Four groups that follow each other: eight chains of sums hide the latency of a fused multiply-add (f32 in cache: one group
  // 33 GB/s, two 65, four 84), and a load of x serves 32 outputs.
  @inline static four(type: i32, sumAt: usize, at0: usize, panelAt: usize, cols: i32, roundings: i32): void {
    const bytes = <usize>cols << (type === TYPE_F32 ? 5 : 4), step: usize = type === TYPE_F32 ? 32 : 16;
    let at1 = at0 + bytes, at2 = at1 + bytes, at3 = at2 + bytes;
    const end = at1;
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    while (at0 < end) {
      let x = v128.load32_splat(panelAt);
      if (type === TYPE_F16) x = f32x4.mul(x, f32x4.splat(reinterpret<f32>(0x6f800000))); // 2^96
      s0 = Lanes.multiplyAdd(x, Row.load(type, at0, 0), s0, roundings); s1 = Lanes.multiplyAdd(x, Row.load(type, at0, 1), s1, roundings);
      s2 = Lanes.multiplyAdd(x, Row.load(type, at1, 0), s2, roundings); s3 = Lanes.multiplyAdd(x, Row.load(type, at1, 1), s3, roundings);
      s4 = Lanes.multiplyAdd(x, Row.load(type, at2, 0), s4, roundings); s5 = Lanes.multiplyAdd(x, Row.load(type, at2, 1), s5, roundings);
      s6 = Lanes.multiplyAdd(x, Row.load(type, at3, 0), s6, roundings); s7 = Lanes.multiplyAdd(x, Row.load(type, at3, 1), s7, roundings);
      at0 += step; at1 += step; at2 += step; at3 += step;
      panelAt += 4;
    }
    if (type === TYPE_F16) {
      const back = f32x4.splat(64);
      s0 = f32x4.mul(s0, back); s1 = f32x4.mul(s1, back); s2 = f32x4.mul(s2, back); s3 = f32x4.mul(s3, back);
      s4 = f32x4.mul(s4, back); s5 = f32x4.mul(s5, back); s6 = f32x4.mul(s6, back); s7 = f32x4.mul(s7, back);
    }
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16); v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
    v128.store(sumAt, s4, 64); v128.store(sumAt, s5, 80); v128.store(sumAt, s6, 96); v128.store(sumAt, s7, 112);
  }

  /** Outputs 0-3 or 4-7 of one input. */
  @inline static load(type: i32, at: usize, half: i32): v128 {
    if (type === TYPE_F32) return half === 0 ? v128.load(at, 0) : v128.load(at, 16);
    if (type === TYPE_F16) return Lanes.widenPackedF16(half === 0 ? v128.load16x4_s(at, 0) : v128.load16x4_s(at, 8));
    return Lanes.widenBf16(half === 0 ? v128.load16x4_u(at, 0) : v128.load16x4_u(at, 8));
  }
}

/**
 * One row, four groups that follow each other: s [32] f32 = W x, the sums of the tile of one row in the same order. `_fused` as
 * tile_f32_fused; two functions, since the stores behind two loops of one would be merged, and V8 then pairs nothing.
 */
export function gemv4_f32_f32(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Row.four(TYPE_F32, sumAt, weightAt, panelAt, cols, APART);
}

export function gemv4_f32_f32_fused(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Row.four(TYPE_F32, sumAt, weightAt, panelAt, cols, FUSED);
}

export function gemv4_bf16_f32(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Row.four(TYPE_BF16, sumAt, weightAt, panelAt, cols, APART);
}

export function gemv4_bf16_f32_fused(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Row.four(TYPE_BF16, sumAt, weightAt, panelAt, cols, FUSED);
}

/**
 * The weights lack 2^102 and the activations get 2^96 instead, exactly: nothing is rounded otherwise than by the tile, as long as
 * `row_fits_f16` says so of the row. In cache 22 GB/s; with a multiplication for each weight 16.
 */
export function gemv4_f16_f32(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Row.four(TYPE_F16, sumAt, weightAt, panelAt, cols, APART);
}

export function gemv4_f16_f32_fused(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Row.four(TYPE_F16, sumAt, weightAt, panelAt, cols, FUSED);
}

/** Whether every |x| is 0 or in [2^-80, 2^31): times 2^96 none becomes infinite and no product of it denormal. */
export function row_fits_f16(xAt: usize, cols: i32): bool {
  const magnitude = i32x4.splat(0x7fffffff), one = i32x4.splat(1);
  let most = i32x4.splat(0), least = i32x4.splat(-1);
  const end = xAt + (<usize>(cols & ~3) << 2);
  let at = xAt;
  for (; at < end; at += 16) {
    const bits = v128.and(v128.load(at), magnitude);
    most = i32x4.max_u(most, bits);
    least = i32x4.min_u(least, i32x4.sub(bits, one)); // 0 becomes the largest
  }
  for (const stop = xAt + (<usize>cols << 2); at < stop; at += 4) {
    const bits = v128.and(v128.load32_splat(at), magnitude);
    most = i32x4.max_u(most, bits);
    least = i32x4.min_u(least, i32x4.sub(bits, one));
  }
  return !v128.any_true(v128.or(i32x4.ge_u(most, i32x4.splat((31 + 127) << 23)), i32x4.lt_u(least, i32x4.splat(((127 - 80) << 23) - 1))));
}

/** Inputs [begin, end) of one packed group -> out [end - begin][8] f32. */
export function dequantize_f16(outAt: usize, groupAt: usize, begin: i32, end: i32): void {
  const scale = f32x4.splat(reinterpret<f32>(0x72800000)); // 2^102
  let at = groupAt + (<usize>begin << 4);
  const stop = groupAt + (<usize>end << 4);
  for (; at < stop; at += 16, outAt += 32) {
    v128.store(outAt, f32x4.mul(Lanes.widenPackedF16(v128.load16x4_s(at, 0)), scale), 0);
    v128.store(outAt, f32x4.mul(Lanes.widenPackedF16(v128.load16x4_s(at, 8)), scale), 16);
  }
}

export function dequantize_bf16(outAt: usize, groupAt: usize, begin: i32, end: i32): void {
  let at = groupAt + (<usize>begin << 4);
  const stop = groupAt + (<usize>end << 4);
  for (; at < stop; at += 16, outAt += 32) {
    const eight_u16x8 = v128.load(at);
    v128.store(outAt, Lanes.widenBf16(i32x4.extend_low_i16x8_u(eight_u16x8)), 0);
    v128.store(outAt, Lanes.widenBf16(i32x4.extend_high_i16x8_u(eight_u16x8)), 16);
  }
}

/** One stored element of a float type as f32. */
export function widen_scalar(type: i32, at: usize): f32 {
  if (type === TYPE_F32) return load<f32>(at);
  const bits = <u32>load<u16>(at);
  if (type === TYPE_BF16) return reinterpret<f32>(bits << 16);
  return f32x4.extract_lane(Lanes.widenF16(i32x4.splat(bits)), 0);
}

/** Row `row` of a packed matrix -> out [cols] f32. */
export function embed_float(outAt: usize, weightAt: usize, type: i32, row: i32, cols: i32): void {
  const bytes: usize = type === TYPE_F32 ? 4 : 2;
  let at = weightAt + (<usize>(row / GROUP) * <usize>cols * GROUP + <usize>(row % GROUP)) * bytes;
  for (let col = 0; col < cols; col++, at += <usize>GROUP * bytes) {
    let value: f32;
    if (type === TYPE_F16) {
      value = f32x4.extract_lane(Lanes.widenPackedF16(i32x4.splat(<i32>load<i16>(at))), 0) * reinterpret<f32>(0x72800000);
    } else {
      value = widen_scalar(type, at);
    }
    store<f32>(outAt + (<usize>col << 2), value);
  }
}

/** Exponents move up by this in packed f16. */
const F16_SHIFT: u32 = 10;

/** 128 as f16: from there on a weight has no packed form. */
const F16_LIMIT: u32 = (32 - F16_SHIFT) << 10;

@inline function packF16(bits: u32): u32 {
  const sign = bits & 0x8000, magnitude = bits & 0x7fff;
  if (magnitude === 0) return sign;
  if (magnitude >= 0x400) return sign | (magnitude + (F16_SHIFT << 10));
  // A subnormal: its leading one becomes the hidden one.
  const up = <u32>clz<u32>(magnitude) - 21; // to bit 10
  return sign | ((F16_SHIFT + 1 - up) << 10) | ((magnitude << up) & 0x3ff);
}

@inline function isFinite32(x: f32): bool {
  return (reinterpret<u32>(x) & 0x7f800000) !== 0x7f800000;
}

/**
 * Stored elements -> `cols` inputs of a packed group, from `groupAt` on. Element (output o, input k) of the source lies o * outputStride +
 * k * inputStride elements behind `sourceAt`; it has `lanes` outputs, further ones become zeros. A 16-bit source may be packed as f32.
 * Returns false where an element is NaN or infinite, or as f16 not below 128.
 */
export function pack_float(groupAt: usize, sourceAt: usize, type: i32, sourceType: i32, lanes: i32, cols: i32, outputStride: usize, inputStride: usize): bool {
  const sourceBytes: usize = sourceType === TYPE_F32 ? 4 : 2;
  const bytes: usize = type === TYPE_F32 ? 4 : 2;
  let finite = true;
  for (let lane = 0; lane < GROUP; lane++) {
    let to = groupAt + <usize>lane * bytes;
    if (lane >= lanes) {
      for (let col = 0; col < cols; col++, to += <usize>GROUP * bytes) {
        if (bytes === 4) store<u32>(to, 0);
        else store<u16>(to, 0);
      }
      continue;
    }
    let from = sourceAt + <usize>lane * outputStride * sourceBytes;
    if (type === TYPE_F32) {
      for (let col = 0; col < cols; col++, to += GROUP * 4, from += inputStride * sourceBytes) {
        const value = widen_scalar(sourceType, from);
        finite = finite && isFinite32(value) && (sourceType !== TYPE_F16 || (load<u16>(from) & 0x7c00) !== 0x7c00);
        store<f32>(to, value);
      }
    } else {
      for (let col = 0; col < cols; col++, to += GROUP * 2, from += inputStride * 2) {
        let bits = <u32>load<u16>(from);
        if (type === TYPE_F16) {
          finite = finite && (bits & 0x7fff) < F16_LIMIT;
          bits = packF16(bits);
        } else {
          finite = finite && (bits & 0x7f80) !== 0x7f80;
        }
        store<u16>(to, <u16>bits);
      }
    }
  }
  return finite;
}
