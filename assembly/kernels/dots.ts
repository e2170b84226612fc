/**
 * The products of attention (sums.ts) over an 8-bit cache, in integers, exact:
 *
 *   out [h][groups][8] i32 += x [h][n][4] . w [groups][n][8][4] i8
 *
 * x is of 16 bits, at most MOST (quantize_f32_q16_quads). What its rows hold goes with how they are multiplied, the type of the cache:
 *
 *   CACHE_Q8            x0, x2, x1, x3 as i16: pairs meet the even and the odd bytes of w
 *   CACHE_Q8_UNSIGNED   four high bytes, four low ones, x = 256 high + low, both signed: two dots of bytes, which take w for unsigned, in
 *                       excess 128 (forms/bytes.ts). What is too much, 128 x the sum of x, is taken off where out begins
 *   CACHE_Q8_SIGNED     the same without excess
 */

import { CACHE_Q8, CACHE_Q8_SIGNED, CACHE_Q8_UNSIGNED } from "../abi";
import { Lanes } from "../lanes";
import { X_ROW } from "./sums";

/** The largest x: its high byte is at most 127. */
export const MOST: f32 = 32639;
/** Queries that meet a vector of bytes at once: each has four sums. */
const MOST_BYTES = 3;

class Quads {
  /** h queries and one group. */
  @inline static pairs(h: i32, outAt: usize, outStep: usize, weightAt: usize, xAt: usize, n: i32): void {
    const o1 = outAt + outStep, o2 = o1 + outStep, o3 = o2 + outStep, o4 = o3 + outStep, o5 = o4 + outStep;
    let s00 = v128.load(outAt, 0), s01 = v128.load(outAt, 16);
    let s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    if (h > 1) { s10 = v128.load(o1, 0); s11 = v128.load(o1, 16); }
    if (h > 2) { s20 = v128.load(o2, 0); s21 = v128.load(o2, 16); }
    if (h > 3) { s30 = v128.load(o3, 0); s31 = v128.load(o3, 16); }
    if (h > 4) { s40 = v128.load(o4, 0); s41 = v128.load(o4, 16); }
    if (h > 5) { s50 = v128.load(o5, 0); s51 = v128.load(o5, 16); }
    for (const end = weightAt + (<usize>n << 5); weightAt < end; weightAt += 32, xAt += 8) {
      let w0 = i16x8.shr_s(i16x8.shl(v128.load(weightAt, 0), 8), 8), w1 = i16x8.shr_s(i16x8.shl(v128.load(weightAt, 16), 8), 8);
      let x = v128.load32_splat(xAt, 0);
      s00 = Quads.dot(s00, x, w0); s01 = Quads.dot(s01, x, w1);
      if (h > 1) { x = v128.load32_splat(xAt, X_ROW); s10 = Quads.dot(s10, x, w0); s11 = Quads.dot(s11, x, w1); }
      if (h > 2) { x = v128.load32_splat(xAt, X_ROW * 2); s20 = Quads.dot(s20, x, w0); s21 = Quads.dot(s21, x, w1); }
      if (h > 3) { x = v128.load32_splat(xAt, X_ROW * 3); s30 = Quads.dot(s30, x, w0); s31 = Quads.dot(s31, x, w1); }
      if (h > 4) { x = v128.load32_splat(xAt, X_ROW * 4); s40 = Quads.dot(s40, x, w0); s41 = Quads.dot(s41, x, w1); }
      if (h > 5) { x = v128.load32_splat(xAt, X_ROW * 5); s50 = Quads.dot(s50, x, w0); s51 = Quads.dot(s51, x, w1); }
      w0 = i16x8.shr_s(v128.load(weightAt, 0), 8); w1 = i16x8.shr_s(v128.load(weightAt, 16), 8);
      x = v128.load32_splat(xAt, 4);
      s00 = Quads.dot(s00, x, w0); s01 = Quads.dot(s01, x, w1);
      if (h > 1) { x = v128.load32_splat(xAt, X_ROW + 4); s10 = Quads.dot(s10, x, w0); s11 = Quads.dot(s11, x, w1); }
      if (h > 2) { x = v128.load32_splat(xAt, X_ROW * 2 + 4); s20 = Quads.dot(s20, x, w0); s21 = Quads.dot(s21, x, w1); }
      if (h > 3) { x = v128.load32_splat(xAt, X_ROW * 3 + 4); s30 = Quads.dot(s30, x, w0); s31 = Quads.dot(s31, x, w1); }
      if (h > 4) { x = v128.load32_splat(xAt, X_ROW * 4 + 4); s40 = Quads.dot(s40, x, w0); s41 = Quads.dot(s41, x, w1); }
      if (h > 5) { x = v128.load32_splat(xAt, X_ROW * 5 + 4); s50 = Quads.dot(s50, x, w0); s51 = Quads.dot(s51, x, w1); }
    }
    v128.store(outAt, s00, 0); v128.store(outAt, s01, 16);
    if (h > 1) { v128.store(o1, s10, 0); v128.store(o1, s11, 16); }
    if (h > 2) { v128.store(o2, s20, 0); v128.store(o2, s21, 16); }
    if (h > 3) { v128.store(o3, s30, 0); v128.store(o3, s31, 16); }
    if (h > 4) { v128.store(o4, s40, 0); v128.store(o4, s41, 16); }
    if (h > 5) { v128.store(o5, s50, 0); v128.store(o5, s51, 16); }
  }

  @inline static dot(sum: v128, x: v128, w: v128): v128 {
    return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
  }

  /** h <= MOST_BYTES queries and one group. */
  @inline static bytes(signed: bool, h: i32, outAt: usize, outStep: usize, weightAt: usize, xAt: usize, n: i32): void {
    const o1 = outAt + outStep, o2 = o1 + outStep;
    let l00 = v128.load(outAt, 0), l01 = v128.load(outAt, 16), h00 = i32x4.splat(0), h01 = h00;
    let l10 = l00, l11 = l00, h10 = h00, h11 = h00, l20 = l00, l21 = l00, h20 = h00, h21 = h00;
    if (h > 1) { l10 = v128.load(o1, 0); l11 = v128.load(o1, 16); }
    if (h > 2) { l20 = v128.load(o2, 0); l21 = v128.load(o2, 16); }
    const excess = signed ? i8x16.splat(0) : Lanes.signs();
    for (const end = weightAt + (<usize>n << 5); weightAt < end; weightAt += 32, xAt += 8) {
      const w0 = v128.xor(v128.load(weightAt, 0), excess), w1 = v128.xor(v128.load(weightAt, 16), excess);
      let x = v128.load32_splat(xAt, 0);
      h00 = Lanes.dotAddBytes(signed, x, w0, h00); h01 = Lanes.dotAddBytes(signed, x, w1, h01);
      x = v128.load32_splat(xAt, 4);
      l00 = Lanes.dotAddBytes(signed, x, w0, l00); l01 = Lanes.dotAddBytes(signed, x, w1, l01);
      if (h > 1) {
        x = v128.load32_splat(xAt, X_ROW);
        h10 = Lanes.dotAddBytes(signed, x, w0, h10); h11 = Lanes.dotAddBytes(signed, x, w1, h11);
        x = v128.load32_splat(xAt, X_ROW + 4);
        l10 = Lanes.dotAddBytes(signed, x, w0, l10); l11 = Lanes.dotAddBytes(signed, x, w1, l11);
      }
      if (h > 2) {
        x = v128.load32_splat(xAt, X_ROW * 2);
        h20 = Lanes.dotAddBytes(signed, x, w0, h20); h21 = Lanes.dotAddBytes(signed, x, w1, h21);
        x = v128.load32_splat(xAt, X_ROW * 2 + 4);
        l20 = Lanes.dotAddBytes(signed, x, w0, l20); l21 = Lanes.dotAddBytes(signed, x, w1, l21);
      }
    }
    v128.store(outAt, Quads.whole(h00, l00), 0); v128.store(outAt, Quads.whole(h01, l01), 16);
    if (h > 1) { v128.store(o1, Quads.whole(h10, l10), 0); v128.store(o1, Quads.whole(h11, l11), 16); }
    if (h > 2) { v128.store(o2, Quads.whole(h20, l20), 0); v128.store(o2, Quads.whole(h21, l21), 16); }
  }

  @inline static whole(high: v128, low: v128): v128 {
    return i32x4.add(i32x4.shl(high, 8), low);
  }
}

function pairs(h: i32, outAt: usize, outStep: usize, weightAt: usize, xAt: usize, n: i32): void {
  switch (h) {
    case 1: Quads.pairs(1, outAt, outStep, weightAt, xAt, n); break;
    case 2: Quads.pairs(2, outAt, outStep, weightAt, xAt, n); break;
    case 3: Quads.pairs(3, outAt, outStep, weightAt, xAt, n); break;
    case 4: Quads.pairs(4, outAt, outStep, weightAt, xAt, n); break;
    case 5: Quads.pairs(5, outAt, outStep, weightAt, xAt, n); break;
    default: Quads.pairs(6, outAt, outStep, weightAt, xAt, n);
  }
}

function bytes(signed: bool, h: i32, outAt: usize, outStep: usize, weightAt: usize, xAt: usize, n: i32): void {
  switch (h) {
    case 1: Quads.bytes(signed, 1, outAt, outStep, weightAt, xAt, n); break;
    case 2: Quads.bytes(signed, 2, outAt, outStep, weightAt, xAt, n); break;
    default: Quads.bytes(signed, 3, outAt, outStep, weightAt, xAt, n);
  }
}

/** h rows of `groups` groups, outStep bytes apart, groupBytes apart in the cache: n <= 16 quads from weightAt on. */
export function add_dots(type: u32, h: i32, outAt: usize, outStep: usize, groups: i32, weightAt: usize, groupBytes: usize, xAt: usize, n: i32): void {
  for (const end = outAt + (<usize>groups << 5); outAt < end; outAt += 32, weightAt += groupBytes) {
    if (type === CACHE_Q8) {
      pairs(h, outAt, outStep, weightAt, xAt, n);
      continue;
    }
    let rows = h, to = outAt, from = xAt;
    for (; rows > 0; rows -= MOST_BYTES, to += <usize>MOST_BYTES * outStep, from += <usize>MOST_BYTES * X_ROW) {
      bytes(type === CACHE_Q8_SIGNED, min(rows, MOST_BYTES), to, outStep, weightAt, from, n);
    }
  }
}

/**
 * Where the sums of h rows of `groups` groups begin, outStep bytes apart: what is too much of x, taken off. [h][scale, sum of x] lie at
 * scalesAt.
 */
export function begin_dots(type: u32, h: i32, outAt: usize, outStep: usize, groups: i32, scalesAt: usize): void {
  for (let row = 0; row < h; row++, outAt += outStep, scalesAt += 8) {
    const begin = i32x4.splat(type === CACHE_Q8_UNSIGNED ? -128 * load<i32>(scalesAt, 4) : 0);
    for (let to = outAt, end = outAt + (<usize>groups << 5); to < end; to += 32) {
      v128.store(to, begin, 0);
      v128.store(to, begin, 16);
    }
  }
}
