/**
 * The kernels in plain JavaScript: the first rung of the ladder, the obvious loops over typed arrays.
 * `scalar.ts` holds the same functions, name by name and argument by argument, in AssemblyScript without SIMD.
 */

export function matmulF32(out, w, x, rows, outputs, cols) {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) sum += w[output * cols + col] * x[row * cols + col];
      out[row * outputs + output] = sum;
    }
  }
}

/** table: the 65,536 values of f16. */
export function matmulF16(out, w, x, table, rows, outputs, cols) {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) sum += table[w[output * cols + col]] * x[row * cols + col];
      out[row * outputs + output] = sum;
    }
  }
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

function fromBf16(element) {
  bits[0] = element << 16;
  return float[0];
}

export function matmulBf16(out, w, x, rows, outputs, cols) {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) sum += fromBf16(w[output * cols + col]) * x[row * cols + col];
      out[row * outputs + output] = sum;
    }
  }
}

/** Blocks of 32 with one scale. */
export function matmulQ8(out, quants, scales, x, rows, outputs, cols) {
  const blocks = cols / 32;
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let block = 0; block < blocks; block++) {
        let dot = 0;
        const at = output * cols + block * 32;
        for (let k = 0; k < 32; k++) dot += quants[at + k] * x[row * cols + block * 32 + k];
        sum += dot * scales[output * blocks + block];
      }
      out[row * outputs + output] = sum;
    }
  }
}

/** Byte j of a block holds k = j in its low and k = j + 16 in its high nibble. */
export function matmulQ4(out, nibbles, scales, x, rows, outputs, cols) {
  const blocks = cols / 32;
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let block = 0; block < blocks; block++) {
        let dot = 0;
        const at = (output * blocks + block) * 16;
        const from = row * cols + block * 32;
        for (let k = 0; k < 16; k++) {
          dot += ((nibbles[at + k] & 15) - 8) * x[from + k];
          dot += ((nibbles[at + k] >> 4) - 8) * x[from + k + 16];
        }
        sum += dot * scales[output * blocks + block];
      }
      out[row * outputs + output] = sum;
    }
  }
}

export function copy(out, x, count) {
  for (let i = 0; i < count; i++) out[i] = x[i];
}

export function dequantizeF16(out, w, table, count) {
  for (let i = 0; i < count; i++) out[i] = table[w[i]];
}

export function dequantizeBf16(out, w, count) {
  for (let i = 0; i < count; i++) out[i] = fromBf16(w[i]);
}

export function dequantizeQ8(out, quants, scales, count) {
  for (let i = 0; i < count; i++) out[i] = quants[i] * scales[i >> 5];
}

export function dequantizeQ4(out, nibbles, scales, count) {
  for (let block = 0; block < count / 32; block++) {
    for (let k = 0; k < 16; k++) {
      const byte = nibbles[block * 16 + k];
      out[block * 32 + k] = ((byte & 15) - 8) * scales[block];
      out[block * 32 + k + 16] = ((byte >> 4) - 8) * scales[block];
    }
  }
}

/** [outputs][cols] -> [outputs / 8][cols][8]. */
export function packF32(out, w, outputs, cols) {
  for (let output = 0; output < outputs; output++) {
    const to = (output >> 3) * cols * 8 + (output & 7);
    for (let col = 0; col < cols; col++) {
      const value = w[output * cols + col];
      if (!Number.isFinite(value)) throw new RangeError(`weight ${output}, ${col}`);
      out[to + col * 8] = value;
    }
  }
}

/** The same of 16-bit elements; `exponent` is all ones in NaN and infinity. */
export function pack16(out, w, exponent, outputs, cols) {
  for (let output = 0; output < outputs; output++) {
    const to = (output >> 3) * cols * 8 + (output & 7);
    for (let col = 0; col < cols; col++) {
      const element = w[output * cols + col];
      if ((element & exponent) === exponent) throw new RangeError(`weight ${output}, ${col}`);
      out[to + col * 8] = element;
    }
  }
}

/**
 * Stored blocks (f16 scale, then `size` bytes) -> scales [outputs][blocks] and, per group of 8 outputs and block,
 * [size / piece][8 outputs][piece] bytes.
 */
export function packBlocks(out, scales, stored, table, size, piece, outputs, blocks) {
  for (let output = 0; output < outputs; output++) {
    for (let block = 0; block < blocks; block++) {
      const from = (output * blocks + block) * (size + 2);
      const scale = table[stored[from] | (stored[from + 1] << 8)];
      if (!Number.isFinite(scale)) throw new RangeError(`scale of block ${block} of output ${output}`);
      scales[output * blocks + block] = scale;
      const to = ((output >> 3) * blocks + block) * size * 8 + (output & 7) * piece;
      for (let k = 0; k < size; k++) out[to + Math.floor(k / piece) * 8 * piece + (k % piece)] = stored[from + 2 + k];
    }
  }
}

export function rmsnorm(out, w, x, cols) {
  let sum = 0;
  for (let col = 0; col < cols; col++) sum += x[col] * x[col];
  const inverse = 1 / Math.sqrt(sum / cols + 1e-5);
  for (let col = 0; col < cols; col++) out[col] = w[col] * x[col] * inverse;
}

/** Blocks of 32 as integers of at most `most`. */
function quantize(out, scales, x, most, count) {
  for (let block = 0; block < count / 32; block++) {
    let largest = 0;
    for (let k = 0; k < 32; k++) largest = Math.max(largest, Math.abs(x[block * 32 + k]));
    scales[block] = largest / most;
    const inverse = largest === 0 ? 0 : most / largest;
    for (let k = 0; k < 32; k++) out[block * 32 + k] = Math.round(x[block * 32 + k] * inverse);
  }
}

export { quantize as quantize16, quantize as quantize8 };

/** [rows][cols] -> [cols][rows]. */
export function transpose(out, x, rows, cols) {
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) out[col * rows + row] = x[row * cols + col];
  }
}

export function rope(x, angles, heads, pairs) {
  for (let head = 0; head < heads; head++) {
    for (let pair = 0; pair < pairs; pair++) {
      const at = (head * pairs + pair) * 2;
      const u = x[at];
      const w = x[at + 1];
      x[at] = u * angles[pair * 2] - w * angles[pair * 2 + 1];
      x[at + 1] = u * angles[pair * 2 + 1] + w * angles[pair * 2];
    }
  }
}

export function angles(out, frequencies, position, pairs) {
  for (let pair = 0; pair < pairs; pair++) {
    out[pair * 2] = Math.cos(position * frequencies[pair]);
    out[pair * 2 + 1] = Math.sin(position * frequencies[pair]);
  }
}

export function temperatures(out, floor, scale, count) {
  for (let position = 0; position < count; position++)
    out[position] = 1 + scale * Math.log(1 + Math.floor((position + 1) / floor));
}

export function scale(x, factor, count) {
  for (let i = 0; i < count; i++) x[i] *= factor;
}

export function exp(out, x, count) {
  for (let i = 0; i < count; i++) out[i] = Math.exp(x[i]);
}

/** source: gate [cols], up [cols]. */
export function swiglu(out, source, cols) {
  for (let col = 0; col < cols; col++) out[col] = (source[col] / (1 + Math.exp(-source[col]))) * source[cols + col];
}

/** The best expert of each row, its sigmoid, and the rows in order of their experts. */
export function route(picks, scores, gather, counts, logits, rows, experts) {
  counts.fill(0);
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let expert = 1; expert < experts; expert++)
      if (logits[row * experts + expert] > logits[row * experts + best]) best = expert;
    picks[row] = best;
    counts[best]++;
  }
  let first = 0;
  for (let expert = 0; expert < experts; expert++) {
    first += counts[expert];
    counts[expert] = first - counts[expert];
  }
  for (let row = 0; row < rows; row++) {
    const entry = counts[picks[row]]++;
    scores[entry] = 1 / (1 + Math.exp(-logits[row * experts + picks[row]]));
    gather[entry] = row;
  }
}

/** out = x + (shared + score * expert). */
export function combine(out, x, shared, expert, score, cols) {
  for (let col = 0; col < cols; col++) out[col] = x[col] + (shared[col] + score * expert[col]);
}

export function add(out, x, branch, cols) {
  for (let col = 0; col < cols; col++) out[col] = x[col] + branch[col];
}

/** softmax(q k / sqrt(d)) v; k, v [keys][d], each position with a scale (1 where they are f32). */
function attend(out, q, k, v, keyScales, valueScales, scores, queries, keys, d) {
  for (let query = 0; query < queries; query++) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let key = 0; key < keys; key++) {
      let dot = 0;
      for (let feature = 0; feature < d; feature++) dot += q[query * d + feature] * k[key * d + feature];
      scores[key] = (dot * keyScales[key]) / Math.sqrt(d);
      largest = Math.max(largest, scores[key]);
    }
    let sum = 0;
    for (let feature = 0; feature < d; feature++) out[query * d + feature] = 0;
    for (let key = 0; key < keys; key++) {
      const weight = Math.exp(scores[key] - largest);
      sum += weight;
      const scaled = weight * valueScales[key];
      for (let feature = 0; feature < d; feature++) out[query * d + feature] += scaled * v[key * d + feature];
    }
    for (let feature = 0; feature < d; feature++) out[query * d + feature] /= sum;
  }
}

export { attend as attendF32, attend as attendQ8 };

/** State and block: [max, sum, o[d]] a head. */
export function mergeStates(state, block, heads, d) {
  for (let at = 0; at < heads * (d + 2); at += d + 2) {
    const largest = Math.max(state[at], block[at]);
    const keep = Math.exp(state[at] - largest);
    const take = Math.exp(block[at] - largest);
    state[at] = largest;
    for (let i = 1; i < d + 2; i++) state[at + i] = state[at + i] * keep + block[at + i] * take;
  }
}

export function finishStates(out, state, heads, d) {
  for (let head = 0; head < heads; head++) {
    const at = head * (d + 2);
    for (let feature = 0; feature < d; feature++) out[head * d + feature] = state[at + 2 + feature] / state[at + 1];
  }
}

/** Of one head, a position after the other: one scale a position, q = round(x / scale). */
export function quantizePositions(out, scales, x, positions, d) {
  for (let position = 0; position < positions; position++) {
    let largest = 0;
    for (let i = 0; i < d; i++) largest = Math.max(largest, Math.abs(x[position * d + i]));
    scales[position] = largest / 127;
    for (let i = 0; i < d; i++) out[position * d + i] = Math.round(x[position * d + i] / scales[position]);
  }
}
