/**
 * The largest of every PEAK logits of a row: whoever looks for the likeliest tokens reads these, and the logits of the few spans that
 * hold them.
 *
 *   logits  [cols] f32     out  [ceil(cols / PEAK)] f32, the last one of what is left
 *
 * A span that holds a NaN gives NaN.
 */

import { PEAK } from "../abi";
import { Lanes } from "../lanes";

/** Spans [begin, end) of a row of `cols` logits. */
export function peaks_f32(outAt: usize, logitsAt: usize, cols: i32, begin: i32, end: i32): void {
  for (let span = begin; span < end; span++) {
    const from = logitsAt + (<usize>(span * PEAK) << 2), left = cols - span * PEAK;
    store<f32>(outAt + (<usize>span << 2), left >= PEAK ? whole_peak(from) : short_peak(from, left));
  }
}

function whole_peak(at: usize): f32 {
  // max, not pmax: a NaN must come through.
  let even = v128.load(at, 0), odd = v128.load(at, 16);
  for (const end = at + (PEAK << 2); at < end; at += 32) {
    even = f32x4.max(even, v128.load(at, 0));
    odd = f32x4.max(odd, v128.load(at, 16));
  }
  return Lanes.max(f32x4.max(even, odd));
}

function short_peak(at: usize, count: i32): f32 {
  let largest = load<f32>(at);
  for (let i = 1; i < count; i++) largest = max(largest, load<f32>(at + (<usize>i << 2)));
  return largest;
}
