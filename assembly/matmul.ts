/**
 * The MATMUL op: out = W x (+ bias, + residual) for several matrices at once, dense or by expert.
 *
 * A unit is one group of 8 outputs over one block of row tiles of one segment of one matrix; it is computed whole by one
 * thread, so no sum is ever split. The weights of a group are read once per block of tiles.
 */

import {
  BLOCK, DEQUANTIZE_COLS, GROUP, MATMUL_DOT_ADD, MATMUL_FUSED, MATMUL_GROUPS, MATMUL_MATRICES, MATMUL_WIDE, MATMUL_WORDS, MATRIX_BIAS_AT, MATRIX_COLS, MATRIX_FORM,
  MATRIX_OUT_AT, MATRIX_PANEL_AT, MATRIX_RESIDUAL_AT, MATRIX_ROWS, MATRIX_SCALE_AT, MATRIX_SEGMENTS_AT, MATRIX_STRIDE,
  MATRIX_SUM_AT, MATRIX_TABLE_AT, MATRIX_TILES, MATRIX_TILE_ROWS, MATRIX_TYPE, MATRIX_WORDS, PANEL_F32, PANEL_Q16_PAIRS, SEGMENT_FIRST,
  SEGMENT_ROWS, SEGMENT_WEIGHT, TILE_ROWS, TYPE_BF16, TYPE_F16, TYPE_F32, TYPE_Q4_0, TYPE_Q4_1, TYPE_Q4_K, TYPE_Q5_0, TYPE_Q5_K, TYPE_Q8_0,
} from "./abi";
import { Segments, Tiles } from "./tiles";
import {
  gemv4_bf16_f32, gemv4_bf16_f32_fused, gemv4_f16_f32, gemv4_f16_f32_fused,
  gemv4_f32_f32, gemv4_f32_f32_fused, row_fits_f16, tile2_f32, tile2_f32_fused, tile_f32, tile_f32_fused,
} from "./weights/float";
import { gemv8_iq4_nl_q16, tile_iq4_nl_q16 } from "./weights/iq4_nl";
import { dequantize, group_bytes, ROWS_BYTES } from "./packed";
import { gemv8_q4_0_q8, tile_q4_0_q8, tile_q4_0_q8_add } from "./weights/q4_0";
import { gemv8_q4_1_q8, tile_q4_1_q8 } from "./weights/q4_1";
import { gemv8_q4_k_q8, tile_q4_k_q8 } from "./weights/q4_k";
import { gemv8_q5_0_q8, tile_q5_0_q8 } from "./weights/q5_0";
import { gemv8_q5_k_q8, tile_q5_k_q8 } from "./weights/q5_k";
import { gemv8_q6_k_q8, tile_q6_k_q8 } from "./weights/q6_k";
import { gemv8_q8_0_q16, tile_q8_0_q16 } from "./weights/q8_0";

@inline function word(at: usize, index: i32): u32 {
  return load<u32>(at + (<usize>index << 2));
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
  const fused = word(opAt, MATMUL_FUSED) !== 0, wide = word(opAt, MATMUL_WIDE) !== 0, dotAdd = word(opAt, MATMUL_DOT_ADD) !== 0;
  for (let matrix = 0; matrix < <i32>word(opAt, MATMUL_MATRICES) && begin < end; matrix++) {
    const matrixAt = opAt + (<usize>(MATMUL_WORDS + matrix * MATRIX_WORDS) << 2);
    const units = matrix_units(matrixAt);
    if (begin < units) matmul_matrix(matrixAt, scratchAt, fused, wide, dotAdd, begin, min(end, units));
    begin = max(begin - units, 0);
    end -= units;
  }
}

/** Units [begin, end) of one matrix: group fastest, then block of tiles, then segment. */
function matmul_matrix(matrixAt: usize, scratchAt: usize, fused: bool, wide: bool, dotAdd: bool, begin: i32, end: i32): void {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const tilesPerBlock = <i32>word(matrixAt, MATRIX_TILES);
  const groups = (<i32>word(matrixAt, MATRIX_ROWS) + GROUP - 1) / GROUP;
  for (let segment = 0; segment < Segments.count(segmentsAt) && begin < end; segment++) {
    const rows = Segments.word(segmentsAt, segment, SEGMENT_ROWS);
    const blocks = tile_blocks(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS), tilesPerBlock);
    for (let block = 0; block < blocks && begin < end; block++) {
      if (begin < groups) matmul_block(matrixAt, scratchAt, fused, wide, dotAdd, segment, block, begin, min(end, groups));
      begin = max(begin - groups, 0);
      end -= groups;
    }
  }
}

/** Groups [groupBegin, groupEnd) of one block of row tiles. */
function matmul_block(matrixAt: usize, scratchAt: usize, fused: bool, wide: bool, dotAdd: bool, segment: i32, block: i32, groupBegin: i32, groupEnd: i32): void {
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
  if (rows === 1) {
    const width = gemv_groups(matrixAt, type, form, first);
    for (; width > 0 && group + width <= groupEnd; group += width) {
      gemv(matrixAt, scratchAt, fused, type, weightAt + <usize>group * bytes, cols, first);
      write_groups(matrixAt, scratchAt, GROUP * 4, first, 1, group, width);
    }
  }
  for (; group < groupEnd; group += MATMUL_GROUPS) {
    const count = min(MATMUL_GROUPS, groupEnd - group), groupAt = weightAt + <usize>group * bytes;
    if (tiles <= FEW_TILES) touch(scratchAt, groupAt, <usize>count * bytes);
    if (form === PANEL_F32) float_groups(matrixAt, scratchAt, fused, wide, type, groupAt, rows, first, tileBegin, tileEnd, group, count);
    else integer_groups(matrixAt, scratchAt, type, form, dotAdd, groupAt, bytes, rows, first, tileBegin, tileEnd, group, count);
  }
}

/** Segments of so few tiles wait for their weights: `touch`. With more of them, f32 weights of 2048 inputs lose 15 %. */
const FEW_TILES = 4;
const STREAMS: usize = 8;

/**
 * Reads the weights of a visit into the cache as many streams at once: a tile follows one alone, which comes out of memory at half
 * the speed. q8_0, two threads, 2 / 4 / 16 sequences decoded together: 115 / 173 / 300 tokens/s without, 170 / 228 / 340 with it
 * (wide 153 / 217 / 415, 197 / 276 / 470).
 */
function touch(scratchAt: usize, at: usize, bytes: usize): void {
  const apart = bytes / STREAMS;
  let seen: u32 = 0;
  for (const end = at + apart; at < end; at += 64) {
    seen |= load<u32>(at) | load<u32>(at + apart) | load<u32>(at + 2 * apart) | load<u32>(at + 3 * apart);
    seen |= load<u32>(at + 4 * apart) | load<u32>(at + 5 * apart) | load<u32>(at + 6 * apart) | load<u32>(at + 7 * apart);
  }
  store<u32>(scratchAt, seen); // else the loads would be dropped
}

/** Activations of integer forms: `count` groups share a tile's rows and leave whole lines of the output behind. */
function integer_groups(matrixAt: usize, scratchAt: usize, type: u32, form: u32, dotAdd: bool, groupAt: usize, bytes: usize, rows: i32, first: i32, tileBegin: i32, tileEnd: i32, group: i32, count: i32): void {
  const cols = <usize>word(matrixAt, MATRIX_COLS), blocks = <i32>cols / BLOCK;
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT), scaleAt = <usize>word(matrixAt, MATRIX_SCALE_AT), blockSumAt = <usize>word(matrixAt, MATRIX_SUM_AT);
  const tiles = Tiles.count(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS));
  const low = rows / tiles, higher = rows - low * tiles;
  for (let tile = tileBegin; tile < tileEnd; tile++) {
    const from = Tiles.first(low, higher, tile), h = Tiles.height(low, higher, tile);
    const values = <usize>(first + from) * cols, scales = <usize>(first + from) * (<usize>blocks << 2);
    for (let one = 0; one < count; one++) {
      const sumAt = scratchAt + <usize>one * SUM_BYTES, at = groupAt + <usize>one * bytes;
      if (form === PANEL_Q16_PAIRS) tile_q16(type, h, sumAt, at, panelAt + (values << 1), scaleAt + scales, blocks);
      else tile_q8(type, dotAdd, h, sumAt, at, panelAt + values, scaleAt + scales, blockSumAt + scales, blocks);
    }
    write_groups(matrixAt, scratchAt, SUM_BYTES, first + from, h, group, count);
  }
}

function tile_q16(type: u32, h: i32, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blocks: i32): void {
  if (type === TYPE_Q8_0) tile_q8_0_q16(h, sumAt, at, panelAt, scaleAt, blocks);
  else tile_iq4_nl_q16(h, sumAt, at, panelAt, scaleAt, blocks);
}

function tile_q8(type: u32, dotAdd: bool, h: i32, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, blockSumAt: usize, blocks: i32): void {
  switch (type) {
    case TYPE_Q4_0:
      if (dotAdd) tile_q4_0_q8_add(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks);
      else tile_q4_0_q8(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks);
      break;
    case TYPE_Q4_1: tile_q4_1_q8(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q5_0: tile_q5_0_q8(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q4_K: tile_q4_k_q8(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q5_K: tile_q5_k_q8(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks); break;
    default: tile_q6_k_q8(h, sumAt, at, panelAt, scaleAt, blockSumAt, blocks);
  }
}

/** Groups that the kernel for one row takes at a time, 0: there is none. The tile gives the same bits. */
function gemv_groups(matrixAt: usize, type: u32, form: u32, entry: i32): i32 {
  if (form !== PANEL_F32) return 8;
  if (type === TYPE_F32 || type === TYPE_BF16) return 4;
  if (type !== TYPE_F16) return 0;
  const cols = <i32>word(matrixAt, MATRIX_COLS);
  return row_fits_f16(<usize>word(matrixAt, MATRIX_PANEL_AT) + <usize>entry * (<usize>cols << 2), cols) ? 4 : 0;
}

function gemv(matrixAt: usize, sumAt: usize, fused: bool, type: u32, groupAt: usize, cols: i32, entry: i32): void {
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT);
  if (word(matrixAt, MATRIX_FORM) === PANEL_F32) {
    const rowAt = panelAt + <usize>entry * (<usize>cols << 2);
    if (type === TYPE_F32) {
      if (fused) gemv4_f32_f32_fused(sumAt, groupAt, rowAt, cols);
      else gemv4_f32_f32(sumAt, groupAt, rowAt, cols);
    } else if (type === TYPE_F16) {
      if (fused) gemv4_f16_f32_fused(sumAt, groupAt, rowAt, cols);
      else gemv4_f16_f32(sumAt, groupAt, rowAt, cols);
    } else {
      if (fused) gemv4_bf16_f32_fused(sumAt, groupAt, rowAt, cols);
      else gemv4_bf16_f32(sumAt, groupAt, rowAt, cols);
    }
    return;
  }
  const blocks = cols / BLOCK;
  const scales = <usize>entry * (<usize>blocks << 2);
  const scaleAt = <usize>word(matrixAt, MATRIX_SCALE_AT) + scales;
  if (word(matrixAt, MATRIX_FORM) === PANEL_Q16_PAIRS) {
    const pairsAt = panelAt + <usize>entry * (<usize>cols << 1);
    if (type === TYPE_Q8_0) gemv8_q8_0_q16(sumAt, groupAt, pairsAt, scaleAt, blocks);
    else gemv8_iq4_nl_q16(sumAt, groupAt, pairsAt, scaleAt, blocks);
    return;
  }
  const quadsAt = panelAt + <usize>entry * <usize>cols, blockSumAt = <usize>word(matrixAt, MATRIX_SUM_AT) + scales;
  switch (type) {
    case TYPE_Q4_0: gemv8_q4_0_q8(sumAt, groupAt, quadsAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q4_1: gemv8_q4_1_q8(sumAt, groupAt, quadsAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q5_0: gemv8_q5_0_q8(sumAt, groupAt, quadsAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q4_K: gemv8_q4_k_q8(sumAt, groupAt, quadsAt, scaleAt, blockSumAt, blocks); break;
    case TYPE_Q5_K: gemv8_q5_k_q8(sumAt, groupAt, quadsAt, scaleAt, blockSumAt, blocks); break;
    default: gemv8_q6_k_q8(sumAt, groupAt, quadsAt, scaleAt, blockSumAt, blocks);
  }
}

/**
 * f32 activations: any weight type, `count` groups. A piece of k at a time: the groups' weights stay in L1 over the tiles of the
 * block, and a tile's rows over the groups; sums go on from piece to piece. Types other than f32 are dequantised into scratch, so
 * the order over k is that of f32 weights.
 *
 * In a model the wide tile does 99 GFLOP/s, alone 121; no difference made (Xeon, 2 MiB L2): pieces of 96 to 768, 2 or 8 groups, blocks
 * of tiles of 224 KiB to 1.8 MiB; touching the next piece ahead costs 15 % at 2048 inputs.
 */
function float_groups(matrixAt: usize, scratchAt: usize, fused: bool, wide: bool, type: u32, groupAt: usize, rows: i32, first: i32, tileBegin: i32, tileEnd: i32, group: i32, count: i32): void {
  const cols = <i32>word(matrixAt, MATRIX_COLS);
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT) + <usize>first * (<usize>cols << 2);
  const tiles = Tiles.count(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS));
  const low = rows / tiles, higher = rows - low * tiles;
  const bytes = group_bytes(type, cols), stored = type === TYPE_F32;
  const pieceBytes = stored ? bytes : PIECE_BYTES;
  const rowsAt = scratchAt + <usize>MATMUL_GROUPS * PIECE_BYTES, sumsAt = rowsAt + ROWS_BYTES;
  memory.fill(sumsAt, 0, <usize>(tileEnd - tileBegin) * VISIT_BYTES);
  const step = stored && tileEnd - tileBegin === 1 ? cols : DEQUANTIZE_COLS;
  for (let col = 0; col < cols; col += step) {
    const colEnd = min(col + step, cols);
    if (!stored) for (let one = 0; one < count; one++) dequantize(type, scratchAt + <usize>one * PIECE_BYTES, groupAt + <usize>one * bytes, cols, col, colEnd, rowsAt);
    let sumAt = sumsAt;
    for (let tile = tileBegin; tile < tileEnd; tile++, sumAt += VISIT_BYTES) {
      const from = Tiles.first(low, higher, tile), h = Tiles.height(low, higher, tile);
      const xAt = panelAt + ((<usize>from * <usize>cols + <usize>col * <usize>h) << 2);
      float_tile(h, sumAt, stored ? groupAt + (<usize>col << 5) : scratchAt, pieceBytes, xAt, colEnd - col, count, fused, wide);
      if (colEnd === cols) write_groups(matrixAt, sumAt, SUM_BYTES, first + from, h, group, count);
    }
  }
}

/** `count` groups of one tile; 256-bit pairs want two at a time. */
@inline function float_tile(h: i32, sumAt: usize, pieceAt: usize, pieceBytes: usize, xAt: usize, cols: i32, count: i32, fused: bool, wide: bool): void {
  if (wide) {
    for (; count > 1; count -= 2, sumAt += 2 * SUM_BYTES, pieceAt += 2 * pieceBytes) {
      if (fused) tile2_f32_fused(h, sumAt, pieceAt, pieceAt + pieceBytes, xAt, cols);
      else tile2_f32(h, sumAt, pieceAt, pieceAt + pieceBytes, xAt, cols);
    }
  }
  for (; count > 0; count--, sumAt += SUM_BYTES, pieceAt += pieceBytes) {
    if (fused) tile_f32_fused(h, sumAt, pieceAt, xAt, cols);
    else tile_f32(h, sumAt, pieceAt, xAt, cols);
  }
}

/** Bytes of a dequantised piece of one group, and of the sums of a tile over one group. */
const PIECE_BYTES: usize = DEQUANTIZE_COLS * GROUP * 4;
const SUM_BYTES: usize = TILE_ROWS * GROUP * 4;
const VISIT_BYTES: usize = <usize>MATMUL_GROUPS * SUM_BYTES;

/**
 * Sums of `count` groups from `group` on, [h][8] each, `apart` bytes from one group to the next (+ bias) (+ residual) -> out rows
 * [entry, entry + h); the last group may be short.
 */
function write_groups(matrixAt: usize, sumAt: usize, apart: usize, entry: i32, h: i32, group: i32, count: i32): void {
  const outputs = min(GROUP * count, <i32>word(matrixAt, MATRIX_ROWS) - group * GROUP);
  const stride = <usize>word(matrixAt, MATRIX_STRIDE) << 2;
  const offset = <usize>entry * stride + (<usize>group * GROUP << 2);
  const residualAt = <usize>word(matrixAt, MATRIX_RESIDUAL_AT), biasAt = <usize>word(matrixAt, MATRIX_BIAS_AT);
  const outAt = <usize>word(matrixAt, MATRIX_OUT_AT) + offset;
  if (biasAt !== 0 || outputs < GROUP * count) return write_scalar(outAt, residualAt === 0 ? 0 : residualAt + offset, biasAt === 0 ? 0 : biasAt + (<usize>group * GROUP << 2), stride, sumAt, apart, h, outputs);
  if (residualAt === 0) {
    for (let row: usize = 0; row < <usize>h; row++) {
      let at = outAt + row * stride, from = sumAt + row * (GROUP * 4);
      for (const end = at + <usize>count * (GROUP * 4); at < end; at += GROUP * 4, from += apart) {
        v128.store(at, v128.load(from, 0), 0);
        v128.store(at, v128.load(from, 16), 16);
      }
    }
    return;
  }
  for (let row: usize = 0; row < <usize>h; row++) {
    let at = outAt + row * stride, addAt = residualAt + offset + row * stride, from = sumAt + row * (GROUP * 4);
    for (const end = at + <usize>count * (GROUP * 4); at < end; at += GROUP * 4, addAt += GROUP * 4, from += apart) {
      v128.store(at, f32x4.add(v128.load(addAt, 0), v128.load(from, 0)), 0);
      v128.store(at, f32x4.add(v128.load(addAt, 16), v128.load(from, 16)), 16);
    }
  }
}

/** `write_groups` with a bias, or with fewer outputs than the groups have; addresses 0: none. */
function write_scalar(outAt: usize, addAt: usize, biasAt: usize, stride: usize, sumAt: usize, apart: usize, h: i32, outputs: i32): void {
  for (let row: usize = 0; row < <usize>h; row++) {
    for (let output: usize = 0; output < <usize>outputs; output++) {
      let value = load<f32>(sumAt + output / GROUP * apart + (row * GROUP + output % GROUP << 2));
      if (biasAt !== 0) value += load<f32>(biasAt + (output << 2));
      if (addAt !== 0) value = load<f32>(addAt + row * stride + (output << 2)) + value;
      store<f32>(outAt + row * stride + (output << 2), value);
    }
  }
}
