/**
 * Weights stored as f32, f16 or bf16: pack, embed, dequantise, and the f32 register tile.
 *
 * Packed form: groups of 8 outputs; a group is [cols][8] of the stored type, so one vector load gives four outputs of
 * one input and k runs upwards through memory. Missing outputs of the last group are zeros.
 *
 * tile_f32, s += W x for one group and h <= 6 rows:
 *
 *   s  [h][8]      f32   sums, read and written: a caller continues them over pieces of k
 *   w  [cols][8]   f32
 *   x  [cols][h]   f32   PANEL_F32
 *
 * Order: per output, k strictly upwards, one multiply and one add (fused only where the program says so).
 * Tried: unrolling k by 2 or 4 makes V8 spill (48 -> 33-38 GFLOP/s on Zen 3).
 */

import { GROUP, TYPE_BF16, TYPE_F16, TYPE_F32 } from "../abi";
import { Lanes } from "../lanes";

class Tile {
  // One body for all heights: asc folds the comparisons of the literal h.
  @inline static f32(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, fused: bool): void {
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
      s00 = Lanes.multiplyAdd(x, w0, s00, fused); s01 = Lanes.multiplyAdd(x, w1, s01, fused);
      if (h > 1) { x = v128.load32_splat(panelAt, 4); s10 = Lanes.multiplyAdd(x, w0, s10, fused); s11 = Lanes.multiplyAdd(x, w1, s11, fused); }
      if (h > 2) { x = v128.load32_splat(panelAt, 8); s20 = Lanes.multiplyAdd(x, w0, s20, fused); s21 = Lanes.multiplyAdd(x, w1, s21, fused); }
      if (h > 3) { x = v128.load32_splat(panelAt, 12); s30 = Lanes.multiplyAdd(x, w0, s30, fused); s31 = Lanes.multiplyAdd(x, w1, s31, fused); }
      if (h > 4) { x = v128.load32_splat(panelAt, 16); s40 = Lanes.multiplyAdd(x, w0, s40, fused); s41 = Lanes.multiplyAdd(x, w1, s41, fused); }
      if (h > 5) { x = v128.load32_splat(panelAt, 20); s50 = Lanes.multiplyAdd(x, w0, s50, fused); s51 = Lanes.multiplyAdd(x, w1, s51, fused); }
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

  @inline static each(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, fused: bool): void {
    switch (h) {
      case 1: Tile.f32(1, sumAt, weightAt, panelAt, cols, fused); break;
      case 2: Tile.f32(2, sumAt, weightAt, panelAt, cols, fused); break;
      case 3: Tile.f32(3, sumAt, weightAt, panelAt, cols, fused); break;
      case 4: Tile.f32(4, sumAt, weightAt, panelAt, cols, fused); break;
      case 5: Tile.f32(5, sumAt, weightAt, panelAt, cols, fused); break;
      default: Tile.f32(6, sumAt, weightAt, panelAt, cols, fused);
    }
  }
}

/** Multiply and add apart: attention, router, and every model with a quantised matrix. */
export function tile_f32(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Tile.each(h, sumAt, weightAt, panelAt, cols, false);
}

/** Fused in the relaxed build: float matrices of a model that has no others. */
export function tile_f32_fused(h: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32): void {
  Tile.each(h, sumAt, weightAt, panelAt, cols, true);
}

class Row {
  // Two groups that follow each other: four chains of sums hide the latency of the add, and a load of x serves 16 outputs.
  @inline static halves(type: i32, sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, fused: bool): void {
    let nextAt = weightAt + (<usize>cols << 4);
    const end = nextAt;
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    while (weightAt < end) {
      const x = v128.load32_splat(panelAt), a = v128.load(weightAt), b = v128.load(nextAt);
      s0 = Lanes.multiplyAdd(x, Row.widen(type, i32x4.extend_low_i16x8_u(a)), s0, fused);
      s1 = Lanes.multiplyAdd(x, Row.widen(type, i32x4.extend_high_i16x8_u(a)), s1, fused);
      s2 = Lanes.multiplyAdd(x, Row.widen(type, i32x4.extend_low_i16x8_u(b)), s2, fused);
      s3 = Lanes.multiplyAdd(x, Row.widen(type, i32x4.extend_high_i16x8_u(b)), s3, fused);
      weightAt += 16;
      nextAt += 16;
      panelAt += 4;
    }
    v128.store(sumAt, s0, 0);
    v128.store(sumAt, s1, 16);
    v128.store(sumAt, s2, 32);
    v128.store(sumAt, s3, 48);
  }

  @inline static widen(type: i32, halves_u32x4: v128): v128 {
    return type === TYPE_F16 ? Lanes.widenF16(halves_u32x4) : Lanes.widenBf16(halves_u32x4);
  }
}

/** One row, two groups: s [16] f32 = W x, the sums of the dequantised tile in the same order, without the way through memory. */
export function gemv2_f16_f32(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, fused: bool): void {
  if (fused) Row.halves(TYPE_F16, sumAt, weightAt, panelAt, cols, true);
  else Row.halves(TYPE_F16, sumAt, weightAt, panelAt, cols, false);
}

export function gemv2_bf16_f32(sumAt: usize, weightAt: usize, panelAt: usize, cols: i32, fused: bool): void {
  if (fused) Row.halves(TYPE_BF16, sumAt, weightAt, panelAt, cols, true);
  else Row.halves(TYPE_BF16, sumAt, weightAt, panelAt, cols, false);
}

/** Inputs [begin, end) of one packed group -> out [end - begin][8] f32. */
export function dequantize_f16(outAt: usize, groupAt: usize, begin: i32, end: i32): void {
  let at = groupAt + (<usize>begin << 4);
  const stop = groupAt + (<usize>end << 4);
  for (; at < stop; at += 16, outAt += 32) {
    const eight_u16x8 = v128.load(at);
    v128.store(outAt, Lanes.widenF16(i32x4.extend_low_i16x8_u(eight_u16x8)), 0);
    v128.store(outAt, Lanes.widenF16(i32x4.extend_high_i16x8_u(eight_u16x8)), 16);
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

/** One element of a float type as f32. */
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
  for (let col = 0; col < cols; col++, at += <usize>GROUP * bytes) store<f32>(outAt + (<usize>col << 2), widen_scalar(type, at));
}

@inline function isFinite32(x: f32): bool {
  return (reinterpret<u32>(x) & 0x7f800000) !== 0x7f800000;
}

/**
 * Stored elements -> packed group `group`, inputs [colBegin, colEnd). The source holds outputs from rowBegin and inputs from
 * colBegin, element (o, k) at (o - rowBegin) * outputStride + (k - colBegin) * inputStride. A 16-bit source may be packed as f32.
 * Returns false where an element is NaN or infinite.
 */
export function pack_float(packedAt: usize, sourceAt: usize, type: i32, sourceType: i32, rows: i32, cols: i32, rowBegin: i32, outputStride: usize, inputStride: usize, colBegin: i32, colEnd: i32, group: i32): bool {
  const sourceBytes: usize = sourceType === TYPE_F32 ? 4 : 2;
  const bytes: usize = type === TYPE_F32 ? 4 : 2;
  const groupAt = packedAt + <usize>group * <usize>cols * GROUP * bytes;
  let finite = true;
  for (let lane = 0; lane < GROUP; lane++) {
    const row = group * GROUP + lane;
    let to = groupAt + (<usize>colBegin * GROUP + <usize>lane) * bytes;
    if (row >= rows) {
      for (let col = colBegin; col < colEnd; col++, to += <usize>GROUP * bytes) {
        if (bytes === 4) store<u32>(to, 0);
        else store<u16>(to, 0);
      }
      continue;
    }
    let from = sourceAt + <usize>(row - rowBegin) * outputStride * sourceBytes;
    if (type === TYPE_F32) {
      for (let col = colBegin; col < colEnd; col++, to += GROUP * 4, from += inputStride * sourceBytes) {
        const value = widen_scalar(sourceType, from);
        finite = finite && isFinite32(value) && (sourceType !== TYPE_F16 || (load<u16>(from) & 0x7c00) !== 0x7c00);
        store<f32>(to, value);
      }
    } else {
      const exponent: u32 = type === TYPE_F16 ? 0x7c00 : 0x7f80;
      for (let col = colBegin; col < colEnd; col++, to += GROUP * 2, from += inputStride * 2) {
        const bits = <u32>load<u16>(from);
        finite = finite && (bits & exponent) !== exponent;
        store<u16>(to, <u16>bits);
      }
    }
  }
  return finite;
}
