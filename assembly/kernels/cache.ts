/**
 * Key / value pages: one page holds 64 positions of every layer of its kind in its memory. Of one layer and kv head:
 *
 *   f32   K [8 groups of positions][d][8 positions]   V [groups of 8 features][64 positions][8 features]
 *   q8    the same as i8, each followed by [64] f32, the scale of the position
 *
 * Both are the packed form of f32 weights with 8 outputs: for scores the outputs are positions and k the features, for the
 * weighted sum the outputs are features and k the positions. Neither needs a horizontal sum. d is padded to 8 in V.
 */

import { CACHE_F32, PAGE } from "../abi";

export class Pages {
  @inline static padded(headSize: i32): i32 {
    return (headSize + 7) & ~7;
  }

  /** Bytes of 8 values each at `count` places: a group of positions of as many features, or the other way round. */
  @inline static groupBytes(type: u32, count: i32): usize {
    return <usize>count << (type === CACHE_F32 ? 5 : 3);
  }

  @inline static keyBytes(type: u32, headSize: i32): usize {
    return type === CACHE_F32 ? <usize>headSize * PAGE * 4 : <usize>headSize * PAGE + PAGE * 4;
  }

  @inline static valueBytes(type: u32, headSize: i32): usize {
    const padded = <usize>Pages.padded(headSize);
    return type === CACHE_F32 ? padded * PAGE * 4 : padded * PAGE + PAGE * 4;
  }

  /** Bytes of one layer and kv head in a page: K then V. */
  @inline static headBytes(type: u32, headSize: i32): usize {
    return Pages.keyBytes(type, headSize) + Pages.valueBytes(type, headSize);
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
  const valuesAt = headAt + Pages.keyBytes(CACHE_F32, headSize);
  for (let feature = 0; feature < headSize; feature++) {
    store<f32>(headAt + (key_index(position, feature, headSize) << 2), load<f32>(keyAt + (<usize>feature << 2)));
    store<f32>(valuesAt + (value_index(position, feature) << 2), load<f32>(valueAt + (<usize>feature << 2)));
  }
}

function scale_of(xAt: usize, size: i32): f32 {
  let largest: f32 = 0;
  for (let i = 0; i < size; i++) largest = max(largest, abs(load<f32>(xAt + (<usize>i << 2))));
  return largest / 127;
}

/** Eight bits, one scale a position and head: q = round(x / scale), half to even, |q| <= 127. */
export function store_cache_q8(headAt: usize, keyAt: usize, valueAt: usize, position: i32, headSize: i32): void {
  const valuesAt = headAt + <usize>headSize * PAGE + PAGE * 4;
  const keyScale = scale_of(keyAt, headSize), valueScale = scale_of(valueAt, headSize);
  store<f32>(headAt + <usize>headSize * PAGE + (<usize>position << 2), keyScale);
  store<f32>(valuesAt + <usize>Pages.padded(headSize) * PAGE + (<usize>position << 2), valueScale);
  for (let feature = 0; feature < headSize; feature++) {
    const key = load<f32>(keyAt + (<usize>feature << 2)), value = load<f32>(valueAt + (<usize>feature << 2));
    store<i8>(headAt + key_index(position, feature, headSize), keyScale === 0 ? 0 : <i8>clamp127(nearest(key / keyScale)));
    store<i8>(valuesAt + value_index(position, feature), valueScale === 0 ? 0 : <i8>clamp127(nearest(value / valueScale)));
  }
}

@inline function clamp127(x: f32): i32 {
  return <i32>max<f32>(-127, min<f32>(127, x));
}
