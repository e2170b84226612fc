/** Bilinear resizing with antialiasing, of bytes: every output is the mean of the inputs under a triangle as wide as the step between outputs. */

/** Three bytes a pixel, row by row. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export function resize(picture: Rgb, width: number, height: number): Rgb {
  const across = picture.width === width ? picture : resizeColumns(picture, width);
  return across.height === height ? across : resizeRows(across, height);
}

interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `most` of each output, as whole numbers: so many 2^bits are 1. */
  readonly weights: Int32Array;
  readonly most: number;
  readonly bits: number;
}

/** Which inputs make an output, and how much of each: in the 16 bits in which torch resizes bytes, so that sums round as its do. */
function tapsOf(from: number, to: number): Taps {
  const step = from / to;
  const reach = Math.max(1, step);
  const most = 2 * Math.ceil(reach) + 1;
  const [first, count, exact] = [new Int32Array(to), new Int32Array(to), new Float64Array(to * most)];
  for (let output = 0; output < to; output++) {
    const centre = (output + 0.5) * step;
    const begin = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    let sum = 0;
    for (let input = begin; input < end; input++) {
      const weight = Math.max(0, 1 - Math.abs((input - centre + 0.5) / reach));
      exact[output * most + input - begin] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < end - begin; tap++) exact[output * most + tap] /= sum;
    first[output] = begin;
    count[output] = end - begin;
  }
  const largest = exact.reduce((a, b) => Math.max(a, b), 0);
  let bits = 0;
  while (bits < MOST_BITS && Math.floor(0.5 + largest * 2 ** (bits + 1)) < 2 ** 15) bits++;
  const weights = Int32Array.from(exact, (weight) => Math.floor(0.5 + weight * 2 ** bits));
  return { first, count, weights, most, bits };
}

const MOST_BITS = 21;

function resizeColumns({ width, height, data }: Rgb, to: number): Rgb {
  const { first, count, weights, most, bits } = tapsOf(width, to);
  const half = 2 ** (bits - 1);
  const out = new Uint8ClampedArray(to * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < to; x++) {
      let [r, g, b] = [half, half, half];
      let from = (y * width + first[x]) * 3;
      for (let tap = 0; tap < count[x]; tap++, from += 3) {
        const weight = weights[x * most + tap];
        r += weight * data[from];
        g += weight * data[from + 1];
        b += weight * data[from + 2];
      }
      const at = (y * to + x) * 3;
      out[at] = r >> bits;
      out[at + 1] = g >> bits;
      out[at + 2] = b >> bits;
    }
  }
  return { width: to, height, data: new Uint8Array(out.buffer) };
}

function resizeRows({ width, height, data }: Rgb, to: number): Rgb {
  const { first, count, weights, most, bits } = tapsOf(height, to);
  const stride = width * 3;
  const out = new Uint8ClampedArray(stride * to);
  const sums = new Int32Array(stride);
  for (let y = 0; y < to; y++) {
    sums.fill(2 ** (bits - 1));
    for (let tap = 0; tap < count[y]; tap++) {
      const weight = weights[y * most + tap];
      const from = (first[y] + tap) * stride;
      for (let i = 0; i < stride; i++) sums[i] += weight * data[from + i];
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = sums[i] >> bits;
  }
  return { width, height: to, data: new Uint8Array(out.buffer) };
}
