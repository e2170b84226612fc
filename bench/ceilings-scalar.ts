/** What one core can do without SIMD: 12 chains, s = s * a + b, cover the latency. Data as in ceilings.ts. */

export function scalar_multiply_add(at: usize, steps: i32): void {
  let s0 = load<f32>(at, 0), s1 = load<f32>(at, 4), s2 = load<f32>(at, 8), s3 = load<f32>(at, 12);
  let s4 = load<f32>(at, 16), s5 = load<f32>(at, 20), s6 = load<f32>(at, 24), s7 = load<f32>(at, 28);
  let s8 = load<f32>(at, 32), s9 = load<f32>(at, 36), s10 = load<f32>(at, 40), s11 = load<f32>(at, 44);
  const a = load<f32>(at, 384), b = load<f32>(at, 388);
  for (let step = 0; step < steps; step++) {
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b; s3 = s3 * a + b; s4 = s4 * a + b; s5 = s5 * a + b;
    s6 = s6 * a + b; s7 = s7 * a + b; s8 = s8 * a + b; s9 = s9 * a + b; s10 = s10 * a + b; s11 = s11 * a + b;
  }
  store<f32>(at, s0, 0); store<f32>(at, s1, 4); store<f32>(at, s2, 8); store<f32>(at, s3, 12);
  store<f32>(at, s4, 16); store<f32>(at, s5, 20); store<f32>(at, s6, 24); store<f32>(at, s7, 28);
  store<f32>(at, s8, 32); store<f32>(at, s9, 36); store<f32>(at, s10, 40); store<f32>(at, s11, 44);
}

/** `passes` times [fromAt, fromAt + bytes) by words of 64 bits. */
export function scalar_read(outAt: usize, fromAt: usize, bytes: i32, passes: i32): void {
  let s0: u64 = 0, s1: u64 = 0, s2: u64 = 0, s3: u64 = 0;
  const end = fromAt + <usize>bytes;
  for (let pass = 0; pass < passes; pass++) {
    for (let at = fromAt; at < end; at += 64) {
      s0 += load<u64>(at, 0); s1 += load<u64>(at, 8); s2 += load<u64>(at, 16); s3 += load<u64>(at, 24);
      s0 += load<u64>(at, 32); s1 += load<u64>(at, 40); s2 += load<u64>(at, 48); s3 += load<u64>(at, 56);
    }
  }
  store<u64>(outAt, s0, 0); store<u64>(outAt, s1, 8); store<u64>(outAt, s2, 16); store<u64>(outAt, s3, 24);
}
