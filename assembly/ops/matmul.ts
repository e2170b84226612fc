/**
 * The MATMUL op: out = W x (+ bias, + residual) for several matrices at once, dense or by expert.
 *
 * A unit is one visit (four groups of 8 outputs) over one block of row tiles of one segment of one matrix; it is computed whole by one
 * thread, so no sum is ever split. The weights of a visit are read once per block of tiles.
 */

import {
  BLOCK, DEQUANTIZE_COLS, GROUP, VISIT_GROUPS, TYPE_F32, MATMUL_MATRICES, MATMUL_WORDS, MATRIX_ALONE, MATRIX_BIAS_AT, MATRIX_COLS, MATRIX_TYPE, MATRIX_GROUP_BYTES,
  MATRIX_OUT_AT, MATRIX_OWN, MATRIX_PANEL_AT, MATRIX_PANEL_BYTES, MATRIX_RESIDUAL_AT, MATRIX_ROW, MATRIX_ROWS, MATRIX_SCALE_AT, MATRIX_SEGMENTS_AT,
  MATRIX_STREAMS, MATRIX_STRIDE, MATRIX_SUM_AT, MATRIX_TABLE_AT, MATRIX_TILE, MATRIX_TILES, MATRIX_TILE_ROWS, MATRIX_TOUCH, MATRIX_WORDS, SEGMENT_FIRST, SEGMENT_ROWS,
  SEGMENT_WEIGHT, TILE_ROWS,
} from "../abi";
import { dequantize, float_tile, has_row, integer_tiles, is_apart, is_woven, meets_integers, meets_supers, multiply_row, ROWS_BYTES, scale_bytes } from "../forms/form";
import { Segments, Tiles } from "../tiles";
import { SUM_BYTES, VISIT_SUMS, Visits } from "../visits";
import { read_lines } from "./lines";
import { word } from "../words";

@inline function matrix_tiles(matrixAt: usize, rows: i32): i32 {
  return Tiles.count(rows, <i32>word(matrixAt, MATRIX_TILE_ROWS), <i32>word(matrixAt, MATRIX_ALONE));
}

/** Blocks of tiles of a segment of `rows` rows. */
@inline function tile_blocks(matrixAt: usize, rows: i32, tiles: i32): i32 {
  return (matrix_tiles(matrixAt, rows) + tiles - 1) / tiles;
}

@inline function matrix_groups(matrixAt: usize): i32 {
  return Visits.groups(<i32>word(matrixAt, MATRIX_ROWS));
}

@inline function matrix_visits(matrixAt: usize): i32 {
  return (matrix_groups(matrixAt) + VISIT_GROUPS - 1) / VISIT_GROUPS;
}

function matrix_units(matrixAt: usize): i32 {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const tiles = <i32>word(matrixAt, MATRIX_TILES);
  let blocks = 0;
  for (let segment = 0; segment < Segments.count(segmentsAt); segment++) {
    blocks += tile_blocks(matrixAt, Segments.word(segmentsAt, segment, SEGMENT_ROWS), tiles);
  }
  return blocks * matrix_visits(matrixAt);
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
    products = max(products, <i64>word(matrixAt, MATRIX_TILES) * TILE_ROWS * GROUP * VISIT_GROUPS * <i64>word(matrixAt, MATRIX_COLS));
  }
  return <i32>max<i64>(1, MOST_PRODUCTS / products);
}

/** Units of one claim at least: of the first matrix, as if every segment had one row. */
export function matmul_least(opAt: usize): i32 {
  const cols = <i64>word(opAt + (MATMUL_WORDS << 2), MATRIX_COLS);
  return <i32>max<i64>(1, LEAST_PRODUCTS / (GROUP * VISIT_GROUPS * cols));
}

/**
 * Visits that are claimed together at least in steps of few rows, where no more are read at once: 24 visits (768 outputs) in eights are 16 and
 * 8 for two threads. Greedy texts of `small`, q4_0 and q4_k, three models in one process, each loaded first, second and third, medians (EPYC
 * Zen 4, two threads, Node 20 and 26 wide, mean of all four): eights 242 tokens/s, fours 249, ones 233; fours 280, twos 269, sixes 267.
 * Threads wait 430 -> 150 us a step in ones, but read memory in shorter pieces. Two texts together: ones 316, fours 327; four 405, 413; sixteen
 * 614, 602.
 */
const FEW_ROWS_GRAIN = 4;

/** Units that go together in a step of few rows: claims are multiples of them. */
export function matmul_grain(opAt: usize): i32 {
  let grain = FEW_ROWS_GRAIN;
  for (let matrix = 0; matrix < <i32>word(opAt, MATMUL_MATRICES); matrix++) {
    grain = max(grain, visits_together(opAt + (<usize>(MATMUL_WORDS + matrix * MATRIX_WORDS) << 2)));
  }
  return grain;
}

/** `owner`: whose panels are read; 0 where threads share them. */
export function matmul(opAt: usize, scratchAt: usize, owner: i32, begin: i32, end: i32): void {
  for (let matrix = 0; matrix < <i32>word(opAt, MATMUL_MATRICES) && begin < end; matrix++) {
    const matrixAt = opAt + (<usize>(MATMUL_WORDS + matrix * MATRIX_WORDS) << 2);
    const units = matrix_units(matrixAt);
    if (begin < units) matmul_matrix(matrixAt, scratchAt, owner, begin, min(end, units));
    begin = max(begin - units, 0);
    end -= units;
  }
}

/** Units [begin, end) of one matrix: visit fastest, then block of tiles, then segment. */
function matmul_matrix(matrixAt: usize, scratchAt: usize, owner: i32, begin: i32, end: i32): void {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const tilesPerBlock = <i32>word(matrixAt, MATRIX_TILES);
  const visits = matrix_visits(matrixAt);
  for (let segment = 0; segment < Segments.count(segmentsAt) && begin < end; segment++) {
    const rows = Segments.word(segmentsAt, segment, SEGMENT_ROWS);
    const blocks = tile_blocks(matrixAt, rows, tilesPerBlock);
    for (let block = 0; block < blocks && begin < end; block++) {
      if (begin < visits) matmul_block(matrixAt, scratchAt, owner, segment, block, begin, min(end, visits));
      begin = max(begin - visits, 0);
      end -= visits;
    }
  }
}

/** Visits [begin, end) of one block of row tiles. */
function matmul_block(matrixAt: usize, scratchAt: usize, owner: i32, segment: i32, block: i32, begin: i32, end: i32): void {
  const segmentsAt = <usize>word(matrixAt, MATRIX_SEGMENTS_AT);
  const rows = Segments.word(segmentsAt, segment, SEGMENT_ROWS);
  const first = Segments.word(segmentsAt, segment, SEGMENT_FIRST);
  const entry = first + owner * <i32>word(matrixAt, MATRIX_OWN); // of the panel
  const weight = Segments.word(segmentsAt, segment, SEGMENT_WEIGHT);
  const weightAt = <usize>load<u32>(<usize>word(matrixAt, MATRIX_TABLE_AT) + (<usize>weight << 2));
  const bytes = <usize>word(matrixAt, MATRIX_GROUP_BYTES), groups = matrix_groups(matrixAt);
  const tiles = matrix_tiles(matrixAt, rows), streams = tiles <= FEW_TILES ? <usize>word(matrixAt, MATRIX_TOUCH) : 0;
  let visit = begin;
  if (tiles === rows) visit = matmul_rows(matrixAt, scratchAt, weightAt, first, entry, rows, block, begin, end);
  for (; visit < end; visit++) {
    const group = visit * VISIT_GROUPS, count = min(VISIT_GROUPS, groups - group), visitAt = weightAt + <usize>group * bytes;
    if (streams !== 0) store<u32>(scratchAt, read_lines(visitAt, <usize>count * bytes, streams));
    if (meets_integers(word(matrixAt, MATRIX_TILE))) integer_groups(matrixAt, scratchAt, visitAt, rows, first, entry, block, group, count);
    else float_groups(matrixAt, scratchAt, visitAt, rows, first, entry, block, group, count);
  }
}

/**
 * Visits of rows that have a tile each, by the kernel of one row, as many visits as the matrix wants together; weights come out of memory for
 * the first row and out of a cache for the others. Returns the first visit that is left.
 *
 * Where groups lie apart each stream of memory goes on from group to group as far as the claim reaches: a prefetcher that begins anew gives
 * away 10 to 30 % in groups of 768 inputs (docs/performance.md, "Groups apart").
 */
function matmul_rows(matrixAt: usize, sumAt: usize, weightAt: usize, first: i32, entry: i32, rows: i32, block: i32, visit: i32, end: i32): i32 {
  const kernel = word(matrixAt, MATRIX_ROW), cols = <i32>word(matrixAt, MATRIX_COLS), bytes = <usize>word(matrixAt, MATRIX_GROUP_BYTES);
  const panelBytes = <usize>word(matrixAt, MATRIX_PANEL_BYTES), panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT), rowBytes = <usize>cols * panelBytes;
  const from = block * <i32>word(matrixAt, MATRIX_TILES), to = min(rows, from + <i32>word(matrixAt, MATRIX_TILES));
  for (let row = from; row < to; row++) if (!has_row(kernel, panelAt + <usize>(entry + row) * rowBytes, cols)) return visit;
  const supers = meets_supers(kernel), scaleBytes = scale_bytes(supers, cols), scaleAt = <usize>word(matrixAt, MATRIX_SCALE_AT), blockSumAt = <usize>word(matrixAt, MATRIX_SUM_AT);
  const apart = is_apart(word(matrixAt, MATRIX_TYPE)), together = visits_together(matrixAt);
  for (const whole = min(end, matrix_groups(matrixAt) / VISIT_GROUPS); visit < whole; ) {
    const count = min(together, whole - visit), hop = apart ? (whole - visit) / count : 1;
    for (let group = visit * VISIT_GROUPS, last = group + hop; group < last; group++) {
      for (let row = from; row < to; row++) {
        const scales = <usize>(entry + row) * scaleBytes, restAt = supers ? sumAt + <usize>MOST_STREAMS * VISIT_SUMS : blockSumAt + scales;
        multiply_row(kernel, sumAt, weightAt + <usize>group * bytes, count, bytes * <usize>hop, panelAt + <usize>(entry + row) * rowBytes, panelBytes, scaleAt + scales, restAt, cols, apart);
        write_groups(matrixAt, sumAt, GROUP * 4, first + row, 1, group, count * VISIT_GROUPS, hop);
      }
    }
    visit += count * hop;
  }
  return visit;
}

/** Visits that a row takes together: a stream of memory each, or where groups lie apart one of each group. */
function visits_together(matrixAt: usize): i32 {
  const streams = min(MOST_STREAMS, <i32>word(matrixAt, MATRIX_STREAMS));
  return max(1, is_apart(word(matrixAt, MATRIX_TYPE)) ? streams / VISIT_GROUPS : streams);
}

const MOST_STREAMS = 8;

/**
 * Segments of so few tiles wait for their weights, which are read into the cache before: a tile follows one group alone. Xeon, q8_0, two
 * threads, 2 / 4 / 16 sequences decoded together, groups whole: 115 / 173 / 300 tokens/s without, 170 / 228 / 340 with eight streams
 * (wide 153 / 217 / 415, 197 / 276 / 470). With more tiles f32 weights of 2048 inputs lose 15 %.
 */
const FEW_TILES = 4;

/** Activations of integer forms: `count` groups share a tile's rows and leave whole lines of the output behind. */
function integer_groups(matrixAt: usize, scratchAt: usize, visitAt: usize, rows: i32, first: i32, entry: i32, block: i32, group: i32, count: i32): void {
  const kernel = word(matrixAt, MATRIX_TILE), woven = !is_apart(word(matrixAt, MATRIX_TYPE)), step = Visits.step(count, woven), supers = meets_supers(kernel);
  const apart = Visits.lane(0, 1, <usize>word(matrixAt, MATRIX_GROUP_BYTES), woven);
  const cols = <usize>word(matrixAt, MATRIX_COLS), scaleBytes = scale_bytes(supers, <i32>cols), rowBytes = cols * <usize>word(matrixAt, MATRIX_PANEL_BYTES), blocks = <i32>cols / BLOCK;
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT), scaleAt = <usize>word(matrixAt, MATRIX_SCALE_AT), blockSumAt = <usize>word(matrixAt, MATRIX_SUM_AT);
  const tiles = matrix_tiles(matrixAt, rows);
  const low = rows / tiles, higher = rows - low * tiles;
  const tileBegin = block * <i32>word(matrixAt, MATRIX_TILES), tileEnd = min(tileBegin + <i32>word(matrixAt, MATRIX_TILES), tiles);
  for (let tile = tileBegin; tile < tileEnd; tile++) {
    const from = Tiles.first(low, higher, tile), h = Tiles.height(low, higher, tile);
    const rowAt = panelAt + <usize>(entry + from) * rowBytes, scales = <usize>(entry + from) * scaleBytes;
    const restAt = supers ? scratchAt + VISIT_BYTES : blockSumAt + scales;
    integer_tiles(kernel, h, scratchAt, visitAt, apart, step, rowAt, scaleAt + scales, restAt, blocks, count);
    write_groups(matrixAt, scratchAt, SUM_BYTES, first + from, h, group, count, 1);
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
function float_groups(matrixAt: usize, scratchAt: usize, visitAt: usize, rows: i32, first: i32, entry: i32, block: i32, group: i32, count: i32): void {
  const kernel = word(matrixAt, MATRIX_TILE), type = word(matrixAt, MATRIX_TYPE), cols = <i32>word(matrixAt, MATRIX_COLS);
  const panelAt = <usize>word(matrixAt, MATRIX_PANEL_AT) + <usize>entry * (<usize>cols << 2);
  const tiles = matrix_tiles(matrixAt, rows);
  const low = rows / tiles, higher = rows - low * tiles;
  const tileBegin = block * <i32>word(matrixAt, MATRIX_TILES), tileEnd = min(tileBegin + <i32>word(matrixAt, MATRIX_TILES), tiles);
  const bytes = <usize>word(matrixAt, MATRIX_GROUP_BYTES), woven = is_woven(type), stored = type === TYPE_F32;
  const pieceBytes = stored ? bytes : PIECE_BYTES;
  const rowsAt = scratchAt + <usize>VISIT_GROUPS * PIECE_BYTES, sumsAt = rowsAt + ROWS_BYTES;
  memory.fill(sumsAt, 0, <usize>(tileEnd - tileBegin) * VISIT_BYTES);
  const step = stored && tileEnd - tileBegin === 1 ? cols : DEQUANTIZE_COLS;
  for (let col = 0; col < cols; col += step) {
    const colEnd = min(col + step, cols);
    if (!stored) for (let one = 0; one < count; one++) dequantize(type, scratchAt + <usize>one * PIECE_BYTES, Visits.lane(visitAt, one, bytes, woven), Visits.step(count, woven), cols, col, colEnd, rowsAt);
    let sumAt = sumsAt;
    for (let tile = tileBegin; tile < tileEnd; tile++, sumAt += VISIT_BYTES) {
      const from = Tiles.first(low, higher, tile), h = Tiles.height(low, higher, tile);
      const xAt = panelAt + ((<usize>from * <usize>cols + <usize>col * <usize>h) << 2);
      float_tile(kernel, h, sumAt, stored ? visitAt + (<usize>col << 5) : scratchAt, pieceBytes, xAt, colEnd - col, count);
      if (colEnd === cols) write_groups(matrixAt, sumAt, SUM_BYTES, first + from, h, group, count, 1);
    }
  }
}

/** Bytes of a dequantised piece of one group. */
const PIECE_BYTES: usize = DEQUANTIZE_COLS * GROUP * 4;
const VISIT_BYTES: usize = <usize>VISIT_GROUPS * SUM_BYTES;

/** Bytes that a visit of `tiles` tiles wants in a thread's scratch. */
export function matmul_bytes(tiles: i32): usize {
  return <usize>VISIT_GROUPS * PIECE_BYTES + ROWS_BYTES + <usize>tiles * VISIT_BYTES;
}

/**
 * Sums of `count` groups from `group` on, every `hop`th, [h][8] each, `apart` bytes from one group to the next (+ bias) (+ residual) -> out
 * rows [entry, entry + h); the last group may be short.
 */
function write_groups(matrixAt: usize, sumAt: usize, apart: usize, entry: i32, h: i32, group: i32, count: i32, hop: i32): void {
  const last = <i32>word(matrixAt, MATRIX_ROWS) - (group + (count - 1) * hop) * GROUP;
  const stride = <usize>word(matrixAt, MATRIX_STRIDE) << 2, hopBytes = <usize>hop * (GROUP * 4);
  const offset = <usize>entry * stride + (<usize>group * GROUP << 2);
  const residualAt = <usize>word(matrixAt, MATRIX_RESIDUAL_AT), biasAt = <usize>word(matrixAt, MATRIX_BIAS_AT);
  const outAt = <usize>word(matrixAt, MATRIX_OUT_AT) + offset;
  if (last < GROUP) return write_scalar(outAt, residualAt === 0 ? 0 : residualAt + offset, biasAt === 0 ? 0 : biasAt + (<usize>group * GROUP << 2), stride, sumAt, apart, h, GROUP * (count - 1) + last, hopBytes);
  if (biasAt !== 0) return write_biased(outAt, residualAt === 0 ? 0 : residualAt + offset, biasAt + (<usize>group * GROUP << 2), stride, sumAt, apart, h, count, hopBytes);
  if (residualAt === 0) {
    for (let row: usize = 0; row < <usize>h; row++) {
      let at = outAt + row * stride, from = sumAt + row * (GROUP * 4);
      for (const end = at + <usize>count * hopBytes; at < end; at += hopBytes, from += apart) {
        v128.store(at, v128.load(from, 0), 0);
        v128.store(at, v128.load(from, 16), 16);
      }
    }
    return;
  }
  for (let row: usize = 0; row < <usize>h; row++) {
    let at = outAt + row * stride, addAt = residualAt + offset + row * stride, from = sumAt + row * (GROUP * 4);
    for (const end = at + <usize>count * hopBytes; at < end; at += hopBytes, addAt += hopBytes, from += apart) {
      v128.store(at, f32x4.add(v128.load(addAt, 0), v128.load(from, 0)), 0);
      v128.store(at, f32x4.add(v128.load(addAt, 16), v128.load(from, 16)), 16);
    }
  }
}

/** `write_groups` of whole groups with a bias; `addAt` 0: no residual. */
function write_biased(outAt: usize, addAt: usize, biasAt: usize, stride: usize, sumAt: usize, apart: usize, h: i32, count: i32, hopBytes: usize): void {
  for (let row: usize = 0; row < <usize>h; row++) {
    const rowAt = outAt + row * stride;
    for (let one: usize = 0; one < <usize>count; one++) {
      const from = sumAt + row * (GROUP * 4) + one * apart, bias = biasAt + one * hopBytes, at = rowAt + one * hopBytes;
      let a = f32x4.add(v128.load(from, 0), v128.load(bias, 0)), b = f32x4.add(v128.load(from, 16), v128.load(bias, 16));
      if (addAt !== 0) {
        const add = addAt + (at - outAt);
        a = f32x4.add(v128.load(add, 0), a);
        b = f32x4.add(v128.load(add, 16), b);
      }
      v128.store(at, a, 0);
      v128.store(at, b, 16);
    }
  }
}

/** `write_groups` with fewer outputs than the groups have; addresses 0: none. */
function write_scalar(outAt: usize, addAt: usize, biasAt: usize, stride: usize, sumAt: usize, apart: usize, h: i32, outputs: i32, hopBytes: usize): void {
  for (let row: usize = 0; row < <usize>h; row++) {
    for (let output: usize = 0; output < <usize>outputs; output++) {
      const one = output / GROUP, inside = output % GROUP << 2, to = one * hopBytes + inside;
      let value = load<f32>(sumAt + one * apart + (row * GROUP << 2) + inside);
      if (biasAt !== 0) value += load<f32>(biasAt + to);
      if (addAt !== 0) value = load<f32>(addAt + row * stride + to) + value;
      store<f32>(outAt + row * stride + to, value);
    }
  }
}
