/**
 * Scores of one query over a block of 64 positions -> what its values weigh.
 */

import { Lanes } from "../lanes";
import { MOST } from "./dots";
import { quantize_f32_q16_quads } from "./quantize";

/** What lies beyond the span weighs nothing. */
function mask_scores(scoresAt: usize, begin: i32, end: i32, from: i32, to: i32): void {
  for (let t = from; t < begin; t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  for (let t = end; t < to; t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
}

/** The largest of scores [begin, end) (multiples of 8); NaN where one of them is: what follows must be NaN too. */
function largest_score(scoresAt: usize, begin: i32, end: i32): f32 {
  let a = f32x4.splat(f32.NEGATIVE_INFINITY), b = a, odd_a = f32x4.splat(0), odd_b = odd_a;
  for (let at = scoresAt + (<usize>begin << 2), last = scoresAt + (<usize>end << 2); at < last; at += 32) {
    const x = v128.load(at, 0), y = v128.load(at, 16);
    a = f32x4.pmax(a, x);
    b = f32x4.pmax(b, y);
    odd_a = v128.or(odd_a, f32x4.ne(x, x));
    odd_b = v128.or(odd_b, f32x4.ne(y, y));
  }
  if (v128.any_true(v128.or(odd_a, odd_b))) return f32.NaN;
  // Not lane by lane: a maximum of two floats is branches that nobody can foresee.
  const four = f32x4.pmax(a, b), two = f32x4.pmax(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(two, v128.shuffle<i32>(two, two, 1, 0, 3, 2)), 0);
}

/**
 * scores [64] of one query, `scale` (above 0) still to come -> exp(s - max), zero outside [begin, end) as far as [from, to) goes
 * (multiples of 8); writes max and sum. The largest before the scale is the largest behind it: neither a product nor its rounding
 * changes an order.
 */
export function softmax_f32(scoresAt: usize, stateAt: usize, scale: f32, begin: i32, end: i32, from: i32, to: i32): void {
  mask_scores(scoresAt, begin, end, from, to);
  const largest = largest_score(scoresAt, from, to) * scale;
  const largest_f32x4 = f32x4.splat(largest), scale_f32x4 = f32x4.splat(scale);
  const first = scoresAt + (<usize>from << 2), last = scoresAt + (<usize>to << 2);
  for (let at = first; at < last; at += 32) {
    const a = Lanes.exp(f32x4.sub(f32x4.mul(v128.load(at, 0), scale_f32x4), largest_f32x4));
    const b = Lanes.exp(f32x4.sub(f32x4.mul(v128.load(at, 16), scale_f32x4), largest_f32x4));
    v128.store(at, a, 0);
    v128.store(at, b, 16);
  }
  let sum_f32x4 = f32x4.splat(0);
  for (let at = first; at < last; at += 16) sum_f32x4 = f32x4.add(sum_f32x4, v128.load(at));
  store<f32>(stateAt, largest, 0);
  store<f32>(stateAt, Lanes.sum(sum_f32x4), 4);
}

/**
 * Integer products [from, to) (multiples of 8) -> scores: f32, times `scale` and the scales of 8-bit keys, -infinity outside [begin, end);
 * writes the largest.
 */
export function scores_q8(scoresAt: usize, stateAt: usize, scale: f32, keyScalesAt: usize, begin: i32, end: i32, from: i32, to: i32): void {
  const scale_f32x4 = f32x4.splat(scale);
  for (let at = <usize>from << 2, last = <usize>to << 2; at < last; at += 32) {
    const a = f32x4.mul(f32x4.convert_i32x4_s(v128.load(scoresAt + at, 0)), f32x4.mul(v128.load(keyScalesAt + at, 0), scale_f32x4));
    const b = f32x4.mul(f32x4.convert_i32x4_s(v128.load(scoresAt + at, 16)), f32x4.mul(v128.load(keyScalesAt + at, 16), scale_f32x4));
    v128.store(scoresAt + at, a, 0);
    v128.store(scoresAt + at, b, 16);
  }
  mask_scores(scoresAt, begin, end, from, to);
  store<f32>(stateAt, largest_score(scoresAt, from, to));
}

/**
 * Scores [from, to) (multiples of 8) of which the largest is in the state -> exp(s - max) in their place, their sum in the state, and beside
 * them these times the scales of 8-bit values, of which the largest is returned; NaN where one is. What is masked weighs nothing whatever
 * its scale is: it may be of a position that was never written.
 */
export function weights_q8(scoresAt: usize, stateAt: usize, weightsAt: usize, valueScalesAt: usize, from: i32, to: i32): f32 {
  const largest_f32x4 = v128.load32_splat(stateAt), zero = f32x4.splat(0), masked = f32x4.splat(f32.NEGATIVE_INFINITY);
  let sum_a = zero, sum_b = zero, most_a = zero, most_b = zero;
  for (let at = <usize>from << 2, last = <usize>to << 2; at < last; at += 32) {
    const score_a = v128.load(scoresAt + at, 0), score_b = v128.load(scoresAt + at, 16);
    const a = Lanes.exp(f32x4.sub(score_a, largest_f32x4)), b = Lanes.exp(f32x4.sub(score_b, largest_f32x4));
    const weight_a = v128.and(f32x4.mul(a, v128.load(valueScalesAt + at, 0)), f32x4.ne(score_a, masked));
    const weight_b = v128.and(f32x4.mul(b, v128.load(valueScalesAt + at, 16)), f32x4.ne(score_b, masked));
    sum_a = f32x4.add(sum_a, a); sum_b = f32x4.add(sum_b, b);
    // As integers without a sign, of which a NaN's is the largest, whatever its sign.
    most_a = i32x4.max_u(most_a, weight_a); most_b = i32x4.max_u(most_b, weight_b);
    v128.store(scoresAt + at, a, 0); v128.store(scoresAt + at, b, 16);
    v128.store(weightsAt + at, weight_a, 0); v128.store(weightsAt + at, weight_b, 16);
  }
  store<f32>(stateAt, Lanes.sum(f32x4.add(sum_a, sum_b)), 4);
  return Lanes.largest(i32x4.max_u(most_a, most_b));
}

/** Weights [from, to) (multiples of 8), the largest of which lies at `scaleAt` -> 16 bits, in front; there what one counts, and their sum. */
export function quantize_weights(type: u32, weightsAt: usize, scaleAt: usize, from: i32, to: i32): void {
  const largest = load<f32>(scaleAt);
  store<f32>(scaleAt, largest / MOST, 0);
  store<i32>(scaleAt, quantize_f32_q16_quads(type, weightsAt + (<usize>from << 1), weightsAt + (<usize>from << 2), to - from, largest, MOST), 4);
}
