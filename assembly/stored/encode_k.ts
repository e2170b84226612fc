/**
 * f32 rows -> q4_k, q5_k, q6_k (layouts: k.ts). The searches are those of ggml's reference quantisers, step by step in f32, so the bytes
 * are the same: sums run upwards through a sub-block, products round from the left. Values are finite.
 *
 * Four sub-blocks are searched at once, one a lane. A block's own bytes hold what its sub-blocks found until the integers are
 * written over them.
 */

import { Half } from "./half";

class Four {
  /** Value at `at` of four sub-blocks of 16 or 32 values. */
  @inline static x(at: usize, values: i32): v128 {
    if (values == 16) return v128.load32_lane(at, v128.load32_lane(at, v128.load32_lane(at, v128.load32_zero(at), 1, 64), 2, 128), 3, 192);
    return v128.load32_lane(at, v128.load32_lane(at, v128.load32_lane(at, v128.load32_zero(at), 1, 128), 2, 256), 3, 384);
  }

  /** To the nearest integer of least..most; NaN becomes the least. */
  @inline static integer(value: v128, least: v128, most: v128): v128 {
    return f32x4.pmax(least, f32x4.pmin(f32x4.nearest(value), most));
  }

  /** To the nearest integer; never a trap. */
  @inline static whole(value: f32): i32 {
    return i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.splat(value))), 0);
  }

  /** 16 floats that are small integers -> bytes. */
  @inline static bytes(a: v128, b: v128, c: v128, d: v128): v128 {
    const low = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(a), i32x4.trunc_sat_f32x4_s(b));
    const high = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(c), i32x4.trunc_sat_f32x4_s(d));
    return i8x16.narrow_i16x8_s(low, high);
  }
}

// Where q4_k and q5_k keep the findings of sub-blocks 2 i and 2 i + 1, a pair of f32 each, in the 32 bytes of their integers.
const SCALE: usize = 0;
const OFFSET: usize = 8;
const INVERSE: usize = 16;
const LOW: usize = 24;

class Shifted {
  /**
   * Four sub-blocks of 32 as scale q - offset, q of 0..most, offset >= 0, |error|^2 weighed by |x| + root mean square. Begin with q spread
   * over the range; then for each of steps + 1 other spreads fit scale and offset to its q by least squares and keep the best.
   * As in the reference, a better offset moves the range of the spreads after it.
   */
  static search(at: usize, foundAt: usize, most: f32, begin: f32, steps: i32): void {
    const end = at + 128, zero = f32x4.splat(0), top = f32x4.splat(most);
    let low = Four.x(at, 32), high = low, squares = zero;
    for (let i = at; i < end; i += 4) {
      const x = Four.x(i, 32);
      low = f32x4.pmin(low, x);
      high = f32x4.pmax(high, x);
      squares = f32x4.add(squares, f32x4.mul(x, x));
    }
    low = f32x4.pmin(low, zero);
    const average = f32x4.sqrt(f32x4.div(squares, f32x4.splat(32)));
    // Where all x are the same and not above 0, inverse is infinite and scale 0; x - low is 0, so q is 0 and nothing is ever better.
    let inverse = f32x4.div(top, f32x4.sub(high, low)), scale = f32x4.div(f32x4.splat(1), inverse);
    let error = zero, weights = zero, sumX = zero;
    for (let i = at; i < end; i += 4) {
      const x = Four.x(i, 32), w = f32x4.add(average, f32x4.abs(x));
      weights = f32x4.add(weights, w);
      sumX = f32x4.add(sumX, f32x4.mul(w, x));
      const q = Four.integer(f32x4.mul(inverse, f32x4.sub(x, low)), zero, top);
      const off = f32x4.sub(f32x4.add(f32x4.mul(scale, q), low), x);
      error = f32x4.add(error, f32x4.mul(w, f32x4.mul(off, off)));
    }
    let min = low;
    for (let step = 0; step <= steps; step++) {
      const spread = f32x4.div(f32x4.splat(begin + <f32>0.1 * <f32>step + most), f32x4.sub(high, min));
      let sumQ = zero, sumQQ = zero, sumQX = zero;
      for (let i = at; i < end; i += 4) {
        const x = Four.x(i, 32), w = f32x4.add(average, f32x4.abs(x));
        const q = Four.integer(f32x4.mul(spread, f32x4.sub(x, min)), zero, top), wq = f32x4.mul(w, q);
        sumQ = f32x4.add(sumQ, wq);
        sumQQ = f32x4.add(sumQQ, f32x4.mul(wq, q));
        sumQX = f32x4.add(sumQX, f32x4.mul(wq, x));
      }
      const determinant = f32x4.sub(f32x4.mul(weights, sumQQ), f32x4.mul(sumQ, sumQ));
      let s = f32x4.div(f32x4.sub(f32x4.mul(weights, sumQX), f32x4.mul(sumX, sumQ)), determinant);
      let m = f32x4.div(f32x4.sub(f32x4.mul(sumQQ, sumX), f32x4.mul(sumQ, sumQX)), determinant);
      const above = f32x4.gt(m, zero);
      m = v128.andnot(m, above);
      s = v128.bitselect(f32x4.div(sumQX, sumQQ), s, above);
      let fitted = zero;
      for (let i = at; i < end; i += 4) {
        const x = Four.x(i, 32), w = f32x4.add(average, f32x4.abs(x));
        const q = Four.integer(f32x4.mul(spread, f32x4.sub(x, min)), zero, top);
        const off = f32x4.sub(f32x4.add(f32x4.mul(s, q), m), x);
        fitted = f32x4.add(fitted, f32x4.mul(w, f32x4.mul(off, off)));
      }
      const better = v128.and(f32x4.gt(determinant, zero), f32x4.lt(fitted, error));
      error = v128.bitselect(fitted, error, better);
      scale = v128.bitselect(s, scale, better);
      inverse = v128.bitselect(spread, inverse, better);
      low = v128.bitselect(min, low, better);
      min = v128.bitselect(m, min, better);
    }
    min = f32x4.neg(min);
    v128.store64_lane(foundAt + SCALE, scale, 0);
    v128.store64_lane(foundAt + SCALE + 32, scale, 1);
    v128.store64_lane(foundAt + OFFSET, min, 0);
    v128.store64_lane(foundAt + OFFSET + 32, min, 1);
    v128.store64_lane(foundAt + INVERSE, inverse, 0);
    v128.store64_lane(foundAt + INVERSE + 32, inverse, 1);
    v128.store64_lane(foundAt + LOW, low, 0);
    v128.store64_lane(foundAt + LOW + 32, low, 1);
  }

  /** Greatest of eight scales or offsets, not below 0. */
  static most(foundAt: usize): f32 {
    let most: f32 = 0;
    for (let j: usize = 0; j < 8; j++) most = max(most, load<f32>(Shifted.of(foundAt, j)));
    return most;
  }

  @inline static of(foundAt: usize, j: usize): usize {
    return foundAt + ((j & 6) << 4) + ((j & 1) << 2);
  }

  /** Eight scales or offsets in units of most / 63, one a byte. */
  static sixths(foundAt: usize, most: f32): u64 {
    const inverse: f32 = most > 0 ? <f32>63 / most : 0;
    let bytes: u64 = 0;
    for (let j: usize = 0; j < 8; j++) {
      const unit = <u32>Four.whole(inverse * load<f32>(Shifted.of(foundAt, j)));
      bytes |= <u64>min(63, unit) << (j << 3);
    }
    return bytes;
  }

  /** Four values in units of d; where d is 0, as the search had them. */
  @inline static four(xAt: usize, d: v128, offset: v128, inverse: v128, low: v128, top: v128, dead: bool): v128 {
    const x = v128.load(xAt), zero = f32x4.splat(0);
    if (dead) return Four.integer(f32x4.mul(inverse, f32x4.sub(x, low)), zero, top);
    return Four.integer(f32x4.div(f32x4.add(x, offset), d), zero, top);
  }

  /** 16 values of sub-block j. */
  static sixteen(xAt: usize, d: f32, offset: f32, inverse: f32, low: f32, most: f32): v128 {
    const dd = f32x4.splat(d), oo = f32x4.splat(offset), ii = f32x4.splat(inverse), ll = f32x4.splat(low), top = f32x4.splat(most);
    if (d == 0) {
      return Four.bytes(Shifted.four(xAt, dd, oo, ii, ll, top, true), Shifted.four(xAt + 16, dd, oo, ii, ll, top, true),
        Shifted.four(xAt + 32, dd, oo, ii, ll, top, true), Shifted.four(xAt + 48, dd, oo, ii, ll, top, true));
    }
    return Four.bytes(Shifted.four(xAt, dd, oo, ii, ll, top, false), Shifted.four(xAt + 16, dd, oo, ii, ll, top, false),
      Shifted.four(xAt + 32, dd, oo, ii, ll, top, false), Shifted.four(xAt + 48, dd, oo, ii, ll, top, false));
  }

  /** By halves: two whole vectors of call results stored side by side end V8 13 and 14 with a fatal error where they pair vectors. */
  @inline static store(at: usize, bytes: v128): void {
    v128.store64_lane(at, bytes, 0);
    v128.store64_lane(at, bytes, 1, 8);
  }

  /** One block of q4_k (most 15) or q5_k (most 31); its nibbles at qAt. */
  @inline static block(toAt: usize, qAt: usize, xAt: usize, most: f32, begin: f32, steps: i32): void {
    for (let group: usize = 0; group < 2; group++) Shifted.search(xAt + (group << 9), qAt + (group << 6), most, begin, steps);
    const scale = Shifted.most(qAt + SCALE), offset = Shifted.most(qAt + OFFSET);
    let scales = Shifted.sixths(qAt + SCALE, scale), offsets = Shifted.sixths(qAt + OFFSET, offset);
    Half.store(toAt, scale / 63);
    Half.store(toAt + 2, offset / 63);
    const lowScales = <u32>scales, highScales = <u32>(scales >>> 32), lowOffsets = <u32>offsets, highOffsets = <u32>(offsets >>> 32);
    store<u32>(toAt, lowScales | ((highScales & 0x30303030) << 2), 4);
    store<u32>(toAt, lowOffsets | ((highOffsets & 0x30303030) << 2), 8);
    store<u32>(toAt, (highScales & 0x0f0f0f0f) | ((highOffsets & 0x0f0f0f0f) << 4), 12);
    const d = Half.load(toAt), unit = Half.load(toAt + 2);
    let fifth0 = i8x16.splat(0), fifth1 = fifth0;
    const end = qAt + 128;
    for (let bit = 0; qAt < end; bit += 2) {
      const d0 = d * <f32>(<u32>scales & 255), d1 = d * <f32>(<u32>(scales >>> 8) & 255);
      const o0 = unit * <f32>(<u32>offsets & 255), o1 = unit * <f32>(<u32>(offsets >>> 8) & 255);
      const i0 = load<f32>(qAt, INVERSE), i1 = load<f32>(qAt, INVERSE + 4), l0 = load<f32>(qAt, LOW), l1 = load<f32>(qAt, LOW + 4);
      let q0 = Shifted.sixteen(xAt, d0, o0, i0, l0, most), q1 = Shifted.sixteen(xAt + 128, d1, o1, i1, l1, most);
      let q2 = Shifted.sixteen(xAt + 64, d0, o0, i0, l0, most), q3 = Shifted.sixteen(xAt + 192, d1, o1, i1, l1, most);
      if (most > 15) {
        const sixteen = i8x16.splat(16), one = i8x16.splat(15);
        fifth0 = v128.or(fifth0, i8x16.shl(v128.or(i16x8.shr_u(v128.and(q0, sixteen), 4), i16x8.shr_u(v128.and(q1, sixteen), 3)), bit));
        fifth1 = v128.or(fifth1, i8x16.shl(v128.or(i16x8.shr_u(v128.and(q2, sixteen), 4), i16x8.shr_u(v128.and(q3, sixteen), 3)), bit));
        q0 = v128.and(q0, one);
        q1 = v128.and(q1, one);
        q2 = v128.and(q2, one);
        q3 = v128.and(q3, one);
      }
      Shifted.store(qAt, v128.or(q0, i16x8.shl(q1, 4)));
      Shifted.store(qAt + 16, v128.or(q2, i16x8.shl(q3, 4)));
      scales >>>= 16;
      offsets >>>= 16;
      qAt += 32;
      xAt += 256;
    }
    if (most > 15) {
      Shifted.store(toAt + 16, fifth0);
      Shifted.store(toAt + 32, fifth1);
    }
  }
}

export function encode_q4_k(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 1024, toAt += 144) Shifted.block(toAt, toAt + 16, xAt, 15, -1, 20);
}

export function encode_q5_k(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 1024, toAt += 176) Shifted.block(toAt, toAt + 48, xAt, 31, -0.5, 15);
}

/** Below this a sub-block or block of q6_k counts as zeros. */
const NOTHING: f32 = 1e-15;

// Where a block of q6_k keeps the findings of its sub-blocks: scales in the low nibbles, [16] f32; inverses in the 16 bytes of high pairs
// that the same 64 values will get, [b][l][g] f32.
const INVERSES: usize = 128;
const SCALES: usize = 192;

class Signed {
  /**
   * Four sub-blocks of 16 as scale q, q of -32..31, |error|^2 weighed by x^2: of 19 spreads of q, the greatest value near -32, the one
   * whose least-squares scale leaves the least. A lane of nothing gets an inverse that is NaN: its q are -32, as in the reference.
   */
  @inline static search(at: usize, foundAt: usize, group: usize): void {
    const end = at + 64, zero = f32x4.splat(0), least = f32x4.splat(-32), most = f32x4.splat(31);
    let size = zero, greatest = zero;
    for (let i = at; i < end; i += 4) {
      const x = Four.x(i, 16), xSize = f32x4.abs(x);
      greatest = v128.bitselect(x, greatest, f32x4.gt(xSize, size));
      size = f32x4.pmax(size, xSize);
    }
    let scale = zero, best = zero, inverse = zero;
    for (let step = -10; step <= 9; step++) {
      // The plain spread goes first and is kept whatever it leaves.
      const shift: f32 = step == -10 ? 0 : <f32>0.1 * <f32>step;
      if (step == 0) continue;
      const spread = f32x4.div(f32x4.splat(-(<f32>32 + shift)), greatest);
      let sumX = zero, sumQ = zero;
      for (let i = at; i < end; i += 4) {
        const x = Four.x(i, 16), q = Four.integer(f32x4.mul(spread, x), least, most), w = f32x4.mul(x, x);
        sumX = f32x4.add(sumX, f32x4.mul(f32x4.mul(w, x), q));
        sumQ = f32x4.add(sumQ, f32x4.mul(f32x4.mul(w, q), q));
      }
      const better = step == -10
        ? i32x4.splat(-1)
        : v128.and(f32x4.gt(sumQ, zero), f32x4.gt(f32x4.mul(sumX, sumX), f32x4.mul(best, sumQ)));
      // Sums that overflowed leave a NaN, and that one the block's scale.
      const fitted = v128.and(f32x4.div(sumX, sumQ), f32x4.ne(sumQ, zero));
      scale = v128.bitselect(fitted, scale, better);
      best = v128.bitselect(f32x4.mul(fitted, sumX), best, better);
      inverse = v128.bitselect(spread, inverse, better);
    }
    const nothing = f32x4.lt(size, f32x4.splat(NOTHING));
    v128.store(foundAt + (group << 4), v128.andnot(scale, nothing));
    inverse = v128.or(inverse, nothing);
    const pairs = v128.shuffle<i32>(inverse, inverse, 0, 2, 1, 3), to = foundAt + INVERSES + ((group & 2) << 4) + ((group & 1) << 3);
    v128.store64_lane(to, pairs, 0);
    v128.store64_lane(to + 16, pairs, 1);
  }

  /** The scale of greatest size with its sign, the first of them; NaN if one is. */
  @inline static greatest(foundAt: usize): f32 {
    let greatest: f32 = 0;
    for (let at = foundAt; at < foundAt + 64; at += 4) {
      const scale = load<f32>(at);
      if (scale != scale) return scale;
      if (abs(scale) > abs(greatest)) greatest = scale;
    }
    return greatest;
  }

  @inline static four(xAt: usize, d: v128, inverse: v128, dead: bool): v128 {
    const x = v128.load(xAt);
    return Four.integer(dead ? f32x4.mul(inverse, x) : f32x4.div(x, d), f32x4.splat(-32), f32x4.splat(31));
  }

  /** 16 values in units of d, counted from -32; where d is 0, as the search had them. */
  static sixteen(xAt: usize, d: f32, inverse: f32): v128 {
    const dd = f32x4.splat(d), ii = f32x4.splat(inverse);
    const q = d == 0
      ? Four.bytes(Signed.four(xAt, dd, ii, true), Signed.four(xAt + 16, dd, ii, true), Signed.four(xAt + 32, dd, ii, true), Signed.four(xAt + 48, dd, ii, true))
      : Four.bytes(Signed.four(xAt, dd, ii, false), Signed.four(xAt + 16, dd, ii, false), Signed.four(xAt + 32, dd, ii, false), Signed.four(xAt + 48, dd, ii, false));
    return i8x16.add(q, i8x16.splat(32));
  }

  @inline static block(toAt: usize, xAt: usize): void {
    for (let group: usize = 0; group < 4; group++) Signed.search(xAt + (group << 8), toAt, group);
    const greatest = Signed.greatest(toAt);
    if (abs(greatest) < NOTHING) {
      memory.fill(toAt, 0, 210);
      return;
    }
    const inverse = <f32>-128 / greatest;
    Half.store(toAt + 208, <f32>1 / inverse);
    for (let j: usize = 0; j < 16; j++) {
      store<i8>(toAt + SCALES + j, <i8>min(127, Four.whole(inverse * load<f32>(toAt + (j << 2)))));
    }
    const d = Half.load(toAt + 208), nibble = i8x16.splat(15), pair = i8x16.splat(0x30);
    for (let half: usize = 0; half < 4; half++) {
      const b = half >>> 1, l = half & 1;
      const scaleAt = toAt + SCALES + (b << 3) + l, pairsAt = toAt + INVERSES + (half << 4), at = xAt + (b << 9) + (l << 6);
      const inverses = v128.load(pairsAt);
      const q0 = Signed.sixteen(at, d * <f32>load<i8>(scaleAt, 0), f32x4.extract_lane(inverses, 0));
      const q1 = Signed.sixteen(at + 128, d * <f32>load<i8>(scaleAt, 2), f32x4.extract_lane(inverses, 1));
      const q2 = Signed.sixteen(at + 256, d * <f32>load<i8>(scaleAt, 4), f32x4.extract_lane(inverses, 2));
      const q3 = Signed.sixteen(at + 384, d * <f32>load<i8>(scaleAt, 6), f32x4.extract_lane(inverses, 3));
      const lowAt = toAt + (b << 6) + (l << 4);
      v128.store(lowAt, v128.or(v128.and(q0, nibble), i16x8.shl(v128.and(q2, nibble), 4)), 0);
      v128.store(lowAt, v128.or(v128.and(q1, nibble), i16x8.shl(v128.and(q3, nibble), 4)), 32);
      const first = v128.or(i16x8.shr_u(v128.and(q0, pair), 4), i16x8.shr_u(v128.and(q1, pair), 2));
      v128.store(pairsAt, v128.or(first, v128.or(v128.and(q2, pair), i16x8.shl(v128.and(q3, pair), 2))));
    }
  }
}

export function encode_q6_k(toAt: usize, xAt: usize, count: i32): void {
  for (const end = xAt + ((<usize>count) << 2); xAt < end; xAt += 1024, toAt += 210) Signed.block(toAt, xAt);
}
