/**
 * Rotary positions (RoFormer, arXiv 2104.09864): pairs (2j, 2j + 1) turn by p * w_j.
 *
 * Angles are made once a row and step; cosine and sine in f64, rounded to f32 once. The references round the product p * w_j
 * to f32, an error that grows with p: 2^-9 radian at 65,536, half a radian at 10^7. Below 65,536 we round as they do (8,300
 * tokens of text-e then agree to 3.8e-5 in the logits, exact products to 1.1e-4 only); from there on the product is exact. The
 * border is a multiple of Llama 4's chunk, so no rotated query of a chunked layer meets a key from the other side of it; in layers
 * without chunks such pairs differ by up to 2^-9 radian, as any two positions of the references do.
 *
 * sin, cos and log are AssemblyScript's own, compiled into the module: the same bits on every host.
 */

/** From this position on angles are exact products. */
const EXACT_FROM: u32 = 65536;

/** out [pairs][cos, sin] f32 of one position. */
export function angles_f32(outAt: usize, frequenciesAt: usize, position: u32, pairs: i32): void {
  for (let pair = 0; pair < pairs; pair++) {
    const frequency = load<f32>(frequenciesAt + (<usize>pair << 2));
    const angle = position < EXACT_FROM ? <f64>(<f32>position * frequency) : <f64>position * <f64>frequency;
    store<f32>(outAt + (<usize>pair << 3), <f32>Math.cos(angle), 0);
    store<f32>(outAt + (<usize>pair << 3), <f32>Math.sin(angle), 4);
  }
}

/** 1 + scale ln(1 + floor((p + 1) / floor)); exactly 1 below the first step. floor 0: always 1. */
export function temperature_f32(position: u32, floor: u32, scale: f32): f32 {
  if (floor === 0) return 1;
  const steps = (<u64>position + 1) / <u64>floor;
  return <f32>(1 + <f64>scale * Math.log(1 + <f64>steps));
}

/** x [pairs][2] f32 turned in place by angles [pairs][cos, sin]: u' = u cos - w sin, w' = u sin + w cos. */
export function rope_f32(xAt: usize, anglesAt: usize, pairs: i32): void {
  let pair = 0;
  for (; pair + 2 <= pairs; pair += 2) {
    const at = xAt + (<usize>pair << 3);
    const x = v128.load(at); // u0 w0 u1 w1
    const turn = v128.load(anglesAt + (<usize>pair << 3)); // c0 s0 c1 s1
    const cosine = v128.shuffle<f32>(turn, turn, 0, 0, 2, 2);
    const sine = v128.shuffle<f32>(turn, turn, 1, 1, 3, 3);
    const swapped = v128.shuffle<f32>(x, x, 1, 0, 3, 2); // w0 u0 w1 u1
    const signs = i32x4(i32.MIN_VALUE, 0, i32.MIN_VALUE, 0); // -w sin | +u sin
    v128.store(at, f32x4.add(f32x4.mul(x, cosine), v128.xor(f32x4.mul(swapped, sine), signs)));
  }
  if (pair < pairs) {
    const at = xAt + (<usize>pair << 3);
    const u = load<f32>(at, 0), w = load<f32>(at, 4);
    const cosine = load<f32>(anglesAt + (<usize>pair << 3), 0), sine = load<f32>(anglesAt + (<usize>pair << 3), 4);
    store<f32>(at, u * cosine - w * sine, 0);
    store<f32>(at, u * sine + w * cosine, 4);
  }
}

/** x [cols] f32 times a number, in place. */
export function scale_f32(xAt: usize, factor: f32, cols: i32): void {
  for (let col = 0; col < cols; col++) {
    const at = xAt + (<usize>col << 2);
    store<f32>(at, load<f32>(at) * factor);
  }
}
