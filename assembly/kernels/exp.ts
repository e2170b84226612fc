/** out = e^x, [count] f32: the exp of softmax, SwiGLU and the router, exported for its error test. */

import { Lanes } from "../lanes";

export function exp_f32(outAt: usize, xAt: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    store<f32>(outAt + (<usize>i << 2), f32x4.extract_lane(Lanes.exp(f32x4.splat(load<f32>(xAt + (<usize>i << 2)))), 0));
  }
}
