/** Floats of 16 bits: f16, and bf16, the upper half of an f32. Widening is exact, narrowing rounds to nearest even. */

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

export function bf16ToF32(half: number): number {
  word[0] = half << 16;
  return float[0];
}

export function f16ToF32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

export const isFiniteF16 = (half: number): boolean => (half & 0x7c00) !== 0x7c00;

/** The bits of an f32, which is no NaN, to those of a bf16. */
export const bitsToBf16 = (bits: number): number => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

export function f32ToF16(value: number): number {
  float[0] = value;
  return bitsToF16(word[0]);
}

/** The bits of an f32, which is no NaN, to those of an f16. */
export function bitsToF16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  // From 65520 up: infinity.
  if (size >= 0x477ff000) return sign | 0x7c00;
  // From 2^-14 up: 13 mantissa bits go, the exponent bias falls by 112; the carry of rounding may enter the exponent.
  if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
  // Subnormal: multiples of 2^-24.
  const exponent = size >>> 23;
  if (exponent < 102) return sign;
  const mantissa = (size & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const kept = mantissa >>> shift;
  return sign | ((mantissa + (1 << (shift - 1)) - 1 + (kept & 1)) >>> shift);
}
