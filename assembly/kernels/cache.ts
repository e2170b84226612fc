/**
 * Key / value pages: one page holds 64 positions of every layer of its kind in its memory. Of one layer and kv head:
 *
 *   f32   K [8 groups of positions][d][8 positions]   V [groups of 8 features][64 positions][8 features]
 *   q8    K [8 groups][d / 4][8 positions][4 features]   V [groups][16][8 features][4 positions], i8, each followed by [64] f32, the
 *         scale of the position
 *
 * Both are packed forms of weights with 8 outputs, of f32 and of signed bytes: for scores the outputs are positions and k the features,
 * for the weighted sum the outputs are features and k the positions. Neither needs a horizontal sum. d is padded to 8 in V, to 4 in K of q8.
 */

import { CACHE_F32, CACHE_Q8, PAGE } from "../abi";
import { Lanes } from "../lanes";
import { largest_magnitude } from "./quantize";

export class Pages {
  @inline static padded(headSize: i32): i32 {
    return (headSize + 7) & ~7;
  }

  /** Bytes of 8 values each at `count` places: a group of positions of as many features, or the other way round. */
  @inline static groupBytes(type: u32, count: i32): usize {
    return type === CACHE_F32 ? <usize>count << 5 : <usize>((count + 3) & ~3) << 3;
  }

  /** Of all positions' keys, without scales. */
  @inline static keyBytes(type: u32, headSize: i32): usize {
    return Pages.groupBytes(type, headSize) << 3;
  }

  @inline static valueBytes(type: u32, headSize: i32): usize {
    return Pages.groupBytes(type, PAGE) * <usize>(Pages.padded(headSize) >> 3);
  }

  /** The scales of 8-bit keys or values. */
  @inline static scaleBytes(type: u32): usize {
    return type === CACHE_F32 ? 0 : PAGE * 4;
  }

  @inline static valuesAt(headAt: usize, type: u32, headSize: i32): usize {
    return headAt + Pages.keyBytes(type, headSize) + Pages.scaleBytes(type);
  }

  /** Bytes of one layer and kv head in a page: K then V. */
  @inline static headBytes(type: u32, headSize: i32): usize {
    return Pages.valuesAt(0, type, headSize) + Pages.valueBytes(type, headSize) + Pages.scaleBytes(type);
  }
}

/** Bytes of one layer and kv head in a page. */
export function page_bytes(type: u32, headSize: i32): usize {
  return Pages.headBytes(type, headSize);
}

@inline function key_index(position: i32, feature: i32, headSize: i32): usize {
  return (<usize>((position >> 3) * headSize + feature) << 3) + <usize>(position & 7);
}

@inline function value_index(position: i32, feature: i32): usize {
  return (<usize>((feature >> 3) * PAGE + position) << 3) + <usize>(feature & 7);
}

/** k, v [d] f32 -> position `position` (0..63) of a page's head. */
export function store_cache_f32(headAt: usize, keyAt: usize, valueAt: usize, position: i32, headSize: i32): void {
  const valuesAt = Pages.valuesAt(headAt, CACHE_F32, headSize);
  const fours = headSize & ~3;
  for (let feature = 0; feature < fours; feature += 4) {
    const from = <usize>feature << 2, keyTo = headAt + (key_index(position, feature, headSize) << 2), key_f32x4 = v128.load(keyAt + from);
    v128.store32_lane(keyTo, key_f32x4, 0, 0); v128.store32_lane(keyTo, key_f32x4, 1, 32);
    v128.store32_lane(keyTo, key_f32x4, 2, 64); v128.store32_lane(keyTo, key_f32x4, 3, 96);
    v128.store(valuesAt + (value_index(position, feature) << 2), v128.load(valueAt + from));
  }
  for (let feature = fours; feature < headSize; feature++) {
    store<f32>(headAt + (key_index(position, feature, headSize) << 2), load<f32>(keyAt + (<usize>feature << 2)));
    store<f32>(valuesAt + (value_index(position, feature) << 2), load<f32>(valueAt + (<usize>feature << 2)));
  }
}

/** Eight bits, one scale a position and head: q = round(x / scale), half to even, |q| <= 127. */
export function store_cache_q8(headAt: usize, keyAt: usize, valueAt: usize, position: i32, headSize: i32): void {
  const valuesAt = Pages.valuesAt(headAt, CACHE_Q8, headSize), keyScale = scale_of(keyAt, headSize), valueScale = scale_of(valueAt, headSize);
  store<f32>(headAt + Pages.keyBytes(CACHE_Q8, headSize) + (<usize>position << 2), keyScale);
  store<f32>(valuesAt + Pages.valueBytes(CACHE_Q8, headSize) + (<usize>position << 2), valueScale);
  const quads = headSize & ~3;
  let keyTo = headAt + <usize>(position >> 3) * Pages.groupBytes(CACHE_Q8, headSize) + (<usize>(position & 7) << 2);
  for (let feature = 0; feature < quads; feature += 4, keyTo += 32) {
    const from = <usize>feature << 2, valueTo = valuesAt + value_index_q8(position, feature);
    const both_i16x8 = i16x8.narrow_i32x4_s(quantized(v128.load(keyAt + from), keyScale), quantized(v128.load(valueAt + from), valueScale));
    const both_i8x16 = i8x16.narrow_i16x8_s(both_i16x8, both_i16x8);
    v128.store32_lane(keyTo, both_i8x16, 0);
    v128.store8_lane(valueTo, both_i8x16, 4, 0); v128.store8_lane(valueTo, both_i8x16, 5, 4);
    v128.store8_lane(valueTo, both_i8x16, 6, 8); v128.store8_lane(valueTo, both_i8x16, 7, 12);
  }
  for (let feature = quads; feature < headSize; feature++) {
    const from = <usize>feature << 2;
    store<i8>(keyTo + <usize>(feature & 3), <i8>i32x4.extract_lane(quantized(v128.load32_zero(keyAt + from), keyScale), 0));
    store<i8>(valuesAt + value_index_q8(position, feature), <i8>i32x4.extract_lane(quantized(v128.load32_zero(valueAt + from), valueScale), 0));
  }
}

@inline function value_index_q8(position: i32, feature: i32): usize {
  return <usize>(feature >> 3) * Pages.groupBytes(CACHE_Q8, PAGE) + (<usize>((position & ~3) << 3) + <usize>((feature & 7) << 2) + <usize>(position & 3));
}

function scale_of(xAt: usize, size: i32): f32 {
  return largest_magnitude(xAt, size) / 127;
}

/** Integers of four f32; zeros where the scale is 0. */
@inline function quantized(x: v128, scale: f32): v128 {
  const most = i32x4.splat(127), nearest = i32x4.min_s(most, i32x4.max_s(i32x4.neg(most), Lanes.nearest(f32x4.div(x, f32x4.splat(scale)))));
  return v128.and(nearest, f32x4.ne(f32x4.splat(scale), f32x4.splat(0)));
}
