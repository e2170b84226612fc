/**
 * What one core of this machine can do in 128 bits (and in 256, where V8 pairs vectors): the roofs that kernels are held against.
 *
 * Compiled at the start of a bench as `simd` and as `relaxed`. Every chain feeds itself, s = s * a + b: a product of values that do
 * not change would leave the loop. 12 chains cover the latency in 128 bits and fill the registers; paired they are 6, too few,
 * hence the functions of 24 that spill in 128 bits and are the better ones in 256. The better counts.
 *
 *   at   [24] v128, read and written; then a, b as one word each (splat)
 */

// @ts-ignore: asc knows the feature flag
const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;

const MULTIPLY_ADD = 0, FUSED = 1, DOT_I16 = 2, DOT_I8 = 3;
const CHAINS_BYTES: usize = 384;

class Chain {
  @inline static step(kind: i32, s: v128, a: v128, b: v128): v128 {
    if (RELAXED) {
      if (kind === FUSED) return f32x4.relaxed_madd(a, b, s);
      if (kind === DOT_I8) return i16x8.add(i16x8.relaxed_dot_i8x16_i7x16_s(s, a), b);
    }
    if (kind === DOT_I16) return i32x4.add(i32x4.dot_i16x8_s(s, a), b);
    return f32x4.add(f32x4.mul(s, a), b);
  }

  @inline static of12(kind: i32, at: usize, steps: i32): void {
    let s0 = v128.load(at, 0), s1 = v128.load(at, 16), s2 = v128.load(at, 32), s3 = v128.load(at, 48);
    let s4 = v128.load(at, 64), s5 = v128.load(at, 80), s6 = v128.load(at, 96), s7 = v128.load(at, 112);
    let s8 = v128.load(at, 128), s9 = v128.load(at, 144), s10 = v128.load(at, 160), s11 = v128.load(at, 176);
    const a = v128.load32_splat(at + CHAINS_BYTES, 0), b = v128.load32_splat(at + CHAINS_BYTES, 4);
    for (let step = 0; step < steps; step++) {
      s0 = Chain.step(kind, s0, a, b); s1 = Chain.step(kind, s1, a, b); s2 = Chain.step(kind, s2, a, b); s3 = Chain.step(kind, s3, a, b);
      s4 = Chain.step(kind, s4, a, b); s5 = Chain.step(kind, s5, a, b); s6 = Chain.step(kind, s6, a, b); s7 = Chain.step(kind, s7, a, b);
      s8 = Chain.step(kind, s8, a, b); s9 = Chain.step(kind, s9, a, b); s10 = Chain.step(kind, s10, a, b); s11 = Chain.step(kind, s11, a, b);
    }
    v128.store(at, s0, 0); v128.store(at, s1, 16); v128.store(at, s2, 32); v128.store(at, s3, 48);
    v128.store(at, s4, 64); v128.store(at, s5, 80); v128.store(at, s6, 96); v128.store(at, s7, 112);
    v128.store(at, s8, 128); v128.store(at, s9, 144); v128.store(at, s10, 160); v128.store(at, s11, 176);
  }

  @inline static of24(kind: i32, at: usize, steps: i32): void {
    let s0 = v128.load(at, 0), s1 = v128.load(at, 16), s2 = v128.load(at, 32), s3 = v128.load(at, 48);
    let s4 = v128.load(at, 64), s5 = v128.load(at, 80), s6 = v128.load(at, 96), s7 = v128.load(at, 112);
    let s8 = v128.load(at, 128), s9 = v128.load(at, 144), s10 = v128.load(at, 160), s11 = v128.load(at, 176);
    let s12 = v128.load(at, 192), s13 = v128.load(at, 208), s14 = v128.load(at, 224), s15 = v128.load(at, 240);
    let s16 = v128.load(at, 256), s17 = v128.load(at, 272), s18 = v128.load(at, 288), s19 = v128.load(at, 304);
    let s20 = v128.load(at, 320), s21 = v128.load(at, 336), s22 = v128.load(at, 352), s23 = v128.load(at, 368);
    const a = v128.load32_splat(at + CHAINS_BYTES, 0), b = v128.load32_splat(at + CHAINS_BYTES, 4);
    for (let step = 0; step < steps; step++) {
      s0 = Chain.step(kind, s0, a, b); s1 = Chain.step(kind, s1, a, b); s2 = Chain.step(kind, s2, a, b); s3 = Chain.step(kind, s3, a, b);
      s4 = Chain.step(kind, s4, a, b); s5 = Chain.step(kind, s5, a, b); s6 = Chain.step(kind, s6, a, b); s7 = Chain.step(kind, s7, a, b);
      s8 = Chain.step(kind, s8, a, b); s9 = Chain.step(kind, s9, a, b); s10 = Chain.step(kind, s10, a, b); s11 = Chain.step(kind, s11, a, b);
      s12 = Chain.step(kind, s12, a, b); s13 = Chain.step(kind, s13, a, b); s14 = Chain.step(kind, s14, a, b); s15 = Chain.step(kind, s15, a, b);
      s16 = Chain.step(kind, s16, a, b); s17 = Chain.step(kind, s17, a, b); s18 = Chain.step(kind, s18, a, b); s19 = Chain.step(kind, s19, a, b);
      s20 = Chain.step(kind, s20, a, b); s21 = Chain.step(kind, s21, a, b); s22 = Chain.step(kind, s22, a, b); s23 = Chain.step(kind, s23, a, b);
    }
    v128.store(at, s0, 0); v128.store(at, s1, 16); v128.store(at, s2, 32); v128.store(at, s3, 48);
    v128.store(at, s4, 64); v128.store(at, s5, 80); v128.store(at, s6, 96); v128.store(at, s7, 112);
    v128.store(at, s8, 128); v128.store(at, s9, 144); v128.store(at, s10, 160); v128.store(at, s11, 176);
    v128.store(at, s12, 192); v128.store(at, s13, 208); v128.store(at, s14, 224); v128.store(at, s15, 240);
    v128.store(at, s16, 256); v128.store(at, s17, 272); v128.store(at, s18, 288); v128.store(at, s19, 304);
    v128.store(at, s20, 320); v128.store(at, s21, 336); v128.store(at, s22, 352); v128.store(at, s23, 368);
  }
}

export function multiply_add_12(at: usize, steps: i32): void { Chain.of12(MULTIPLY_ADD, at, steps); }
export function multiply_add_24(at: usize, steps: i32): void { Chain.of24(MULTIPLY_ADD, at, steps); }
export function dot_i16_12(at: usize, steps: i32): void { Chain.of12(DOT_I16, at, steps); }
export function dot_i16_24(at: usize, steps: i32): void { Chain.of24(DOT_I16, at, steps); }
export function fused_12(at: usize, steps: i32): void { if (RELAXED) Chain.of12(FUSED, at, steps); }
export function fused_24(at: usize, steps: i32): void { if (RELAXED) Chain.of24(FUSED, at, steps); }
export function dot_i8_12(at: usize, steps: i32): void { if (RELAXED) Chain.of12(DOT_I8, at, steps); }
export function dot_i8_24(at: usize, steps: i32): void { if (RELAXED) Chain.of24(DOT_I8, at, steps); }

/** Reads [fromAt, fromAt + bytes), bytes a multiple of 256; the sum -> outAt [8] v128. */
export function read_once(outAt: usize, fromAt: usize, bytes: i32): void {
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  const end = fromAt + <usize>bytes;
  while (fromAt < end) {
    s0 = i32x4.add(s0, v128.load(fromAt, 0)); s1 = i32x4.add(s1, v128.load(fromAt, 16));
    s2 = i32x4.add(s2, v128.load(fromAt, 32)); s3 = i32x4.add(s3, v128.load(fromAt, 48));
    s4 = i32x4.add(s4, v128.load(fromAt, 64)); s5 = i32x4.add(s5, v128.load(fromAt, 80));
    s6 = i32x4.add(s6, v128.load(fromAt, 96)); s7 = i32x4.add(s7, v128.load(fromAt, 112));
    s0 = i32x4.add(s0, v128.load(fromAt, 128)); s1 = i32x4.add(s1, v128.load(fromAt, 144));
    s2 = i32x4.add(s2, v128.load(fromAt, 160)); s3 = i32x4.add(s3, v128.load(fromAt, 176));
    s4 = i32x4.add(s4, v128.load(fromAt, 192)); s5 = i32x4.add(s5, v128.load(fromAt, 208));
    s6 = i32x4.add(s6, v128.load(fromAt, 224)); s7 = i32x4.add(s7, v128.load(fromAt, 240));
    fromAt += 256;
  }
  v128.store(outAt, s0, 0); v128.store(outAt, s1, 16); v128.store(outAt, s2, 32); v128.store(outAt, s3, 48);
  v128.store(outAt, s4, 64); v128.store(outAt, s5, 80); v128.store(outAt, s6, 96); v128.store(outAt, s7, 112);
}

/** A loop around the loop in one function costs V8 11 a third of the rate. */
export function read(outAt: usize, fromAt: usize, bytes: i32, passes: i32): void {
  for (let pass = 0; pass < passes; pass++) read_once(outAt, fromAt, bytes);
}

/** The same in eight streams, each an eighth of the bytes (a multiple of 256): what a prefetcher follows best. */
export function read_8_streams_once(outAt: usize, at0: usize, bytes: i32): void {
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  const share = <usize>(bytes >> 3), end = at0 + share;
  let at1 = end, at2 = at1 + share, at3 = at2 + share, at4 = at3 + share, at5 = at4 + share, at6 = at5 + share, at7 = at6 + share;
  while (at0 < end) {
    s0 = i32x4.add(s0, v128.load(at0, 0)); s1 = i32x4.add(s1, v128.load(at0, 16));
    s2 = i32x4.add(s2, v128.load(at1, 0)); s3 = i32x4.add(s3, v128.load(at1, 16));
    s4 = i32x4.add(s4, v128.load(at2, 0)); s5 = i32x4.add(s5, v128.load(at2, 16));
    s6 = i32x4.add(s6, v128.load(at3, 0)); s7 = i32x4.add(s7, v128.load(at3, 16));
    s0 = i32x4.add(s0, v128.load(at4, 0)); s1 = i32x4.add(s1, v128.load(at4, 16));
    s2 = i32x4.add(s2, v128.load(at5, 0)); s3 = i32x4.add(s3, v128.load(at5, 16));
    s4 = i32x4.add(s4, v128.load(at6, 0)); s5 = i32x4.add(s5, v128.load(at6, 16));
    s6 = i32x4.add(s6, v128.load(at7, 0)); s7 = i32x4.add(s7, v128.load(at7, 16));
    at0 += 32; at1 += 32; at2 += 32; at3 += 32; at4 += 32; at5 += 32; at6 += 32; at7 += 32;
  }
  v128.store(outAt, s0, 0); v128.store(outAt, s1, 16); v128.store(outAt, s2, 32); v128.store(outAt, s3, 48);
  v128.store(outAt, s4, 64); v128.store(outAt, s5, 80); v128.store(outAt, s6, 96); v128.store(outAt, s7, 112);
}

export function read_8_streams(outAt: usize, fromAt: usize, bytes: i32, passes: i32): void {
  for (let pass = 0; pass < passes; pass++) read_8_streams_once(outAt, fromAt, bytes);
}
