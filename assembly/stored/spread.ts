/** 16 small integers -> 16 f32. */

export class Spread {
  /** out[i] = scale * q[i], q signed bytes. */
  @inline static scaled(outAt: usize, q_i8x16: v128, scale: v128): void {
    const low = i16x8.extend_low_i8x16_s(q_i8x16), high = i16x8.extend_high_i8x16_s(q_i8x16);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale), 0);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), 16);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), 32);
    v128.store(outAt, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), 48);
  }

  /** out[i] = scale * q[i] + offset: two roundings. */
  @inline static shifted(outAt: usize, q_i8x16: v128, scale: v128, offset: v128): void {
    const low = i16x8.extend_low_i8x16_s(q_i8x16), high = i16x8.extend_high_i8x16_s(q_i8x16);
    v128.store(outAt, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale), offset), 0);
    v128.store(outAt, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), offset), 16);
    v128.store(outAt, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), offset), 32);
    v128.store(outAt, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), offset), 48);
  }

  /** High nibbles of bytes; not i8x16.shr_u, which is a shift of words and a mask of its own. */
  @inline static high(bytes: v128): v128 {
    return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
  }

  @inline static low(bytes: v128): v128 {
    return v128.and(bytes, i8x16.splat(15));
  }
}
