/**
 * The loops of plain.mjs in AssemblyScript without SIMD: the second rung of the ladder, and the scalar ceilings.
 * Names, arguments and order as there; arrays are addresses. Sums are f32 where JavaScript's are f64.
 */

@inline function f(at: usize, index: i32): f32 { return load<f32>(at + (<usize>index << 2)); }
@inline function put(at: usize, index: i32, value: f32): void { store<f32>(at + (<usize>index << 2), value); }
@inline function u16At(at: usize, index: i32): i32 { return <i32>load<u16>(at + (<usize>index << 1)); }
@inline function fromBf16(element: i32): f32 { return reinterpret<f32>(element << 16); }

export function matmulF32(out: usize, w: usize, x: usize, rows: i32, outputs: i32, cols: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum: f32 = 0;
      for (let col = 0; col < cols; col++) sum += f(w, output * cols + col) * f(x, row * cols + col);
      put(out, row * outputs + output, sum);
    }
  }
}

export function matmulF16(out: usize, w: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum: f32 = 0;
      for (let col = 0; col < cols; col++) sum += f(table, u16At(w, output * cols + col)) * f(x, row * cols + col);
      put(out, row * outputs + output, sum);
    }
  }
}

export function matmulBf16(out: usize, w: usize, x: usize, rows: i32, outputs: i32, cols: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum: f32 = 0;
      for (let col = 0; col < cols; col++) sum += fromBf16(u16At(w, output * cols + col)) * f(x, row * cols + col);
      put(out, row * outputs + output, sum);
    }
  }
}

export function matmulQ8(out: usize, quants: usize, scales: usize, x: usize, rows: i32, outputs: i32, cols: i32): void {
  const blocks = cols / 32;
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum: f32 = 0;
      for (let block = 0; block < blocks; block++) {
        let dot: f32 = 0;
        const at = output * cols + block * 32;
        for (let k = 0; k < 32; k++) dot += <f32>load<i8>(quants + at + k) * f(x, row * cols + block * 32 + k);
        sum += dot * f(scales, output * blocks + block);
      }
      put(out, row * outputs + output, sum);
    }
  }
}

export function matmulQ4(out: usize, nibbles: usize, scales: usize, x: usize, rows: i32, outputs: i32, cols: i32): void {
  const blocks = cols / 32;
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum: f32 = 0;
      for (let block = 0; block < blocks; block++) {
        let dot: f32 = 0;
        const at = (output * blocks + block) * 16, from = row * cols + block * 32;
        for (let k = 0; k < 16; k++) {
          const byte = <i32>load<u8>(nibbles + at + k);
          dot += <f32>((byte & 15) - 8) * f(x, from + k);
          dot += <f32>((byte >> 4) - 8) * f(x, from + k + 16);
        }
        sum += dot * f(scales, output * blocks + block);
      }
      put(out, row * outputs + output, sum);
    }
  }
}

export function copy(out: usize, x: usize, count: i32): void {
  for (let i = 0; i < count; i++) put(out, i, f(x, i));
}

export function dequantizeF16(out: usize, w: usize, table: usize, count: i32): void {
  for (let i = 0; i < count; i++) put(out, i, f(table, u16At(w, i)));
}

export function dequantizeBf16(out: usize, w: usize, count: i32): void {
  for (let i = 0; i < count; i++) put(out, i, fromBf16(u16At(w, i)));
}

export function dequantizeQ8(out: usize, quants: usize, scales: usize, count: i32): void {
  for (let i = 0; i < count; i++) put(out, i, <f32>load<i8>(quants + i) * f(scales, i >> 5));
}

export function dequantizeQ4(out: usize, nibbles: usize, scales: usize, count: i32): void {
  for (let block = 0; block < count / 32; block++) {
    for (let k = 0; k < 16; k++) {
      const byte = <i32>load<u8>(nibbles + block * 16 + k);
      put(out, block * 32 + k, <f32>((byte & 15) - 8) * f(scales, block));
      put(out, block * 32 + k + 16, <f32>((byte >> 4) - 8) * f(scales, block));
    }
  }
}

export function packF32(out: usize, w: usize, outputs: i32, cols: i32): void {
  for (let output = 0; output < outputs; output++) {
    const to = (output >> 3) * cols * 8 + (output & 7);
    for (let col = 0; col < cols; col++) {
      const value = f(w, output * cols + col);
      if (!isFinite(value)) unreachable();
      put(out, to + col * 8, value);
    }
  }
}

export function pack16(out: usize, w: usize, exponent: i32, outputs: i32, cols: i32): void {
  for (let output = 0; output < outputs; output++) {
    const to = (output >> 3) * cols * 8 + (output & 7);
    for (let col = 0; col < cols; col++) {
      const element = u16At(w, output * cols + col);
      if ((element & exponent) === exponent) unreachable();
      store<u16>(out + (<usize>(to + col * 8) << 1), <u16>element);
    }
  }
}

export function packBlocks(out: usize, scales: usize, stored: usize, table: usize, size: i32, piece: i32, outputs: i32, blocks: i32): void {
  for (let output = 0; output < outputs; output++) {
    for (let block = 0; block < blocks; block++) {
      const from = stored + (output * blocks + block) * (size + 2);
      const scale = f(table, <i32>load<u16>(from));
      if (!isFinite(scale)) unreachable();
      put(scales, output * blocks + block, scale);
      const to = out + ((output >> 3) * blocks + block) * size * 8 + (output & 7) * piece;
      for (let k = 0; k < size; k++) store<u8>(to + (k / piece) * 8 * piece + (k % piece), load<u8>(from + 2 + k));
    }
  }
}

export function rmsnorm(out: usize, w: usize, x: usize, cols: i32): void {
  let sum: f32 = 0;
  for (let col = 0; col < cols; col++) sum += f(x, col) * f(x, col);
  const inverse: f32 = 1 / sqrt<f32>(sum / <f32>cols + 1e-5);
  for (let col = 0; col < cols; col++) put(out, col, f(w, col) * f(x, col) * inverse);
}

@inline function quantize<T>(out: usize, scales: usize, x: usize, most: f32, count: i32): void {
  for (let block = 0; block < count / 32; block++) {
    let largest: f32 = 0;
    for (let k = 0; k < 32; k++) largest = max(largest, abs(f(x, block * 32 + k)));
    put(scales, block, largest / most);
    const inverse: f32 = largest === 0 ? 0 : most / largest;
    for (let k = 0; k < 32; k++) store<T>(out + <usize>(block * 32 + k) * sizeof<T>(), <T>nearest(f(x, block * 32 + k) * inverse));
  }
}

export function quantize16(out: usize, scales: usize, x: usize, most: f32, count: i32): void { quantize<i16>(out, scales, x, most, count); }
export function quantize8(out: usize, scales: usize, x: usize, most: f32, count: i32): void { quantize<i8>(out, scales, x, most, count); }

export function transpose(out: usize, x: usize, rows: i32, cols: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) put(out, col * rows + row, f(x, row * cols + col));
  }
}

export function rope(x: usize, angles: usize, heads: i32, pairs: i32): void {
  for (let head = 0; head < heads; head++) {
    for (let pair = 0; pair < pairs; pair++) {
      const at = (head * pairs + pair) * 2;
      const u = f(x, at), w = f(x, at + 1);
      put(x, at, u * f(angles, pair * 2) - w * f(angles, pair * 2 + 1));
      put(x, at + 1, u * f(angles, pair * 2 + 1) + w * f(angles, pair * 2));
    }
  }
}

export function angles(out: usize, frequencies: usize, position: f64, pairs: i32): void {
  for (let pair = 0; pair < pairs; pair++) {
    put(out, pair * 2, <f32>Math.cos(position * <f64>f(frequencies, pair)));
    put(out, pair * 2 + 1, <f32>Math.sin(position * <f64>f(frequencies, pair)));
  }
}

export function temperatures(out: usize, floor: i32, scale: f64, count: i32): void {
  for (let position = 0; position < count; position++) put(out, position, <f32>(1 + scale * Math.log(<f64>(1 + (position + 1) / floor))));
}

export function scale(x: usize, factor: f32, count: i32): void {
  for (let i = 0; i < count; i++) put(x, i, f(x, i) * factor);
}

export function exp(out: usize, x: usize, count: i32): void {
  for (let i = 0; i < count; i++) put(out, i, Mathf.exp(f(x, i)));
}

export function swiglu(out: usize, source: usize, cols: i32): void {
  for (let col = 0; col < cols; col++) put(out, col, (f(source, col) / (1 + Mathf.exp(-f(source, col)))) * f(source, cols + col));
}

export function route(picks: usize, scores: usize, gather: usize, counts: usize, logits: usize, rows: i32, experts: i32): void {
  memory.fill(counts, 0, <usize>experts << 2);
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let expert = 1; expert < experts; expert++) if (f(logits, row * experts + expert) > f(logits, row * experts + best)) best = expert;
    store<i32>(picks + (<usize>row << 2), best);
    const at = counts + (<usize>best << 2);
    store<i32>(at, load<i32>(at) + 1);
  }
  let first = 0;
  for (let expert = 0; expert < experts; expert++) {
    const at = counts + (<usize>expert << 2), count = load<i32>(at);
    store<i32>(at, first);
    first += count;
  }
  for (let row = 0; row < rows; row++) {
    const pick = load<i32>(picks + (<usize>row << 2)), at = counts + (<usize>pick << 2), entry = load<i32>(at);
    store<i32>(at, entry + 1);
    put(scores, entry, 1 / (1 + Mathf.exp(-f(logits, row * experts + pick))));
    store<i32>(gather + (<usize>entry << 2), row);
  }
}

export function combine(out: usize, x: usize, shared: usize, expert: usize, score: f32, cols: i32): void {
  for (let col = 0; col < cols; col++) put(out, col, f(x, col) + (f(shared, col) + score * f(expert, col)));
}

export function add(out: usize, x: usize, branch: usize, cols: i32): void {
  for (let col = 0; col < cols; col++) put(out, col, f(x, col) + f(branch, col));
}

@inline function attend<T>(out: usize, q: usize, k: usize, v: usize, keyScales: usize, valueScales: usize, scores: usize, queries: i32, keys: i32, d: i32): void {
  for (let query = 0; query < queries; query++) {
    let largest: f32 = f32.NEGATIVE_INFINITY;
    for (let key = 0; key < keys; key++) {
      let dot: f32 = 0;
      for (let feature = 0; feature < d; feature++) dot += f(q, query * d + feature) * <f32>load<T>(k + <usize>(key * d + feature) * sizeof<T>());
      put(scores, key, dot * f(keyScales, key) / sqrt<f32>(<f32>d));
      largest = max(largest, f(scores, key));
    }
    let sum: f32 = 0;
    for (let feature = 0; feature < d; feature++) put(out, query * d + feature, 0);
    for (let key = 0; key < keys; key++) {
      const weight = Mathf.exp(f(scores, key) - largest);
      sum += weight;
      const scaled = weight * f(valueScales, key);
      for (let feature = 0; feature < d; feature++) put(out, query * d + feature, f(out, query * d + feature) + scaled * <f32>load<T>(v + <usize>(key * d + feature) * sizeof<T>()));
    }
    for (let feature = 0; feature < d; feature++) put(out, query * d + feature, f(out, query * d + feature) / sum);
  }
}

export function attendF32(out: usize, q: usize, k: usize, v: usize, keyScales: usize, valueScales: usize, scores: usize, queries: i32, keys: i32, d: i32): void {
  attend<f32>(out, q, k, v, keyScales, valueScales, scores, queries, keys, d);
}

export function attendQ8(out: usize, q: usize, k: usize, v: usize, keyScales: usize, valueScales: usize, scores: usize, queries: i32, keys: i32, d: i32): void {
  attend<i8>(out, q, k, v, keyScales, valueScales, scores, queries, keys, d);
}

export function mergeStates(state: usize, block: usize, heads: i32, d: i32): void {
  for (let at = 0; at < heads * (d + 2); at += d + 2) {
    const largest = max(f(state, at), f(block, at));
    const keep = Mathf.exp(f(state, at) - largest), take = Mathf.exp(f(block, at) - largest);
    put(state, at, largest);
    for (let i = 1; i < d + 2; i++) put(state, at + i, f(state, at + i) * keep + f(block, at + i) * take);
  }
}

export function finishStates(out: usize, state: usize, heads: i32, d: i32): void {
  for (let head = 0; head < heads; head++) {
    const at = head * (d + 2);
    for (let feature = 0; feature < d; feature++) put(out, head * d + feature, f(state, at + 2 + feature) / f(state, at + 1));
  }
}

export function quantizePositions(out: usize, scales: usize, x: usize, positions: i32, d: i32): void {
  for (let position = 0; position < positions; position++) {
    let largest: f32 = 0;
    for (let i = 0; i < d; i++) largest = max(largest, abs(f(x, position * d + i)));
    put(scales, position, largest / 127);
    for (let i = 0; i < d; i++) store<i8>(out + position * d + i, <i8>nearest(f(x, position * d + i) / f(scales, position)));
  }
}
