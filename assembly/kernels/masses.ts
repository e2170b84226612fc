/**
 * What every PEAK logits of a row weigh together, in units of the likeliest of them: how much of a distribution lies in spans that
 * nobody reads.
 *
 *   logits [cols] f32   peaks [ceil(cols / PEAK)] f32   out [ceil(cols / PEAK)] f32: sum(e^((logit - peak) * scale))
 *
 * A span whose peak is no finite number gives 0. Relative error < 2^-19 for any finite logits: a term rounds three times before its exp,
 * which errs by so much as the term is small; the exp by 1e-7; of eight additions a lane and three of lanes each by 2^-24.
 */

import { PEAK } from "../abi";
import { Lanes } from "../lanes";

/** Spans [begin, end) of a row of `cols` logits. scale: 1 / temperature. */
export function masses_f32(outAt: usize, peaksAt: usize, logitsAt: usize, cols: i32, scale: f32, begin: i32, end: i32): void {
  for (let span = begin; span < end; span++) {
    const from = logitsAt + (<usize>(span * PEAK) << 2), left = cols - span * PEAK;
    const peak = load<f32>(peaksAt + (<usize>span << 2));
    let mass: f32 = 0;
    if (peak - peak === 0) mass = left >= PEAK ? whole_mass(from, peak, scale) : short_mass(from, peak, scale, left);
    store<f32>(outAt + (<usize>span << 2), mass);
  }
}

@inline function weights(logits: v128, peak: v128, scale: v128): v128 {
  return Lanes.exp(f32x4.mul(f32x4.sub(logits, peak), scale));
}

function whole_mass(at: usize, peak: f32, scale: f32): f32 {
  const peaks = f32x4.splat(peak), scales = f32x4.splat(scale);
  let even = f32x4.splat(0), odd = f32x4.splat(0);
  for (const end = at + (PEAK << 2); at < end; at += 32) {
    even = f32x4.add(even, weights(v128.load(at), peaks, scales));
    odd = f32x4.add(odd, weights(v128.load(at, 16), peaks, scales));
  }
  return Lanes.sum(f32x4.add(even, odd));
}

function short_mass(at: usize, peak: f32, scale: f32, count: i32): f32 {
  let mass: f64 = 0; // 63 additions of f32 would err by 2^-18
  for (let i = 0; i < count; i++) {
    const logit = v128.load32_splat(at + (<usize>i << 2));
    mass += <f64>f32x4.extract_lane(weights(logit, f32x4.splat(peak), f32x4.splat(scale)), 0);
  }
  return <f32>mass;
}
