/**
 * GELU (arXiv 1606.08415) with the error function itself, not its tanh approximation: z/2 (1 + erf(z / sqrt 2)), f32.
 *
 * erf(x) = 1 - (a1 t + ... + a5 t^5) e^(-x^2), t = 1 / (1 + p x), for x >= 0: Abramowitz and Stegun 7.1.26, |error| <= 1.5e-7. With
 * q = half of what is subtracted, GELU is z - z q above 0 and z q below: nothing cancels, small negative values keep their digits.
 */

import { Lanes } from "../lanes";

/** p of x = |z| / sqrt 2, and the halves of a1 ... a5. */
const P: f32 = 0.3275911 * 0.7071067811865476;
const A1: f32 = 0.254829592 / 2;
const A2: f32 = -0.284496736 / 2;
const A3: f32 = 1.421413741 / 2;
const A4: f32 = -1.453152027 / 2;
const A5: f32 = 1.061405429 / 2;

@inline function gelu(z: v128): v128 {
  const size = f32x4.abs(z);
  const t = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), f32x4.mul(size, f32x4.splat(P))));
  let p = f32x4.splat(A5);
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(A4));
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(A3));
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(A2));
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(A1));
  const q = f32x4.mul(f32x4.mul(p, t), Lanes.exp(f32x4.mul(f32x4.mul(z, z), f32x4.splat(-0.5))));
  // f32x4.max keeps a NaN, where pmax would drop it.
  return f32x4.sub(f32x4.max(z, f32x4.splat(0)), f32x4.mul(size, q));
}

/** out = GELU(x), [count]; out may be x. */
export function gelu_f32(outAt: usize, xAt: usize, count: i32): void {
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) v128.store(outAt + (<usize>i << 2), gelu(v128.load(xAt + (<usize>i << 2))));
  for (let i = whole; i < count; i++) {
    store<f32>(outAt + (<usize>i << 2), f32x4.extract_lane(gelu(f32x4.splat(load<f32>(xAt + (<usize>i << 2)))), 0));
  }
}
