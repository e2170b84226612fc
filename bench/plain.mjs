/** The kernels in plain JavaScript: the first rung of the ladder, written as one would without wasm. */

export function matmulF32(out, w, x, rows, outputs, cols) {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) sum += w[output * cols + col] * x[row * cols + col];
      out[row * outputs + output] = sum;
    }
  }
}

/** q8_0 blocks as stored: 34 bytes, an f16 scale and 32 i8; scales widened beforehand. */
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

export function rmsnorm(out, w, x, eps) {
  let sum = 0;
  for (const value of x) sum += value * value;
  const inverse = 1 / Math.sqrt(sum / x.length + eps);
  for (let col = 0; col < x.length; col++) out[col] = w[col] * x[col] * inverse;
}

export function swiglu(out, gate, up) {
  for (let col = 0; col < out.length; col++) out[col] = (gate[col] / (1 + Math.exp(-gate[col]))) * up[col];
}

export function rope(x, angles) {
  for (let at = 0; at < x.length; at += 2) {
    const u = x[at];
    const w = x[at + 1];
    x[at] = u * angles[at] - w * angles[at + 1];
    x[at + 1] = u * angles[at + 1] + w * angles[at];
  }
}

export function route(logits, picks, scores, rows, experts) {
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let expert = 1; expert < experts; expert++)
      if (logits[row * experts + expert] > logits[row * experts + best]) best = expert;
    picks[row] = best;
    scores[row] = 1 / (1 + Math.exp(-logits[row * experts + best]));
  }
}

/** Softmax over one row of scores. */
export function softmax(out, x) {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of x) if (value > largest) largest = value;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += out[i] = Math.exp(x[i] - largest);
  for (let i = 0; i < x.length; i++) out[i] /= sum;
}
