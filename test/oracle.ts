/**
 * What the kernels compute, as scalar f64 loops written for reading. Nothing here is fast, clever or shared with the engine.
 *
 * Matrices are [rows][cols], flat. Where the engine rounds on purpose (8-bit activations and cache) the oracle rounds the same way.
 */

type Numbers = ArrayLike<number>;

// ---- errors ----

/** Normalised mean square error: sum (a - e)^2 / sum e^2. */
export function nmse(actual: Numbers, expected: Numbers): number {
  let error = 0;
  let power = 0;
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2;
    power += expected[i] ** 2;
  }
  return power === 0 ? error : error / power;
}

/** Largest |a - e| / |e|; where e is 0, a must be 0. NaN counts as infinite. */
export function relativeError(actual: Numbers, expected: Numbers): number {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = actual[i] === expected[i] ? 0 : Math.abs(actual[i] - expected[i]) / Math.abs(expected[i]);
    largest = Math.max(largest, Number.isNaN(error) ? Infinity : error);
  }
  return largest;
}

/** Largest |a - e|; NaN counts as infinite. */
export function absoluteError(actual: Numbers, expected: Numbers): number {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = actual[i] === expected[i] ? 0 : Math.abs(actual[i] - expected[i]);
    largest = Math.max(largest, Number.isNaN(error) ? Infinity : error);
  }
  return largest;
}

// ---- stored weights ----

export function fromF16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

export function fromBf16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 7) & 255;
  const fraction = half & 127;
  if (exponent === 255) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -133 : sign * (128 + fraction) * 2 ** (exponent - 134);
}

// ---- activations ----

/** Nearest integer, ties to even. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

export interface QuantizedRow {
  readonly q: Int16Array;
  readonly scales: Float32Array;
  /** Where 256 share a scale: it, and what each block of 32 counts; `scales` are their products. */
  readonly supers?: { readonly d: Float32Array; readonly times: Uint8Array };
}

/**
 * Blocks of 32: scale = max|x| / most, q = round(x * (most / max|x|)), each step rounded to f32; a block below 1e-34 is zeros.
 * `most` is 32767 in pairs of i16 and 127 in quads of i8.
 */
export function quantizeActivations(x: Numbers, most: number): QuantizedRow {
  const q = new Int16Array(x.length);
  const scales = new Float32Array(x.length / 32);
  for (let block = 0; block < scales.length; block++) {
    let largest = 0;
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(x[block * 32 + i]));
    scales[block] = largest / most;
    const inverse = largest < 1e-34 ? 0 : Math.fround(most / largest);
    for (let i = 0; i < 32; i++) q[block * 32 + i] = roundHalfEven(Math.fround(x[block * 32 + i] * inverse));
  }
  return { q, scales };
}

/**
 * The same with one scale for 256: a block whose largest is at most an eighth, a quarter or a half of the super-block's is written 8, 4 or 2
 * times as large and counts 1, 2 or 4 where others count 8.
 */
export function quantizeSupers(x: Numbers): QuantizedRow {
  const [q, d, times] = [new Int16Array(x.length), new Float32Array(x.length / 256), new Uint8Array(x.length / 32)];
  const largestOf = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => Math.abs(x[from + i])).reduce((a, b) => Math.max(a, b));
  for (let block = 0; block < times.length; block++) {
    const most = largestOf((block >> 3) * 256, 256);
    d[block >> 3] = most / 1016;
    times[block] = [1, 2, 4].find((part) => largestOf(block * 32, 32) <= (most * part) / 8) ?? 8;
    const inverse = most < 1e-34 ? 0 : Math.fround(127 / most) * (8 / times[block]);
    for (let i = block * 32; i < block * 32 + 32; i++) q[i] = roundHalfEven(Math.fround(x[i] * inverse));
  }
  return { q, scales: Float32Array.from(times, (count, block) => count * d[block >> 3]), supers: { d, times } };
}

/** What quantised activations stand for. */
export function dequantizeActivations({ q, scales }: QuantizedRow): Float64Array {
  return Float64Array.from(q, (value, i) => value * scales[Math.floor(i / 32)]);
}

/** One key or value of an 8-bit cache: q = round(x / scale), one scale for all. */
export function quantizeHead(x: Numbers): { q: Int8Array; scale: number } {
  let largest = 0;
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, Math.abs(x[i]));
  const scale = Math.fround(largest / 127);
  const round = (value: number) =>
    scale === 0 ? 0 : Math.max(-127, Math.min(127, roundHalfEven(Math.fround(value / scale))));
  return { q: Int8Array.from({ length: x.length }, (_, i) => round(x[i])), scale };
}

// ---- arithmetic ----

/** out [n][rows] = x [n][cols] by weights [rows][cols]. */
export function matmul(weights: Numbers, x: Numbers, cols: number): Float64Array {
  const rows = weights.length / cols;
  const out = new Float64Array((x.length / cols) * rows);
  for (let i = 0; i < out.length; i++) {
    const from = Math.floor(i / rows) * cols;
    for (let k = 0; k < cols; k++) out[i] += weights[(i % rows) * cols + k] * x[from + k];
  }
  return out;
}

export function rmsNorm(x: Numbers, weight: Numbers | null, eps: number): Float64Array {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  const inverse = 1 / Math.sqrt(sum / x.length + eps);
  return Float64Array.from({ length: x.length }, (_, i) => x[i] * inverse * (weight ? weight[i] : 1));
}

/** With mean and bias; the variance is that of the row itself. */
export function layerNorm(x: Numbers, weight: Numbers, bias: Numbers, eps: number): Float64Array {
  let mean = 0;
  for (let i = 0; i < x.length; i++) mean += x[i] / x.length;
  let variance = 0;
  for (let i = 0; i < x.length; i++) variance += (x[i] - mean) ** 2 / x.length;
  const inverse = 1 / Math.sqrt(variance + eps);
  return Float64Array.from({ length: x.length }, (_, i) => (x[i] - mean) * inverse * weight[i] + bias[i]);
}

/** z Phi(z), by the trapezoid rule over the density: good to 1e-12. */
export function gelu(z: number): number {
  const steps = 20_000;
  const least = -12;
  if (z <= least) return 0;
  const width = (z - least) / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) sum += (i % steps === 0 ? 0.5 : 1) * Math.exp(-((least + i * width) ** 2) / 2);
  return (z * sum * width) / Math.sqrt(2 * Math.PI);
}

/** [pairs][cos, sin] of a position. Below 65,536 the product is rounded to f32, as the models' own code rounds it. */
export function angles(frequencies: Numbers, position: number): Float64Array {
  return Float64Array.from({ length: frequencies.length * 2 }, (_, i) => {
    const product = position * frequencies[i >> 1];
    const angle = position < 65536 ? Math.fround(product) : product;
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** 1 + scale ln(1 + floor((position + 1) / floor)); floor 0: 1. */
export function temperature(position: number, floor: number, scale: number): number {
  return floor === 0 ? 1 : 1 + scale * Math.log(1 + Math.floor((position + 1) / floor));
}

/** Pairs (2j, 2j + 1) of x turned by [pairs][cos, sin]. */
export function rope(x: Numbers, turns: Numbers): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += 2) {
    out[i] = x[i] * turns[i] - x[i + 1] * turns[i + 1];
    out[i + 1] = x[i] * turns[i + 1] + x[i + 1] * turns[i];
  }
  return out;
}

/** silu(gate * score) * (up * score); source holds gate, then up. */
export function swiglu(source: Numbers, score: number): Float64Array {
  const cols = source.length / 2;
  return Float64Array.from({ length: cols }, (_, i) => {
    const gate = source[i] * score;
    return (gate / (1 + Math.exp(-gate))) * source[cols + i] * score;
  });
}

export function softmax(x: Numbers): Float64Array {
  let largest = -Infinity;
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, x[i]);
  const powers = Float64Array.from({ length: x.length }, (_, i) => Math.exp(x[i] - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Softmax-weighted sum of the values whose keys `sees` allows; zeros where it sees nothing. */
export function attention(
  query: Numbers,
  keys: readonly Numbers[],
  values: readonly Numbers[],
  scale: number,
  sees: (t: number) => boolean,
): Float64Array {
  const seen = keys.map((_, t) => t).filter(sees);
  const scores = seen.map((t) => scale * matmul(keys[t], query, query.length)[0]);
  const weights = softmax(scores);
  const out = new Float64Array(query.length);
  seen.forEach((t, i) => {
    for (let feature = 0; feature < out.length; feature++) out[feature] += weights[i] * values[t][feature];
  });
  return out;
}

// ---- experts ----

/** The `used` largest logits, ties to the lowest expert; experts ascending, with their scores. */
export function gate(logits: Numbers, used: number, softmaxed: boolean): { expert: number; score: number }[] {
  const order = Array.from({ length: logits.length }, (_, expert) => expert).sort(
    (a, b) => logits[b] - logits[a] || a - b,
  );
  const picked = order.slice(0, used).sort((a, b) => a - b);
  const powers = softmax(picked.map((expert) => logits[expert]));
  return picked.map((expert, i) => ({ expert, score: softmaxed ? powers[i] : 1 / (1 + Math.exp(-logits[expert])) }));
}

/** Every (row, pick) of all rows, ordered by expert, then row: the entries of the buckets. */
export function buckets(
  logits: Numbers,
  experts: number,
  used: number,
  softmaxed: boolean,
): { row: number; pick: number; expert: number; score: number }[] {
  const rows = Array.from({ length: logits.length / experts }, (_, row) => row);
  const entries = rows.flatMap((row) => {
    const own = Array.prototype.slice.call(logits, row * experts, (row + 1) * experts);
    return gate(own, used, softmaxed).map(({ expert, score }, pick) => ({ row, pick, expert, score }));
  });
  return entries.sort((a, b) => a.expert - b.expert || a.row - b.row);
}

/** The largest of every `span` values, NaN where one is among them. */
export function peaks(values: Numbers, span: number): Float64Array {
  const largest = new Float64Array(Math.ceil(values.length / span)).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < values.length; i++) {
    const at = Math.floor(i / span);
    largest[at] = Math.max(largest[at], values[i]);
  }
  return largest;
}

/** Of every `span` values: sum(e^((value - peak) * scale)), 0 where the peak is no finite number. */
export function masses(values: Numbers, span: number, scale: number): Float64Array {
  const largest = peaks(values, span);
  const sums = new Float64Array(largest.length);
  for (let i = 0; i < values.length; i++) {
    const peak = largest[Math.floor(i / span)];
    if (Number.isFinite(peak)) sums[Math.floor(i / span)] += Math.exp((values[i] - peak) * scale);
  }
  return sums;
}
