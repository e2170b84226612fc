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
  for (let feature = 0; feature < headSize; feature++) {
    store<f32>(headAt + (key_index(position, feature, headSize) << 2), load<f32>(keyAt + (<usize>feature << 2)));
    store<f32>(valuesAt + (value_index(position, feature) << 2), load<f32>(valueAt + (<usize>feature << 2)));
  }
}

/** Eight bits, one scale a position and head: q = round(x / scale), half to even, |q| <= 127. */
export function store_cache_q8(headAt: usize, keyAt: usize, valueAt: usize, position: i32, headSize: i32): void {
  const valuesAt = Pages.valuesAt(headAt, CACHE_Q8, headSize), keyScale = scale_of(keyAt, headSize), valueScale = scale_of(valueAt, headSize);
  store<f32>(headAt + Pages.keyBytes(CACHE_Q8, headSize) + (<usize>position << 2), keyScale);
  store<f32>(valuesAt + Pages.valueBytes(CACHE_Q8, headSize) + (<usize>position << 2), valueScale);
  for (let feature = 0; feature < headSize; feature++) {
    const from = <usize>feature << 2;
    store<i8>(headAt + quad_index(feature, position >> 3, position & 7, Pages.groupBytes(CACHE_Q8, headSize)), quantized(load<f32>(keyAt + from), keyScale));
    store<i8>(valuesAt + quad_index(position, feature >> 3, feature & 7, Pages.groupBytes(CACHE_Q8, PAGE)), quantized(load<f32>(valueAt + from), valueScale));
  }
}

/** Where k of output `lane` of a group lies: [groups][k / 4][8][4]. */
@inline function quad_index(k: i32, group: i32, lane: i32, groupBytes: usize): usize {
  return <usize>group * groupBytes + (<usize>((k & ~3) << 3) + <usize>(lane << 2) + <usize>(k & 3));
}

function scale_of(xAt: usize, size: i32): f32 {
  let largest: f32 = 0;
  for (let i = 0; i < size; i++) largest = max(largest, abs(load<f32>(xAt + (<usize>i << 2))));
  return largest / 127;
}

@inline function quantized(x: f32, scale: f32): i8 {
  return scale === 0 ? 0 : <i8><i32>max<f32>(-127, min<f32>(127, nearest(x / scale)));
}
