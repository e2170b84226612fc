/**
 * The plain loops over weights as files store them in blocks, where plain.mjs has none of its own: a block is decoded, then used.
 * `scalar-blocks.ts` holds the same. table: the 65,536 values of f16.
 */

const half = (stored, at, table) => table[stored[at] | (stored[at + 1] << 8)];

/** Byte j of `at` holds k = j in its low and k = j + 16 in its high nibble. */
function decodeQ4_1(values, stored, at, table) {
  const scale = half(stored, at, table);
  const least = half(stored, at + 2, table);
  for (let k = 0; k < 16; k++) {
    const byte = stored[at + 4 + k];
    values[k] = (byte & 15) * scale + least;
    values[k + 16] = (byte >> 4) * scale + least;
  }
}

function decodeQ5_0(values, stored, at, table) {
  const scale = half(stored, at, table);
  for (let k = 0; k < 16; k++) {
    const byte = stored[at + 6 + k];
    const low = (stored[at + 2 + (k >> 3)] >> (k & 7)) & 1;
    const high = (stored[at + 4 + (k >> 3)] >> (k & 7)) & 1;
    values[k] = ((byte & 15) + 16 * low - 16) * scale;
    values[k + 16] = ((byte >> 4) + 16 * high - 16) * scale;
  }
}

function decodeQ5_1(values, stored, at, table) {
  const scale = half(stored, at, table);
  const least = half(stored, at + 2, table);
  for (let k = 0; k < 16; k++) {
    const byte = stored[at + 8 + k];
    const low = (stored[at + 4 + (k >> 3)] >> (k & 7)) & 1;
    const high = (stored[at + 6 + (k >> 3)] >> (k & 7)) & 1;
    values[k] = ((byte & 15) + 16 * low) * scale + least;
    values[k + 16] = ((byte >> 4) + 16 * high) * scale + least;
  }
}

/** Blocks of 256: eight of 32 with 6-bit scales and mins in 12 bytes; `fifthsAt` 0: four bits. */
function decodeK(values, stored, at, table, codesAt, fifthsAt) {
  const d = half(stored, at, table);
  const dmin = half(stored, at + 2, table);
  for (let block = 0; block < 8; block++) {
    const own = stored[at + 4 + block];
    const next = stored[at + 8 + block];
    const upper = block < 4 ? 0 : stored[at + block];
    const scale = d * (block < 4 ? own & 63 : (next & 15) | ((upper >> 6) << 4));
    const min = dmin * (block < 4 ? next & 63 : (next >> 4) | ((own >> 6) << 4));
    for (let k = 0; k < 32; k++) {
      const nibble = (stored[codesAt + (block >> 1) * 32 + k] >> (4 * (block & 1))) & 15;
      const fifth = fifthsAt === 0 ? 0 : (stored[fifthsAt + k] >> block) & 1;
      values[block * 32 + k] = scale * (nibble + 16 * fifth) - min;
    }
  }
}

const decodeQ4_k = (values, stored, at, table) => decodeK(values, stored, at, table, at + 16, 0);
const decodeQ5_k = (values, stored, at, table) => decodeK(values, stored, at, table, at + 48, at + 16);

function decodeQ6_k(values, stored, at, table) {
  const d = half(stored, at + 208, table);
  for (let i = 0; i < 256; i++) {
    const block = i >> 5;
    const k = i & 31;
    const low = (stored[at + (block >> 2) * 64 + (block & 1) * 32 + k] >> (4 * ((block >> 1) & 1))) & 15;
    const upper = (stored[at + 128 + (block >> 2) * 32 + k] >> (2 * (block & 3))) & 3;
    const scale = (stored[at + 192 + (i >> 4)] << 24) >> 24;
    values[i] = d * scale * (low + 16 * upper - 32);
  }
}

const IQ4 = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

function decodeIq4_nl(values, stored, at, table) {
  const scale = half(stored, at, table);
  for (let k = 0; k < 16; k++) {
    const byte = stored[at + 2 + k];
    values[k] = IQ4[byte & 15] * scale;
    values[k + 16] = IQ4[byte >> 4] * scale;
  }
}

function matmul(decode, size, bytes, out, stored, x, table, rows, outputs, cols) {
  const values = new Float32Array(size);
  for (let output = 0; output < outputs; output++) {
    for (let row = 0; row < rows; row++) out[row * outputs + output] = 0;
    for (let col = 0; col < cols; col += size) {
      decode(values, stored, ((output * cols + col) / size) * bytes, table);
      for (let row = 0; row < rows; row++) {
        let dot = 0;
        for (let k = 0; k < size; k++) dot += values[k] * x[row * cols + col + k];
        out[row * outputs + output] += dot;
      }
    }
  }
}

function dequantize(decode, size, bytes, out, stored, table, count) {
  const values = new Float32Array(size);
  for (let block = 0; block < count / size; block++) {
    decode(values, stored, block * bytes, table);
    for (let k = 0; k < size; k++) out[block * size + k] = values[k];
  }
}

export const matmulQ4_1 = (...operands) => matmul(decodeQ4_1, 32, 20, ...operands);
export const matmulQ5_0 = (...operands) => matmul(decodeQ5_0, 32, 22, ...operands);
export const matmulQ5_1 = (...operands) => matmul(decodeQ5_1, 32, 24, ...operands);
export const matmulQ4_k = (...operands) => matmul(decodeQ4_k, 256, 144, ...operands);
export const matmulQ5_k = (...operands) => matmul(decodeQ5_k, 256, 176, ...operands);
export const matmulQ6_k = (...operands) => matmul(decodeQ6_k, 256, 210, ...operands);
export const matmulIq4_nl = (...operands) => matmul(decodeIq4_nl, 32, 18, ...operands);

export const dequantizeQ4_1 = (...operands) => dequantize(decodeQ4_1, 32, 20, ...operands);
export const dequantizeQ5_0 = (...operands) => dequantize(decodeQ5_0, 32, 22, ...operands);
export const dequantizeQ5_1 = (...operands) => dequantize(decodeQ5_1, 32, 24, ...operands);
export const dequantizeQ4_k = (...operands) => dequantize(decodeQ4_k, 256, 144, ...operands);
export const dequantizeQ5_k = (...operands) => dequantize(decodeQ5_k, 256, 176, ...operands);
export const dequantizeQ6_k = (...operands) => dequantize(decodeQ6_k, 256, 210, ...operands);
export const dequantizeIq4_nl = (...operands) => dequantize(decodeIq4_nl, 32, 18, ...operands);
