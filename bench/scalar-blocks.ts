/**
 * The loops of plain-blocks.mjs in AssemblyScript without SIMD. Names, arguments and order as there; arrays are addresses.
 */

const Q4_1 = 0, Q5_0 = 1, Q4_K = 2, Q5_K = 3, Q6_K = 4, IQ4_NL = 5, Q5_1 = 6;
/** The decoded block. */
const VALUES = memory.data(1024);
const IQ4 = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]);

@inline function f(at: usize, index: i32): f32 { return load<f32>(at + (<usize>index << 2)); }
@inline function put(at: usize, index: i32, value: f32): void { store<f32>(at + (<usize>index << 2), value); }
@inline function byte(at: usize): i32 { return <i32>load<u8>(at); }
@inline function half(at: usize, table: usize): f32 { return f(table, <i32>load<u16>(at)); }

function decodeQ4_1(at: usize, table: usize): void {
  const scale = half(at, table), least = half(at + 2, table);
  for (let k = 0; k < 16; k++) {
    put(VALUES, k, <f32>(byte(at + 4 + k) & 15) * scale + least);
    put(VALUES, k + 16, <f32>(byte(at + 4 + k) >> 4) * scale + least);
  }
}

function decodeQ5_0(at: usize, table: usize): void {
  const scale = half(at, table);
  for (let k = 0; k < 16; k++) {
    const low = byte(at + 2 + (k >> 3)) >> (k & 7) & 1, high = byte(at + 4 + (k >> 3)) >> (k & 7) & 1;
    put(VALUES, k, <f32>((byte(at + 6 + k) & 15) + 16 * low - 16) * scale);
    put(VALUES, k + 16, <f32>((byte(at + 6 + k) >> 4) + 16 * high - 16) * scale);
  }
}

function decodeQ5_1(at: usize, table: usize): void {
  const scale = half(at, table), least = half(at + 2, table);
  for (let k = 0; k < 16; k++) {
    const low = byte(at + 4 + (k >> 3)) >> (k & 7) & 1, high = byte(at + 6 + (k >> 3)) >> (k & 7) & 1;
    put(VALUES, k, <f32>((byte(at + 8 + k) & 15) + 16 * low) * scale + least);
    put(VALUES, k + 16, <f32>((byte(at + 8 + k) >> 4) + 16 * high) * scale + least);
  }
}

@inline function decodeK(at: usize, table: usize, codesAt: usize, fifthsAt: usize, fives: bool): void {
  const d = half(at, table), dmin = half(at + 2, table);
  for (let block = 0; block < 8; block++) {
    const own = byte(at + 4 + block), next = byte(at + 8 + block), upper = block < 4 ? 0 : byte(at + block);
    const scale = d * <f32>(block < 4 ? own & 63 : (next & 15) | (upper >> 6) << 4);
    const min = dmin * <f32>(block < 4 ? next & 63 : (next >> 4) | (own >> 6) << 4);
    for (let k = 0; k < 32; k++) {
      const nibble = byte(codesAt + (block >> 1) * 32 + k) >> (4 * (block & 1)) & 15, fifth = fives ? byte(fifthsAt + k) >> block & 1 : 0;
      put(VALUES, block * 32 + k, scale * <f32>(nibble + 16 * fifth) - min);
    }
  }
}

function decodeQ6_k(at: usize, table: usize): void {
  const d = half(at + 208, table);
  for (let i = 0; i < 256; i++) {
    const block = i >> 5, k = i & 31;
    const low = byte(at + (block >> 2) * 64 + (block & 1) * 32 + k) >> (4 * (block >> 1 & 1)) & 15;
    const upper = byte(at + 128 + (block >> 2) * 32 + k) >> (2 * (block & 3)) & 3;
    put(VALUES, i, d * <f32>load<i8>(at + 192 + (i >> 4)) * <f32>(low + 16 * upper - 32));
  }
}

function decodeIq4_nl(at: usize, table: usize): void {
  const scale = half(at, table);
  for (let k = 0; k < 16; k++) {
    put(VALUES, k, <f32>load<i8>(IQ4 + (byte(at + 2 + k) & 15)) * scale);
    put(VALUES, k + 16, <f32>load<i8>(IQ4 + (byte(at + 2 + k) >> 4)) * scale);
  }
}

@inline function decode(type: i32, at: usize, table: usize): void {
  if (type === Q4_1) decodeQ4_1(at, table);
  else if (type === Q5_0) decodeQ5_0(at, table);
  else if (type === Q5_1) decodeQ5_1(at, table);
  else if (type === Q4_K) decodeK(at, table, at + 16, 0, false);
  else if (type === Q5_K) decodeK(at, table, at + 48, at + 16, true);
  else if (type === Q6_K) decodeQ6_k(at, table);
  else decodeIq4_nl(at, table);
}

@inline function matmul(type: i32, size: i32, bytes: i32, out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void {
  for (let output = 0; output < outputs; output++) {
    for (let row = 0; row < rows; row++) put(out, row * outputs + output, 0);
    for (let col = 0; col < cols; col += size) {
      decode(type, stored + (output * cols + col) / size * bytes, table);
      for (let row = 0; row < rows; row++) {
        let dot: f32 = 0;
        for (let k = 0; k < size; k++) dot += f(VALUES, k) * f(x, row * cols + col + k);
        put(out, row * outputs + output, f(out, row * outputs + output) + dot);
      }
    }
  }
}

@inline function dequantize(type: i32, size: i32, bytes: i32, out: usize, stored: usize, table: usize, count: i32): void {
  for (let block = 0; block < count / size; block++) {
    decode(type, stored + block * bytes, table);
    for (let k = 0; k < size; k++) put(out, block * size + k, f(VALUES, k));
  }
}

export function matmulQ4_1(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(Q4_1, 32, 20, out, stored, x, table, rows, outputs, cols); }
export function matmulQ5_0(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(Q5_0, 32, 22, out, stored, x, table, rows, outputs, cols); }
export function matmulQ5_1(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(Q5_1, 32, 24, out, stored, x, table, rows, outputs, cols); }
export function matmulQ4_k(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(Q4_K, 256, 144, out, stored, x, table, rows, outputs, cols); }
export function matmulQ5_k(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(Q5_K, 256, 176, out, stored, x, table, rows, outputs, cols); }
export function matmulQ6_k(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(Q6_K, 256, 210, out, stored, x, table, rows, outputs, cols); }
export function matmulIq4_nl(out: usize, stored: usize, x: usize, table: usize, rows: i32, outputs: i32, cols: i32): void { matmul(IQ4_NL, 32, 18, out, stored, x, table, rows, outputs, cols); }

export function dequantizeQ4_1(out: usize, stored: usize, table: usize, count: i32): void { dequantize(Q4_1, 32, 20, out, stored, table, count); }
export function dequantizeQ5_0(out: usize, stored: usize, table: usize, count: i32): void { dequantize(Q5_0, 32, 22, out, stored, table, count); }
export function dequantizeQ5_1(out: usize, stored: usize, table: usize, count: i32): void { dequantize(Q5_1, 32, 24, out, stored, table, count); }
export function dequantizeQ4_k(out: usize, stored: usize, table: usize, count: i32): void { dequantize(Q4_K, 256, 144, out, stored, table, count); }
export function dequantizeQ5_k(out: usize, stored: usize, table: usize, count: i32): void { dequantize(Q5_K, 256, 176, out, stored, table, count); }
export function dequantizeQ6_k(out: usize, stored: usize, table: usize, count: i32): void { dequantize(Q6_K, 256, 210, out, stored, table, count); }
export function dequantizeIq4_nl(out: usize, stored: usize, table: usize, count: i32): void { dequantize(IQ4_NL, 32, 18, out, stored, table, count); }
