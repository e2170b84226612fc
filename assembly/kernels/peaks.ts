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

/** pmax, one instruction where max is nine, passes a NaN by: it is looked for beside. */
function whole_peak(at: usize): f32 {
  let largest = f32x4.splat(f32.NEGATIVE_INFINITY), nan = f32x4.splat(0);
  for (const end = at + (PEAK << 2); at < end; at += 16) {
    const four = v128.load(at);
    largest = f32x4.pmax(largest, four);
    nan = v128.or(nan, f32x4.ne(four, four));
  }
  return v128.any_true(nan) ? f32.NaN : Lanes.max(largest);
}

function short_peak(at: usize, count: i32): f32 {
  let largest = load<f32>(at);
  for (let i = 1; i < count; i++) largest = max(largest, load<f32>(at + (<usize>i << 2)));
  return largest;
}
