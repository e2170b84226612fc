/**
 * The MATMUL op: out = W x (+ bias, + residual) for several matrices at once, dense or by expert.
 *
 * A unit is one group of 8 outputs over one block of row tiles of one segment of one matrix; it is computed whole by one
 * thread, so no sum is ever split. The weights of a group are read once per block of tiles.
 */

import {
  BLOCK, DEQUANTIZE_COLS, GROUP, MATMUL_FUSED, MATMUL_MATRICES, MATMUL_WORDS, MATRIX_BIAS_AT, MATRIX_COLS, MATRIX_FORM,
  MATRIX_OUT_AT, MATRIX_PANEL_AT, MATRIX_RESIDUAL_AT, MATRIX_ROWS, MATRIX_SCALE_AT, MATRIX_SEGMENTS_AT, MATRIX_STRIDE,
  MATRIX_SUM_AT, MATRIX_TABLE_AT, MATRIX_TILES, MATRIX_TILE_ROWS, MATRIX_TYPE, MATRIX_WORDS, PANEL_F32, PANEL_Q16_PAIRS, SEGMENT_FIRST,
  SEGMENT_ROWS, SEGMENT_WEIGHT, TILE_ROWS, TYPE_BF16, TYPE_F16, TYPE_F32, TYPE_Q8_0,
} from "./abi";
import { Segments, Tiles } from "./tiles";
import { dequantize_bf16, dequantize_f16, gemv2_bf16_f32, gemv2_f16_f32, tile_f32, tile_f32_fused } from "./weights/float";
import { dequantize_q4_0, tile_q4_0_q8 } from "./weights/q4_0";
import { dequantize_q8_0, gemv2_q8_0_q16, tile_q8_0_q16 } from "./weights/q8_0";

@inline function word(at: usize, index: i32): u32 {
  return load<u32>(at + (<usize>index << 2));
}

/** Bytes of one packed group. */
export function group_bytes(type: u32, cols: i32): usize {
  if (type === TYPE_F32) return <usize>cols * 32;
  if (type === TYPE_Q8_0) return <usize>(cols / BLOCK) * 288;
  if (type === TYPE_F16 || type === TYPE_BF16) return <usize>cols * 16;
  return <usize>(cols / BLOCK) * 160;
}

/** Blocks of tiles of a segment of `rows` rows. */
@inline function tile_blocks(rows: i32, tileRows: i32, tiles: i32): i32 {
  return (Tiles.count(rows, tileRows) + tiles - 1) / tiles;
}

function matrix_units(matrixAt: usize): i32 {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const tiles = <i32>word(matrixAt, MATRIX_TILES);
  const groups = (<i32>word(matrixAt, MATRIX_ROWS) + GROUP - 1) / GROUP;
  let blocks = 0;
  for (let segment = 0; segment < Segments.count(segmentsAt); segment++) {
    blocks += tile_blocks(Segments.word(segmentsAt, segment, SEGMENT_ROWS), <i32>word(matrixAt, MATRIX_TILE_ROWS), tiles);
  }
  return blocks * groups;
}

export function matmul_units(opAt: usize): i32 {
  let units = 0;
  for (let matrix = 0; matrix < <i32>word(opAt, MATMUL_MATRICES); matrix++) {
    units += matrix_units(opAt + (<usize>(MATMUL_WORDS + matrix * MATRIX_WORDS) << 2));
  }
  return units;
}

/** Multiply-adds of one claim: at most 1-4 ms, so that an abort is seen in time; at least some microseconds. */
const MOST_PRODUCTS: i64 = 50_000_000;
const LEAST_PRODUCTS: i64 = 50_000;

/** Units of one claim at most: by the dearest unit of any matrix, all its rows of tiles full. */
export function matmul_most(opAt: usize): i32 {
  let products: i64 = 1;
  for (let matrix = 0; matrix < <i32>word(opAt, MATMUL_MATRICES); matrix++) {
    const matrixAt = opAt + (<usize>(MATMUL_WORDS + matrix * MATRIX_WORDS) << 2);
    products = max(products, <i64>word(matrixAt, MATRIX_TILES) * TILE_ROWS * GROUP * <i64>word(matrixAt, MATRIX_COLS));
  }
  return <i32>max<i64>(1, MOST_PRODUCTS / products);
}

/** Units of one claim at least: of the first matrix, as if every segment had one row. */
export function matmul_least(opAt: usize): i32 {
  const cols = <i64>word(opAt + (MATMUL_WORDS << 2), MATRIX_COLS);
  return <i32>max<i64>(1, LEAST_PRODUCTS / (GROUP * cols));
}

export function matmul(opAt: usize, scratchAt: usize, begin: i32, end: i32): void {
  const fused = word(opAt, MATMUL_FUSED) !== 0;
  for (let matrix = 0; matrix < <i32>word(opAt, MATMUL_MATRICES) && begin < end; matrix++) {
    const matrixAt = opAt + (<usize>(MATMUL_WORDS + matrix * MATRIX_WORDS) << 2);
    const units = matrix_units(matrixAt);
    if (begin < units) matmul_matrix(matrixAt, scratchAt, fused, begin, min(end, units));
    begin = max(begin - units, 0);
    end -= units;
  }
}

/** Units [begin, end) of one matrix: group fastest, then block of tiles, then segment. */
function matmul_matrix(matrixAt: usize, scratchAt: usize, fused: bool, begin: i32, end: i32): void {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const tilesPerBlock = <i32>word(matrixAt, MATRIX_TILES);
  const groups = (<i32>word(matrixAt, MATRIX_ROWS) + GROUP - 1) / GROUP;
  for (let segment = 0; segment < Segments.count(segmentsAt) && begin < end; segment++) {
    const rows = Segments.word(segmentsAt, segment, SEGMENT_ROWS);
    const blocks = tile_blocks(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS), tilesPerBlock);
    for (let block = 0; block < blocks && begin < end; block++) {
      if (begin < groups) matmul_block(matrixAt, scratchAt, fused, segment, block, begin, min(end, groups));
      begin = max(begin - groups, 0);
      end -= groups;
    }
  }
}

/** Groups [groupBegin, groupEnd) of one block of row tiles. */
function matmul_block(matrixAt: usize, scratchAt: usize, fused: bool, segment: i32, block: i32, groupBegin: i32, groupEnd: i32): void {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const rows = Segments.word(segmentsAt, segment, SEGMENT_ROWS);
  const first = Segments.word(segmentsAt, segment, SEGMENT_FIRST);
  const weight = Segments.word(segmentsAt, segment, SEGMENT_WEIGHT);
  const weightAt = <usize>load<u32>(<usize>word(matrixAt, MATRIX_TABLE_AT) + (<usize>weight << 2));
  const type = word(matrixAt, MATRIX_TYPE);
  const form = word(matrixAt, MATRIX_FORM);
  const cols = <i32>word(matrixAt, MATRIX_COLS);
  const bytes = group_bytes(type, cols);
  const tiles = Tiles.count(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS));
  const tileBegin = block * <i32>word(matrixAt, MATRIX_TILES);
  const tileEnd = min(tileBegin + <i32>word(matrixAt, MATRIX_TILES), tiles);
  let group = groupBegin;
  if (rows === 1 && has_gemv(type, form)) {
    for (; group + 1 < groupEnd; group += 2) {
      gemv2(matrixAt, scratchAt, fused, type, weightAt + <usize>group * bytes, cols, first);
      write_tile(matrixAt, scratchAt, first, 1, group);
      write_tile(matrixAt, scratchAt + 32, first, 1, group + 1);
    }
  }
  for (; group < groupEnd; group++) {
    const groupAt = weightAt + <usize>group * bytes;
    if (form === PANEL_F32) {
      float_group(matrixAt, scratchAt, fused, type, groupAt, rows, first, tileBegin, tileEnd, group);
      continue;
    }
    for (let tile = tileBegin; tile < tileEnd; tile++) {
      const from = Tiles.first(rows, tiles, tile);
      const h = Tiles.first(rows, tiles, tile + 1) - from;
      quantised_tile(matrixAt, scratchAt, form, groupAt, cols, first + from, h);
      write_tile(matrixAt, scratchAt, first + from, h, group);
    }
  }
}

/** Pairs of weights and activations that have a kernel for one row and two groups at a time; the tile gives the same bits. */
@inline function has_gemv(type: u32, form: u32): bool {
  return form === PANEL_Q16_PAIRS || (form === PANEL_F32 && (type === TYPE_F16 || type === TYPE_BF16));
}

function gemv2(matrixAt: usize, sumAt: usize, fused: bool, type: u32, groupAt: usize, cols: i32, entry: i32): void {
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT);
  if (type === TYPE_Q8_0) {
    const blocks = cols / BLOCK;
    const scaleAt = <usize>word(matrixAt, MATRIX_SCALE_AT) + <usize>entry * (<usize>blocks << 2);
    gemv2_q8_0_q16(sumAt, groupAt, panelAt + <usize>entry * (<usize>cols << 1), scaleAt, blocks);
  } else {
    const rowAt = panelAt + <usize>entry * (<usize>cols << 2);
    if (type === TYPE_F16) gemv2_f16_f32(sumAt, groupAt, rowAt, cols, fused);
    else gemv2_bf16_f32(sumAt, groupAt, rowAt, cols, fused);
  }
}

@inline function quantised_tile(matrixAt: usize, sumAt: usize, form: u32, groupAt: usize, cols: i32, entry: i32, h: i32): void {
  const blocks = cols / BLOCK;
  const scales = <usize>entry * (<usize>blocks << 2);
  const scaleAt = <usize>word(matrixAt, MATRIX_SCALE_AT) + scales;
  if (form === PANEL_Q16_PAIRS) {
    tile_q8_0_q16(h, sumAt, groupAt, <usize>word(matrixAt, MATRIX_PANEL_AT) + <usize>entry * (<usize>cols << 1), scaleAt, blocks);
  } else {
    tile_q4_0_q8(h, sumAt, groupAt, <usize>word(matrixAt, MATRIX_PANEL_AT) + <usize>entry * <usize>cols, scaleAt, <usize>word(matrixAt, MATRIX_SUM_AT) + scales, blocks);
  }
}

/**
 * f32 activations: any weight type. Types other than f32 are dequantised a piece of k at a time into scratch and the partial
 * sums of the block's tiles continued, so the order over k is the order of f32 weights.
 */
function float_group(matrixAt: usize, scratchAt: usize, fused: bool, type: u32, groupAt: usize, rows: i32, first: i32, tileBegin: i32, tileEnd: i32, group: i32): void {
  const cols = <i32>word(matrixAt, MATRIX_COLS);
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT) + <usize>first * (<usize>cols << 2);
  const tiles = Tiles.count(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS));
  const pieceAt = scratchAt;
  const sumsAt = scratchAt + DEQUANTIZE_COLS * GROUP * 4;
  memory.fill(sumsAt, 0, <usize>(tileEnd - tileBegin) * TILE_ROWS * GROUP * 4);
  const step = type === TYPE_F32 ? cols : DEQUANTIZE_COLS;
  for (let col = 0; col < cols; col += step) {
    const colEnd = min(col + step, cols);
    let piece = pieceAt;
    if (type === TYPE_F32) piece = groupAt;
    else if (type === TYPE_BF16) dequantize_bf16(pieceAt, groupAt, col, colEnd);
    else if (type === TYPE_F16) dequantize_f16(pieceAt, groupAt, col, colEnd);
    else if (type === TYPE_Q8_0) dequantize_q8_0(pieceAt, groupAt, col, colEnd);
    else dequantize_q4_0(pieceAt, groupAt, col, colEnd);
    for (let tile = tileBegin; tile < tileEnd; tile++) {
      const from = Tiles.first(rows, tiles, tile);
      const h = Tiles.first(rows, tiles, tile + 1) - from;
      const sumAt = sumsAt + <usize>(tile - tileBegin) * TILE_ROWS * GROUP * 4;
      const xAt = panelAt + ((<usize>from * <usize>cols + <usize>col * <usize>h) << 2);
      if (fused) tile_f32_fused(h, sumAt, piece, xAt, colEnd - col);
      else tile_f32(h, sumAt, piece, xAt, colEnd - col);
    }
  }
  for (let tile = tileBegin; tile < tileEnd; tile++) {
    const from = Tiles.first(rows, tiles, tile);
    const h = Tiles.first(rows, tiles, tile + 1) - from;
    write_tile(matrixAt, sumsAt + <usize>(tile - tileBegin) * TILE_ROWS * GROUP * 4, first + from, h, group);
  }
}

/** sums [h][8] (+ bias) (+ residual) -> out rows [entry, entry + h), outputs of `group`; the last group may be short. */
function write_tile(matrixAt: usize, sumAt: usize, entry: i32, h: i32, group: i32): void {
  const outputs = min(GROUP, <i32>word(matrixAt, MATRIX_ROWS) - group * GROUP);
  const stride = <usize>word(matrixAt, MATRIX_STRIDE) << 2;
  const offset = <usize>entry * stride + (<usize>group * GROUP << 2);
  const residualAt = <usize>word(matrixAt, MATRIX_RESIDUAL_AT);
  const biasAt = <usize>word(matrixAt, MATRIX_BIAS_AT);
  let outAt = <usize>word(matrixAt, MATRIX_OUT_AT) + offset;
  let addAt = residualAt + offset;
  for (let row = 0; row < h; row++, sumAt += GROUP * 4, outAt += stride, addAt += stride) {
    if (outputs === GROUP && biasAt === 0) {
      let low = v128.load(sumAt, 0), high = v128.load(sumAt, 16);
      if (residualAt !== 0) {
        low = f32x4.add(v128.load(addAt, 0), low);
        high = f32x4.add(v128.load(addAt, 16), high);
      }
      v128.store(outAt, low, 0);
      v128.store(outAt, high, 16);
      continue;
    }
    for (let output: usize = 0; output < <usize>outputs; output++) {
      let value = load<f32>(sumAt + (output << 2));
      if (biasAt !== 0) value += load<f32>(biasAt + ((<usize>group * GROUP + output) << 2));
      if (residualAt !== 0) value = load<f32>(addAt + (output << 2)) + value;
      store<f32>(outAt + (output << 2), value);
    }
  }
}
