/**
 * RMS norm: y = w * (x * (mean(x^2) + eps)^(-1/2)), f32.
 *
 *   x, y, w  [cols] f32; y may be x; w may be absent (weightless: the q/k norm of one head)
 *
 * Order: squares gather in four lanes over k, the tail (cols % 4) after them, lanes as (0 + 1) + (2 + 3).
 */

import { Lanes } from "../lanes";

function mean_square(xAt: usize, cols: i32): f32 {
  let sum_f32x4 = f32x4.splat(0);
  const whole = cols & ~3;
  for (let col = 0; col < whole; col += 4) {
    const x = v128.load(xAt + (<usize>col << 2));
    sum_f32x4 = f32x4.add(sum_f32x4, f32x4.mul(x, x));
  }
  let sum = Lanes.sum(sum_f32x4);
  for (let col = whole; col < cols; col++) {
    const x = load<f32>(xAt + (<usize>col << 2));
    sum += x * x;
  }
  return sum / <f32>cols;
}

/** weightAt 0: weightless. */
export function rmsnorm_f32(outAt: usize, weightAt: usize, xAt: usize, eps: f32, cols: i32): void {
  const inverse: f32 = 1 / sqrt(mean_square(xAt, cols) + eps);
  const inverse_f32x4 = f32x4.splat(inverse);
  const whole = cols & ~3;
  for (let col = 0; col < whole; col += 4) {
    const offset = <usize>col << 2;
    let y = f32x4.mul(v128.load(xAt + offset), inverse_f32x4);
    if (weightAt !== 0) y = f32x4.mul(v128.load(weightAt + offset), y);
    v128.store(outAt + offset, y);
  }
  for (let col = whole; col < cols; col++) {
    const offset = <usize>col << 2;
    let y = load<f32>(xAt + offset) * inverse;
    if (weightAt !== 0) y = load<f32>(weightAt + offset) * y;
    store<f32>(outAt + offset, y);
  }
}
