/** f16 <-> f32, exact both ways: subnormals, infinities and NaN included, and no arithmetic on denormal f32, which is slow. */

/** Exponents 15 -> 127. */
const BIAS: i32 = 0x38000000;
/** Smallest normal f16, 2^-14. */
const NORMAL: i32 = 0x38800000;

export class Half {
  /** The f16 at an address. */
  @inline static load(at: usize): f32 {
    const half: i32 = load<u16>(at);
    const exponent = half & 0x7c00, sign = (half & 0x8000) << 16, size = (half & 0x7fff) << 13;
    if (exponent == 0) {
      // 2^-14 + m 2^-24 - 2^-14
      const value = reinterpret<f32>(size + NORMAL) - reinterpret<f32>(NORMAL);
      return reinterpret<f32>(reinterpret<i32>(value) | sign);
    }
    return reinterpret<f32>((exponent == 0x7c00 ? size | 0x7f800000 : size + BIAS) | sign);
  }

  /** Four f16 in the low halves of u32 lanes -> f32. */
  @inline static widen(halves_u32x4: v128): v128 {
    const size = i32x4.shl(v128.and(halves_u32x4, i32x4.splat(0x7fff)), 13);
    const sign = i32x4.shl(v128.and(halves_u32x4, i32x4.splat(0x8000)), 16);
    const normal = i32x4.add(size, i32x4.splat(BIAS));
    const subnormal = f32x4.sub(i32x4.add(size, i32x4.splat(NORMAL)), i32x4.splat(NORMAL));
    const special = v128.or(size, i32x4.splat(0x7f800000));
    const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(size, i32x4.splat(0x00800000)));
    return v128.or(v128.bitselect(special, finite, i32x4.ge_s(size, i32x4.splat(0x0f800000))), sign);
  }

  /** f32 -> f16 in the low halves of u32 lanes, to nearest even; infinity from 65520; NaN becomes the quiet one. */
  @inline static narrow(values: v128): v128 {
    const size = v128.and(values, i32x4.splat(0x7fffffff));
    const sign = v128.and(i32x4.shr_u(values, 16), i32x4.splat(0x8000));
    const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1));
    const normal = i32x4.shr_u(i32x4.add(i32x4.add(size, odd), i32x4.splat(0xfff - BIAS)), 13);
    // The last bit of a float in [0.5, 1) is 2^-24: adding 0.5 rounds to f16 subnormals.
    const subnormal = i32x4.sub(f32x4.add(size, f32x4.splat(0.5)), f32x4.splat(0.5));
    const infinite = v128.bitselect(i32x4.splat(0x7e00), i32x4.splat(0x7c00), i32x4.gt_s(size, i32x4.splat(0x7f800000)));
    const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(size, i32x4.splat(NORMAL)));
    return v128.or(v128.bitselect(infinite, finite, i32x4.ge_s(size, i32x4.splat(0x477ff000))), sign);
  }

  /** Rounds to f16 and stores it. */
  static store(at: usize, value: f32): void {
    store<u16>(at, <u16>i32x4.extract_lane(Half.narrow(f32x4.splat(value)), 0));
  }

  @inline static isFinite(at: usize): bool {
    return (load<u16>(at) & 0x7c00) != 0x7c00;
  }
}
