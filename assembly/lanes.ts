/**
 * The v128 vocabulary, and the only file that knows which build it is in (simd or relaxed).
 */

// @ts-ignore: asc knows the feature flag
const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;

/** Roundings of a multiply-add. */
export const FUSED = 1;
export const APART = 2;

/**
 * Constants of exp, loaded where they are wanted: V8 makes a constant vector anew, in several instructions, in every turn of a loop. The
 * third added to and taken from a small number leaves its nearest integer, half to even, and between the two its bits in the low end.
 */
const EXP = memory.data<f32>([
  -87.3, 88.3, 12582912, 1.4426950408889634, 0.693145751953125, 1.4286068203094172e-6,
  0.0013950602151453495, 0.008368953131139278, 0.04166620597243309, 0.166665181517601, 0.5, 1, 0, 0, 0, 0,
], 64);

/**
 * Words of further constants, four times a vector each, for the same reason: V8 of Node 26 makes one anew wherever it is used,
 * by a load, a move and a shuffle. Rows of q4_0 in cache 14 -> 23 GB/s, 26 -> 37 wide; q4_k 10 -> 14, 18 -> 21 (EPYC Zen 4, Node 26).
 *
 * Every table of ours ends in zeros: asc's cosine of angles from 1.6e6 to 4.2e6 reads the eight bytes before its own table, which may
 * be the end of one of these, and takes them for zeros.
 */
const WORDS = memory.data<u32>([
  0x0f0f0f0f, 0x30303030, 0x10101010, 0x00010001, 0x0000ffff, 0x8fffffff, 0x77800000, 0x8fffe000, 0x4b400000, 0x80808080, 0x00ff00ff, 127, 0xc2b0999a, 0xff80ff80,
  0x01010101, 0xfff8fff8, 0xfff0fff0, 0, 0, 0,
], 64);

export class Lanes {
  /** Bytes of 15: nibbles. */
  @inline static nibbles(): v128 { return v128.load32_splat(WORDS, 0); }
  /** Bytes of 48: the upper two of six bits. */
  @inline static uppers(): v128 { return v128.load32_splat(WORDS, 4); }
  /** Bytes of 16: the fifth bit. */
  @inline static fifths(): v128 { return v128.load32_splat(WORDS, 8); }
  /** i16 of 1. */
  @inline static ones(): v128 { return v128.load32_splat(WORDS, 12); }
  /** The low halves of i32. */
  @inline static halves(): v128 { return v128.load32_splat(WORDS, 16); }
  /** Bytes of 128. */
  @inline static signs(): v128 { return v128.load32_splat(WORDS, 36); }
  /** i16 of -128. */
  @inline static leastBytes(): v128 { return v128.load32_splat(WORDS, 52); }
  /** i16 of -8. */
  @inline static lessEights(): v128 { return v128.load32_splat(WORDS, 60); }
  /** i16 of -16. */
  @inline static lessSixteens(): v128 { return v128.load32_splat(WORDS, 64); }
  /** Bytes of 1. */
  @inline static byteOnes(): v128 { return v128.load32_splat(WORDS, 56); }

  /** Whether kernels for 256-bit pairs are in this build: the other has no use for their integers, whose dots are nine operations there. */
  @inline static pairs(): bool { return RELAXED; }

  /** sum + a * b: one rounding in the relaxed build where it is FUSED, else two. */
  @inline static multiplyAdd(a: v128, b: v128, sum: v128, roundings: i32): v128 {
    if (RELAXED && roundings === FUSED) return f32x4.relaxed_madd(a, b, sum);
    return f32x4.add(sum, f32x4.mul(a, b));
  }

  /**
   * Sums of two adjacent products as i16: a signed, b in 0..127. The caller keeps |sum| below 2^15: exact in both builds.
   * The plain form multiplies even and odd bytes apart.
   */
  @inline static dotI8I7(a: v128, b: v128): v128 {
    if (RELAXED) return i16x8.relaxed_dot_i8x16_i7x16_s(a, b);
    const even = i16x8.mul(i16x8.shr_s(i16x8.shl(a, 8), 8), v128.and(b, v128.load32_splat(WORDS, 40)));
    const odd = i16x8.mul(i16x8.shr_s(a, 8), i16x8.shr_u(b, 8));
    return i16x8.add(even, odd);
  }

  /** sum + four adjacent products, i32 lanes: one instruction where the processor has AVX-VNNI and V8 knows it, else three. */
  @inline static dotAddI8I7(a: v128, b: v128, sum: v128): v128 {
    if (RELAXED) return i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, sum);
    return i32x4.add(sum, i32x4.dot_i16x8_s(Lanes.dotI8I7(a, b), Lanes.ones()));
  }

  /**
   * sum + four adjacent products, i32 lanes, exact: a signed, b a byte from 0 to 255, or with a sign where `signed`. In the relaxed build only
   * where the processor's dot takes such bytes (forms/bytes.ts): elsewhere two products saturate.
   */
  @inline static dotAddBytes(signed: bool, a: v128, b: v128, sum: v128): v128 {
    if (RELAXED) return i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, sum);
    const even = signed ? i16x8.shr_s(i16x8.shl(b, 8), 8) : v128.and(b, v128.load32_splat(WORDS, 40)), odd = signed ? i16x8.shr_s(b, 8) : i16x8.shr_u(b, 8);
    const first = i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(a, 8), 8), even);
    return i32x4.add(sum, i32x4.add(first, i32x4.dot_i16x8_s(i16x8.shr_s(a, 8), odd)));
  }

  /** s + integers * (row scale * output scales): how a block of integers joins its f32 sum. */
  @inline static addScaled(sum: v128, integers: v128, row: v128, scales: v128): v128 {
    return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(integers), f32x4.mul(row, scales)));
  }

  /**
   * The same of the 32 outputs of a visit, whose sums lie in memory, scales of its groups side by side at `at`. Both vectors of a group are
   * computed before either is stored (forms/q8_0.ts).
   */
  @inline static addVisit(sumAt: usize, at: usize, row: v128, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128, c7: v128): void {
    Lanes.addTwo(sumAt, at, at + 32, row, c0, c1, c2, c3);
    Lanes.addTwo(sumAt + 64, at + 64, at + 96, row, c4, c5, c6, c7);
  }

  /** The same of the 16 outputs of two groups, scales of each at an address of its own. */
  @inline static addTwo(sumAt: usize, at: usize, at1: usize, row: v128, c0: v128, c1: v128, c2: v128, c3: v128): void {
    const s0 = Lanes.addScaled(v128.load(sumAt, 0), c0, row, v128.load(at, 0)), s1 = Lanes.addScaled(v128.load(sumAt, 16), c1, row, v128.load(at, 16));
    v128.store(sumAt, s0, 0); v128.store(sumAt, s1, 16);
    const s2 = Lanes.addScaled(v128.load(sumAt, 32), c2, row, v128.load(at1, 0)), s3 = Lanes.addScaled(v128.load(sumAt, 48), c3, row, v128.load(at1, 16));
    v128.store(sumAt, s2, 32); v128.store(sumAt, s3, 48);
  }

  /** table[index] of every byte; indexes are 0..15. */
  @inline static lookup(table: v128, index: v128): v128 {
    if (RELAXED) return i8x16.relaxed_swizzle(table, index);
    return i8x16.swizzle(table, index);
  }

  /** Lanes summed in one fixed order: (0 + 1) + (2 + 3). */
  @inline static sum(a: v128): f32 {
    return f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3));
  }

  /** The largest of four f32 without a sign; NaN where one is, whose bits are the largest. Not lane by lane: a maximum of two floats is branches. */
  @inline static largest(a: v128): f32 {
    const two = i32x4.max_u(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
    return f32x4.extract_lane(i32x4.max_u(two, v128.shuffle<i32>(two, two, 1, 0, 3, 2)), 0);
  }

  @inline static max(a: v128): f32 {
    return max(max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)), max(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)));
  }

  /** Four f16 in the low halves of u32 lanes -> f32, subnormals exact; infinity and NaN come out finite (pack refuses them). */
  @inline static widenF16(halves_u32x4: v128): v128 {
    // The arithmetic shift copies the sign down and the mask keeps its first copy; 2^112 moves the exponent bias from 15 to 127.
    const bits = v128.and(i32x4.shr_s(i32x4.shl(halves_u32x4, 16), 3), v128.load32_splat(WORDS, 20));
    return f32x4.mul(bits, v128.load32_splat(WORDS, 24));
  }

  @inline static halfToF32(half: u32): f32 {
    return f32x4.extract_lane(Lanes.widenF16(i32x4.splat(half)), 0);
  }

  /** Four f16 as they are packed (forms/float.ts), sign-extended to i32 lanes -> f32 times 2^-102, no denormals. */
  @inline static widenPackedF16(halves_i32x4: v128): v128 {
    return v128.and(i32x4.shl(halves_i32x4, 13), v128.load32_splat(WORDS, 28));
  }

  /** Four bf16 in the low halves of u32 lanes -> f32. */
  @inline static widenBf16(halves_u32x4: v128): v128 {
    return i32x4.shl(halves_u32x4, 16);
  }

  /**
   * To the nearest integer, half to even, |x| < 2^22; NaN gives anything. Beside 1.5 * 2^23 the last bit of an f32 counts 1: an addition
   * and a subtraction, where `nearest` and `trunc_sat` are nine instructions.
   */
  @inline static nearest(x: v128): v128 {
    return i32x4.sub(f32x4.add(x, v128.load32_splat(WORDS, 32)), v128.load32_splat(WORDS, 32));
  }

  /**
   * e^x, relative error < 1e-7 on [-87.3, 88.3]; exactly 1 at 0, exactly 0 below -87.3 (also -infinity); x is cut at 88.3.
   * Method: x = n ln2 + r, |r| <= ln2 / 2; ln2 in two parts; degree 6 in r (minimax on this interval, by
   * iteratively reweighted least squares); 2^n by the exponent bits. Every step rounds once: multiply and add stay apart in both builds.
   */
  @inline static exp(x: v128): v128 {
    const least = v128.load32_splat(EXP, 0), shift = v128.load32_splat(EXP, 8);
    const alive = f32x4.ge(x, least);
    const cut = f32x4.pmin(v128.load32_splat(EXP, 4), f32x4.pmax(least, x));
    const shifted = f32x4.add(f32x4.mul(cut, v128.load32_splat(EXP, 12)), shift), n = f32x4.sub(shifted, shift);
    // 0.693145752 has 9 trailing zero bits, so n * high is exact for |n| < 512.
    const r = f32x4.sub(f32x4.sub(cut, f32x4.mul(n, v128.load32_splat(EXP, 16))), f32x4.mul(n, v128.load32_splat(EXP, 20)));
    let p = v128.load32_splat(EXP, 24);
    p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 28));
    p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 32));
    p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 36));
    p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 40));
    // 1 + (r + r^2 p): the large term last, so its rounding is the only one that counts.
    const tail = f32x4.add(r, f32x4.mul(f32x4.mul(r, r), p));
    const mantissa = f32x4.add(v128.load32_splat(EXP, 44), tail);
    const power = i32x4.shl(i32x4.add(shifted, v128.load32_splat(WORDS, 44)), 23);
    return v128.and(f32x4.mul(mantissa, power), alive);
  }

  /** z / (1 + e^-z); z is cut at -88.3, where the value is 0 to f32's eye and e^-z still finite. NaN stays NaN. */
  @inline static silu(z: v128): v128 {
    const cut = f32x4.pmax(z, v128.load32_splat(WORDS, 48));
    return f32x4.div(cut, f32x4.add(v128.load32_splat(EXP, 44), Lanes.exp(f32x4.neg(cut))));
  }
}
