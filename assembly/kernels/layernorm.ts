/**
 * Layer norm: y = w * ((x - mean) * (variance + eps)^(-1/2)) + b, f32; the variance is that of the row itself (over cols, not cols - 1).
 *
 *   x, y, w, b  [cols] f32; y may be x
 *
 * Two passes: differences from the mean are squared, not squares subtracted, so a row far from 0 keeps its digits. Order of both sums as
 * in RMS norm: four lanes over k, the tail (cols % 4) after them, lanes as (0 + 1) + (2 + 3).
 */

import { Lanes } from "../lanes";

function mean_of(xAt: usize, cols: i32): f32 {
  let sum_f32x4 = f32x4.splat(0);
  const whole = cols & ~3;
  for (let col = 0; col < whole; col += 4) sum_f32x4 = f32x4.add(sum_f32x4, v128.load(xAt + (<usize>col << 2)));
  let sum = Lanes.sum(sum_f32x4);
  for (let col = whole; col < cols; col++) sum += load<f32>(xAt + (<usize>col << 2));
  return sum / <f32>cols;
}

function variance_of(xAt: usize, mean: f32, cols: i32): f32 {
  let sum_f32x4 = f32x4.splat(0);
  const mean_f32x4 = f32x4.splat(mean);
  const whole = cols & ~3;
  for (let col = 0; col < whole; col += 4) {
    const apart = f32x4.sub(v128.load(xAt + (<usize>col << 2)), mean_f32x4);
    sum_f32x4 = f32x4.add(sum_f32x4, f32x4.mul(apart, apart));
  }
  let sum = Lanes.sum(sum_f32x4);
  for (let col = whole; col < cols; col++) {
    const apart = load<f32>(xAt + (<usize>col << 2)) - mean;
    sum += apart * apart;
  }
  return sum / <f32>cols;
}

export function layernorm_f32(outAt: usize, weightAt: usize, biasAt: usize, xAt: usize, eps: f32, cols: i32): void {
  const mean = mean_of(xAt, cols);
  const inverse: f32 = 1 / sqrt(variance_of(xAt, mean, cols) + eps);
  const mean_f32x4 = f32x4.splat(mean), inverse_f32x4 = f32x4.splat(inverse);
  const whole = cols & ~3;
  for (let col = 0; col < whole; col += 4) {
    const offset = <usize>col << 2;
    const y = f32x4.mul(f32x4.sub(v128.load(xAt + offset), mean_f32x4), inverse_f32x4);
    v128.store(outAt + offset, f32x4.add(f32x4.mul(v128.load(weightAt + offset), y), v128.load(biasAt + offset)));
  }
  for (let col = whole; col < cols; col++) {
    const offset = <usize>col << 2;
    const y = (load<f32>(xAt + offset) - mean) * inverse;
    store<f32>(outAt + offset, load<f32>(weightAt + offset) * y + load<f32>(biasAt + offset));
  }
}
