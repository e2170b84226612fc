/**
 * exp and log of doubles from + - * / and exact steps alone.
 *
 * `Math.exp` and `Math.log` may differ in the last bit from engine to engine, and one bit can change which token a
 * seed draws. IEEE 754 fixes every operation used here, so these two give the same bits everywhere. Relative error
 * < 1e-15 (both are within about one unit in the last place).
 */

/** exp splits the line into steps of ln2 / 128: small enough for a short polynomial, and the table stays in L1. */
const STEPS = 128;
const STEPS_PER_UNIT = STEPS / Math.LN2;
/** ln2 in two parts; the high one has 21 zero bits at its end, so its product with a step number (17 bits) is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const STEP_HIGH = LN2_HIGH / STEPS;
const STEP_LOW = LN2_LOW / STEPS;
/** Added before truncation, so that truncation rounds to nearest for negative numbers too. */
const SHIFT = 131072;

/** 2^(i / 128), and 2^k at index k + 1022. */
const FRACTIONS = fractions();
const POWERS = powers();

/** The largest number of 32 bits. */
export const MAX_F32 = 3.4028234663852886e38;

/** e to the power of x. Overflow gives Infinity, underflow goes through the subnormals to 0. */
export function exp(x: number): number {
  if (!(x > -708 && x < 709)) return expAtEdge(x);
  const step = ((x * STEPS_PER_UNIT + (SHIFT + 0.5)) | 0) - SHIFT;
  const r = x - step * STEP_HIGH - step * STEP_LOW;
  const grown = r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120))));
  const fraction = FRACTIONS[step & (STEPS - 1)];
  return (fraction + fraction * grown) * POWERS[(step >> 7) + 1022];
}

function expAtEdge(x: number): number {
  if (x < -746) return 0;
  if (x > 710) return Infinity;
  if (Number.isNaN(x)) return x;
  const half = exp(x * 0.5);
  return half * half;
}

/** Of the weights: 32 steps an octave, down to e^-64. The last entry is 0 and stands for everything below. */
const WEIGHT_STEP = Math.LN2 / 32;
const WEIGHTS = Float64Array.from({ length: 2956 }, (_, n) => (n < 2955 ? exp(-n * WEIGHT_STEP) : 0));

/**
 * weights[i] = e^((values[i] - max) / temperature) for the first `count` values, none above `max`; returns their sum.
 *
 * Twice as fast as `exp`, for a whole vocabulary a token: relative error < 1e-10 (logits carry 1e-7), falling with the
 * value, exactly 1 at `max`. Below e^-64 a weight is 0: a million of those are beyond the reach of a draw of 53 bits.
 */
export function expWeights(
  values: Float32Array,
  count: number,
  max: number,
  temperature: number,
  weights: Float64Array,
): number {
  const table = WEIGHTS;
  const last = table.length - 1;
  const scale = 1 / (temperature * WEIGHT_STEP);
  // Terms of the exponential series for one step. Constants of the module in their place take twice the time in V8.
  const first = WEIGHT_STEP;
  const second = (first * WEIGHT_STEP) / 2;
  const third = (second * WEIGHT_STEP) / 3;
  const fourth = (third * WEIGHT_STEP) / 4;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const steps = Math.min((max - values[i]) * scale, last);
    const whole = steps | 0;
    const f = whole - steps; // in (-1, 0]
    const weight = table[whole] * (1 + f * first + f * f * (second + f * third + f * f * fourth));
    weights[i] = weight;
    total += weight;
  }
  return total;
}

const BITS = new DataView(new ArrayBuffer(8));

/** Natural logarithm: x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), then the series in s = f / (2 + f) of fdlibm. */
export function log(x: number): number {
  if (!(x > 0) || x === Infinity) return x === 0 ? -Infinity : x > 0 ? x : NaN;
  let exponent = 0;
  if (x < 2.2250738585072014e-308) {
    x *= 18014398509481984; // 2^54: subnormals have no exponent of their own
    exponent = -54;
  }
  BITS.setFloat64(0, x);
  const high = BITS.getInt32(0);
  const up = (high & 0xfffff) > 0x6a09e ? 1 : 0; // the upper half of the octave is taken as half of the next
  exponent += (high >> 20) - 1023 + up;
  BITS.setInt32(0, (high & 0xfffff) | ((1023 - up) << 20));
  const f = BITS.getFloat64(0) - 1;
  const s = f / (2 + f);
  const rest = seriesOfLog(s * s);
  const half = 0.5 * f * f;
  return exponent * LN2_HIGH - (half - (s * (half + rest) + exponent * LN2_LOW) - f);
}

/** log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)); the coefficients of R are fdlibm's minimax fit, error < 2^-58. */
function seriesOfLog(z: number): number {
  const odd =
    0.6666666666666735 + z * z * (0.2857142874366239 + z * z * (0.1818357216161805 + z * z * 0.14798198605116586));
  const even = 0.3999999999940942 + z * z * (0.22222198432149784 + z * z * 0.15313837699209373);
  return z * odd + z * z * even;
}

function fractions(): Float64Array {
  const table = new Float64Array(STEPS);
  for (let i = 0; i < STEPS; i++) {
    const x = (i / STEPS) * Math.LN2;
    let sum = 0;
    for (let n = 20; n > 0; n--) sum = ((1 + sum) * x) / n; // Horner form of x + x^2/2! + ...
    table[i] = 1 + sum;
  }
  return table;
}

function powers(): Float64Array {
  const table = new Float64Array(2046);
  table[1022] = 1;
  for (let k = 1; k <= 1023; k++) table[1022 + k] = table[1021 + k] * 2;
  for (let k = 1; k <= 1022; k++) table[1022 - k] = table[1023 - k] / 2;
  return table;
}
