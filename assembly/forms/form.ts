/**
 * The registry of packed forms: the only file that knows which function serves a type or a kernel id. A group is 8 outputs.
 *
 * Types without a form of their own (q2_k, q3_k, mxfp4, tq1_0, tq2_0) stay as they are stored, row after row.
 */

import {
  BF16_GROUP, BF16_VALUES, BLOCK, DEQUANTIZE_COLS, F16_GROUP, F16_VALUES, F32_GROUP, F32_VALUES, GROUP, IQ4_NL_GROUP, IQ4_NL_VALUES, KERNEL_INTEGER_ROW,
  KERNEL_GEMV4_BF16_F32, KERNEL_GEMV4_BF16_F32_FUSED, KERNEL_GEMV4_F16_F32, KERNEL_GEMV4_F16_F32_FUSED, KERNEL_GEMV4_F32_F32,
  KERNEL_GEMV4_F32_F32_FUSED, KERNEL_GEMV4_IQ4_NL_Q16, KERNEL_GEMV4_Q4_0_Q8, KERNEL_GEMV4_Q4_1_Q8, KERNEL_GEMV4_Q4_K_Q8, KERNEL_GEMV4_Q5_0_Q8,
  KERNEL_GEMV4_Q5_1_Q8, KERNEL_GEMV4_Q5_K_Q8, KERNEL_GEMV4_Q6_K_Q8, 
  KERNEL_TILE_Q4_1_Q8_ADD, KERNEL_TILE_Q5_0_Q8_ADD, KERNEL_TILE_Q5_1_Q8_ADD, KERNEL_TILE_Q4_K_Q8_ADD, KERNEL_TILE_Q5_K_Q8_ADD, KERNEL_TILE_Q6_K_Q8_ADD,
  KERNEL_GEMV4_Q4_0_Q8_ADD, KERNEL_GEMV4_Q8_0_Q16_BYTES, KERNEL_GEMV4_Q8_0_Q16_BYTES_SIGNED,
  KERNEL_INTEGER_TILE2, KERNEL_TILE2_Q8_0_Q16_BYTES, KERNEL_TILE2_Q8_0_Q8, KERNEL_TILE_Q8_0_Q16_BYTES, KERNEL_TILE_Q8_0_Q16_BYTES_SIGNED,
  KERNEL_GEMV4_IQ4_NL_Q8, KERNEL_GEMV4_IQ4_NL_Q8_SIGNED, KERNEL_GEMV4_Q8_0_Q16, KERNEL_GEMV4_Q8_0_Q8, KERNEL_GEMV4_Q8_0_Q8_SIGNED, KERNEL_INTEGER, KERNEL_TILE2_F32, KERNEL_TILE2_F32_FUSED, KERNEL_TILE_F32,
  KERNEL_TILE_F32_FUSED, KERNEL_TILE_IQ4_NL_Q16, KERNEL_TILE_Q4_0_Q8, KERNEL_TILE_Q4_0_Q8_ADD, KERNEL_TILE_Q4_1_Q8, KERNEL_TILE_Q4_K_Q8,
  KERNEL_TILE_Q5_0_Q8, KERNEL_TILE_Q5_1_Q8, KERNEL_TILE_Q5_K_Q8, KERNEL_TILE_Q6_K_Q8, KERNEL_TILE_Q8_0_Q16, KERNEL_TILE_Q8_0_Q16_TWO, KERNEL_TILE_IQ4_NL_Q8, KERNEL_TILE_IQ4_NL_Q8_SIGNED, KERNEL_TILE_Q8_0_Q8, KERNEL_TILE_Q8_0_Q8_SIGNED, Q4_0_GROUP, Q4_0_VALUES, Q4_1_GROUP, Q4_1_VALUES, Q4_K_GROUP,
  Q4_K_VALUES, Q5_0_GROUP, Q5_0_VALUES, Q5_1_GROUP, Q5_1_VALUES, Q5_K_GROUP, Q5_K_VALUES, Q6_K_GROUP, Q6_K_VALUES, Q8_0_GROUP, Q8_0_VALUES, SUPER_COLS, SUPER_WORDS, TYPE_APART, TYPE_BF16, TYPE_F16,
  TYPE_F32, TYPE_IQ4_NL, TYPE_IQ4_NL_QUADS, TYPE_IQ4_XS, TYPE_MXFP4, TYPE_Q2_K, TYPE_Q3_K, TYPE_Q4_0, TYPE_Q4_1, TYPE_Q4_K, TYPE_Q5_0, TYPE_Q5_1, TYPE_Q5_K, TYPE_Q6_K,
  TYPE_Q8_0, TYPE_Q8_0_QUADS, TYPE_TQ1_0, TYPE_TQ2_0, VISIT_GROUPS,
} from "../abi";
import { Lanes } from "../lanes";
import { decode_row, row_bytes } from "../stored/row";
import { SUM_BYTES, VISIT_SUMS, Visits } from "../visits";
import {
  dequantize_bf16, dequantize_f16, gemv4_bf16_f32, gemv4_bf16_f32_fused, gemv4_f16_f32, gemv4_f16_f32_fused, gemv4_f32_f32, gemv4_f32_f32_fused,
  row_fits_f16, tile2_f32, tile2_f32_fused, tile_f32, tile_f32_fused,
} from "./float";
import { tile2_q8_0_q16_bytes, tile2_q8_0_q8 } from "./bytes_twos";
import { dequantize_iq4_nl, gemv4_iq4_nl_q16, pack_iq4_nl, pack_iq4_nl_quads, pack_iq4_xs, pack_iq4_xs_quads, tile_iq4_nl_q16 } from "./iq4_nl";
import { dequantize_q4_0, gemv4_q4_0_q8, gemv4_q4_0_q8_add, gemv8_q4_0_q8, gemv8_q4_0_q8_add, pack_q4_0, tile_q4_0_q8, tile_q4_0_q8_add } from "./q4_0";
import { dequantize_q4_1, gemv4_q4_1_q8, pack_q4_1, tile_q4_1_q8, tile_q4_1_q8_add } from "./q4_1";
import { dequantize_q4_k, gemv4_q4_k_q8, gemv8_q4_k_q8, pack_q4_k, tile_q4_k_q8, tile_q4_k_q8_add } from "./q4_k";
import { dequantize_q5_0, gemv4_q5_0_q8, pack_q5_0, tile_q5_0_q8, tile_q5_0_q8_add } from "./q5_0";
import { dequantize_q5_1, gemv4_q5_1_q8, pack_q5_1, tile_q5_1_q8, tile_q5_1_q8_add } from "./q5_1";
import { dequantize_q5_k, gemv4_q5_k_q8, gemv8_q5_k_q8, pack_q5_k, tile_q5_k_q8, tile_q5_k_q8_add } from "./q5_k";
import { dequantize_q6_k, gemv4_q6_k_q8, gemv8_q6_k_q8, pack_q6_k, tile_q6_k_q8, tile_q6_k_q8_add } from "./q6_k";
import { dequantize_iq4_nl_quads, gemv4_iq4_nl_q8, gemv4_iq4_nl_q8_signed, tile_iq4_nl_q8, tile_iq4_nl_q8_signed } from "./iq4_nl_quads";
import {
  dequantize_q8_0_quads, gemv4_q8_0_q16_bytes, gemv4_q8_0_q16_bytes_signed, gemv4_q8_0_q8, gemv4_q8_0_q8_signed, gemv8_q8_0_q16_bytes,
  gemv8_q8_0_q16_bytes_signed, gemv8_q8_0_q8, gemv8_q8_0_q8_signed, pack_q8_0_quads, tile_q8_0_q16_bytes,
  tile_q8_0_q16_bytes_signed, tile_q8_0_q8, tile_q8_0_q8_signed,
} from "./q8_0_quads";
import { dequantize_q8_0, gemv4_q8_0_q16, gemv8_q8_0_q16, pack_q8_0, tile_q8_0_q16, tile_q8_0_q16_two } from "./q8_0";

/** Bytes of one packed group, or of inputs of it that are whole blocks. */
export function group_bytes(type: u32, cols: i32): usize {
  switch (type & ~TYPE_APART) {
    case TYPE_F32: return <usize>(cols / F32_VALUES) * F32_GROUP;
    case TYPE_F16: return <usize>(cols / F16_VALUES) * F16_GROUP;
    case TYPE_BF16: return <usize>(cols / BF16_VALUES) * BF16_GROUP;
    case TYPE_Q8_0: case TYPE_Q8_0_QUADS: return <usize>(cols / Q8_0_VALUES) * Q8_0_GROUP;
    case TYPE_Q4_0: return <usize>(cols / Q4_0_VALUES) * Q4_0_GROUP;
    case TYPE_Q4_1: return <usize>(cols / Q4_1_VALUES) * Q4_1_GROUP;
    case TYPE_Q5_0: return <usize>(cols / Q5_0_VALUES) * Q5_0_GROUP;
    case TYPE_Q5_1: return <usize>(cols / Q5_1_VALUES) * Q5_1_GROUP;
    case TYPE_Q4_K: return <usize>(cols / Q4_K_VALUES) * Q4_K_GROUP;
    case TYPE_Q5_K: return <usize>(cols / Q5_K_VALUES) * Q5_K_GROUP;
    case TYPE_Q6_K: return <usize>(cols / Q6_K_VALUES) * Q6_K_GROUP;
    case TYPE_IQ4_NL: case TYPE_IQ4_NL_QUADS: return <usize>(cols / IQ4_NL_VALUES) * IQ4_NL_GROUP;
    default: return row_bytes(type, cols) * GROUP;
  }
}

/** Whether groups are woven (visits.ts): the forms that meet integers, unless packed apart. */
export function is_woven(type: u32): bool {
  return !is_apart(type) && type !== TYPE_F32 && type !== TYPE_F16 && type !== TYPE_BF16 && !kept_as_stored(type);
}

/** Whether groups lie apart though they meet integers. */
export function is_apart(type: u32): bool {
  return (type & TYPE_APART) !== 0;
}

/** Where inputs from `col` on, whole blocks, of group `group` of `groups` lie. */
export function packed_at(type: u32, weightAt: usize, group: i32, groups: i32, cols: i32, col: i32): usize {
  const woven = is_woven(type), before = group_bytes(type, col);
  return Visits.at(weightAt, group, group_bytes(type, cols), woven) + (woven ? before * <usize>Visits.beside(group, groups) : before);
}

/** What is packed so, as it is stored. */
export function stored_type(type: u32): u32 {
  const form = type & ~TYPE_APART;
  return form === TYPE_Q8_0_QUADS ? TYPE_Q8_0 : form === TYPE_IQ4_NL_QUADS ? TYPE_IQ4_NL : form;
}

/** Whether a group is eight stored rows. */
export function kept_as_stored(type: u32): bool {
  return type === TYPE_Q2_K || type === TYPE_Q3_K || type === TYPE_MXFP4 || type === TYPE_TQ1_0 || type === TYPE_TQ2_0;
}

/** `lanes` stored rows, `rowBytes` apart, of `cols` inputs -> their place in a packed group, `step` apart; further lanes become zeros. */
export function pack_rows(type: u32, sourceType: u32, packedAt: usize, step: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  switch (type & ~TYPE_APART) {
    case TYPE_Q8_0: pack_q8_0(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q8_0_QUADS: pack_q8_0_quads(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q4_0: pack_q4_0(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q4_1: pack_q4_1(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q5_0: pack_q5_0(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q5_1: pack_q5_1(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q4_K: pack_q4_k(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q5_K: pack_q5_k(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q6_K: pack_q6_k(packedAt, step, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_IQ4_NL:
      if (sourceType === TYPE_IQ4_XS) pack_iq4_xs(packedAt, step, sourceAt, rowBytes, lanes, cols);
      else pack_iq4_nl(packedAt, step, sourceAt, rowBytes, lanes, cols);
      break;
    case TYPE_IQ4_NL_QUADS:
      if (sourceType === TYPE_IQ4_XS) pack_iq4_xs_quads(packedAt, step, sourceAt, rowBytes, lanes, cols);
      else pack_iq4_nl_quads(packedAt, step, sourceAt, rowBytes, lanes, cols);
      break;
    default:
      for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
        if (<i32>lane < lanes) memory.copy(packedAt + lane * rowBytes, sourceAt + lane * rowBytes, rowBytes);
        else memory.fill(packedAt + lane * rowBytes, 0, rowBytes);
      }
  }
}

/** Bytes that `dequantize` wants beside its output. */
export const ROWS_BYTES: usize = <usize>GROUP * DEQUANTIZE_COLS * 4;

/** Inputs [col, colEnd) of a group, at most DEQUANTIZE_COLS and whole blocks, as f32 [colEnd - col][8]. Not for f32 itself. */
export function dequantize(type: u32, intoAt: usize, groupAt: usize, step: usize, cols: i32, col: i32, colEnd: i32, rowsAt: usize): void {
  switch (type & ~TYPE_APART) {
    case TYPE_BF16: dequantize_bf16(intoAt, groupAt, col, colEnd); break;
    case TYPE_F16: dequantize_f16(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q8_0: dequantize_q8_0(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q8_0_QUADS: dequantize_q8_0_quads(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q4_0: dequantize_q4_0(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q4_1: dequantize_q4_1(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q5_0: dequantize_q5_0(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q5_1: dequantize_q5_1(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q4_K: dequantize_q4_k(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q5_K: dequantize_q5_k(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_Q6_K: dequantize_q6_k(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_IQ4_NL: dequantize_iq4_nl(intoAt, groupAt, step, col, colEnd); break;
    case TYPE_IQ4_NL_QUADS: dequantize_iq4_nl_quads(intoAt, groupAt, step, col, colEnd); break;
    default: dequantize_stored(type, intoAt, groupAt, cols, col, colEnd, rowsAt);
  }
}

/** Eight stored rows -> [inputs][8]. */
function dequantize_stored(type: u32, intoAt: usize, groupAt: usize, cols: i32, col: i32, colEnd: i32, rowsAt: usize): void {
  const count = colEnd - col, rowBytes = row_bytes(type, cols), stride = <usize>count << 2;
  for (let lane: usize = 0; lane < <usize>GROUP; lane++) {
    decode_row(type, rowsAt + lane * stride, groupAt + lane * rowBytes + row_bytes(type, col), count);
  }
  for (let half: usize = 0; half < 2; half++) {
    let at0 = rowsAt + half * 4 * stride, to = intoAt + (half << 4);
    const at1 = stride, at2: usize = 2 * stride, at3: usize = 3 * stride;
    for (const end = at0 + stride; at0 < end; at0 += 16, to += 128) {
      const a = v128.load(at0), b = v128.load(at0 + at1), c = v128.load(at0 + at2), d = v128.load(at0 + at3);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2), 0);
      v128.store(to, v128.shuffle<i64>(ab, cd, 1, 3), 32);
      v128.store(to, v128.shuffle<i64>(ef, gh, 0, 2), 64);
      v128.store(to, v128.shuffle<i64>(ef, gh, 1, 3), 96);
    }
  }
}

/** Row `row` of a packed matrix of `rows`, not of f32, f16 or bf16 -> out [cols] f32; scratch: twice ROWS_BYTES. */
export function embed_packed(type: u32, outAt: usize, weightAt: usize, row: i32, rows: i32, cols: i32, scratchAt: usize): void {
  const group = row / GROUP, groups = Visits.groups(rows), lane = <usize>(row % GROUP) << 2;
  const groupAt = packed_at(type, weightAt, group, groups, cols, 0), step = Visits.step(Visits.beside(group, groups), is_woven(type));
  for (let col = 0; col < cols; col += DEQUANTIZE_COLS) {
    const colEnd = min(col + DEQUANTIZE_COLS, cols);
    dequantize(type, scratchAt, groupAt, step, cols, col, colEnd, scratchAt + ROWS_BYTES);
    for (let from = scratchAt + lane, to = outAt + (<usize>col << 2); to < outAt + (<usize>colEnd << 2); from += 32, to += 4) store<f32>(to, load<f32>(from));
  }
}

/** Whether a tile meets integers; else f32 weights and f32 activations. */
export function meets_integers(tile: u32): bool {
  return tile >= <u32>KERNEL_INTEGER;
}

/**
 * `count` groups, `apart` bytes from each to the next, and h <= 6 rows of integers: s [count][6][8] f32 = W x. `restAt`: sums of blocks, which
 * kernels of pairs do not read, or beside super-blocks room for [h][8] integers.
 */
export function integer_tiles(tile: u32, h: i32, sumAt: usize, groupAt: usize, apart: usize, step: usize, panelAt: usize, scaleAt: usize, restAt: usize, blocks: i32, count: i32): void {
  if (Lanes.pairs() && tile >= <u32>KERNEL_INTEGER_TILE2 && h > 4) {
    for (; count > 1; count -= 2, sumAt += 2 * SUM_BYTES, groupAt += 2 * apart) integer_tile2(tile, h, sumAt, groupAt, apart, step, panelAt, scaleAt, restAt, blocks);
  }
  for (; count > 0; count--, sumAt += SUM_BYTES, groupAt += apart) integer_tile(tile, h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks);
}

/** Two groups, 5 or 6 rows. */
function integer_tile2(tile: u32, h: i32, sumAt: usize, groupAt: usize, apart: usize, step: usize, panelAt: usize, scaleAt: usize, restAt: usize, blocks: i32): void {
  switch (tile) {
    case KERNEL_TILE2_Q8_0_Q8: tile2_q8_0_q8(h, sumAt, groupAt, apart, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE2_Q8_0_Q16_BYTES: tile2_q8_0_q16_bytes(h, sumAt, groupAt, apart, step, panelAt, scaleAt, restAt, blocks); break;
    default: unreachable();
  }
}

/** One group. */
function integer_tile(tile: u32, h: i32, sumAt: usize, groupAt: usize, step: usize, panelAt: usize, scaleAt: usize, restAt: usize, blocks: i32): void {
  switch (tile) {
    case KERNEL_TILE_Q8_0_Q16: tile_q8_0_q16(h, sumAt, groupAt, step, panelAt, scaleAt, blocks); break;
    case KERNEL_TILE_Q8_0_Q16_TWO: tile_q8_0_q16_two(h, sumAt, groupAt, step, panelAt, scaleAt, blocks); break;
    case KERNEL_TILE_IQ4_NL_Q16: tile_iq4_nl_q16(h, sumAt, groupAt, step, panelAt, scaleAt, blocks); break;
    case KERNEL_TILE2_Q8_0_Q8: case KERNEL_TILE_Q8_0_Q8: tile_q8_0_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q8_0_Q8_SIGNED: tile_q8_0_q8_signed(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_IQ4_NL_Q8: tile_iq4_nl_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_IQ4_NL_Q8_SIGNED: tile_iq4_nl_q8_signed(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE2_Q8_0_Q16_BYTES: case KERNEL_TILE_Q8_0_Q16_BYTES: tile_q8_0_q16_bytes(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q8_0_Q16_BYTES_SIGNED: tile_q8_0_q16_bytes_signed(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q4_0_Q8: tile_q4_0_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q4_0_Q8_ADD: tile_q4_0_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q4_1_Q8: tile_q4_1_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q4_1_Q8_ADD: tile_q4_1_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q5_0_Q8: tile_q5_0_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q5_0_Q8_ADD: tile_q5_0_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q5_1_Q8: tile_q5_1_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q5_1_Q8_ADD: tile_q5_1_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q4_K_Q8: tile_q4_k_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q4_K_Q8_ADD: tile_q4_k_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q5_K_Q8: tile_q5_k_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q5_K_Q8_ADD: tile_q5_k_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q6_K_Q8: tile_q6_k_q8(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_TILE_Q6_K_Q8_ADD: tile_q6_k_q8_add(h, sumAt, groupAt, step, panelAt, scaleAt, restAt, blocks); break;
    default: unreachable();
  }
}

/** `count` groups of f32, `apart` bytes from each to the next, and h <= 6 rows of f32: s [count][6][8] f32 += W x. */
export function float_tile(tile: u32, h: i32, sumAt: usize, groupAt: usize, apart: usize, xAt: usize, cols: i32, count: i32): void {
  if (tile >= <u32>KERNEL_TILE2_F32) {
    for (; count > 1; count -= 2, sumAt += 2 * SUM_BYTES, groupAt += 2 * apart) {
      if (tile === KERNEL_TILE2_F32) tile2_f32(h, sumAt, groupAt, groupAt + apart, xAt, cols);
      else tile2_f32_fused(h, sumAt, groupAt, groupAt + apart, xAt, cols);
    }
  }
  const fused = tile === KERNEL_TILE_F32_FUSED || tile === KERNEL_TILE2_F32_FUSED;
  for (; count > 0; count--, sumAt += SUM_BYTES, groupAt += apart) {
    if (fused) tile_f32_fused(h, sumAt, groupAt, xAt, cols);
    else tile_f32(h, sumAt, groupAt, xAt, cols);
  }
}

/** Whether a row has a kernel of its own, and that kernel takes it. The tile gives the same bits. */
export function has_row(row: u32, panelAt: usize, cols: i32): bool {
  if (row === KERNEL_GEMV4_F16_F32 || row === KERNEL_GEMV4_F16_F32_FUSED) return row_fits_f16(panelAt, cols);
  return row !== 0;
}

/** Whether a tile or a row reads activations in super-blocks (FORM_Q8_SUPERS). */
export function meets_supers(kernel: u32): bool {
  return (kernel >= <u32>KERNEL_TILE_Q4_K_Q8 && kernel <= <u32>KERNEL_TILE_Q6_K_Q8)
    || (kernel >= <u32>KERNEL_TILE_Q4_K_Q8_ADD && kernel <= <u32>KERNEL_TILE_Q6_K_Q8_ADD)
    || (kernel >= <u32>KERNEL_GEMV4_Q4_K_Q8 && kernel <= <u32>KERNEL_GEMV4_Q6_K_Q8);
}

/** Bytes of the scales of one row of activations, and of its sums where they lie apart. */
export function scale_bytes(supers: bool, cols: i32): usize {
  return supers ? <usize>cols / SUPER_COLS * SUPER_BYTES : <usize>(cols / BLOCK) << 2;
}

/**
 * One row, `panelBytes` an input, and `visits` visits that follow each other: s [visits][32] f32 = W x. Integers: that many streams of memory,
 * eight blocks of each in turn; four times as many where groups lie apart, a block of each in turn: `laneBytes` from a group to the next one of
 * the visit. `restAt`: sums of blocks, or beside super-blocks room for as many integers as sums.
 */
export function multiply_row(row: u32, sumAt: usize, visitAt: usize, visits: i32, laneBytes: usize, panelAt: usize, panelBytes: usize, scaleAt: usize, restAt: usize, cols: i32, apart: bool): void {
  const visitBytes = laneBytes * VISIT_GROUPS, sumsEnd = sumAt + <usize>visits * VISIT_SUMS;
  if (row < <u32>KERNEL_INTEGER_ROW) {
    for (; sumAt < sumsEnd; sumAt += VISIT_SUMS, visitAt += visitBytes) float_row(row, sumAt, visitAt, panelAt, cols);
    return;
  }
  for (let at = sumAt; at < sumsEnd; at += 32) { v128.store(at, f32x4.splat(0), 0); v128.store(at, f32x4.splat(0), 16); }
  const blocks = cols / BLOCK, supers = meets_supers(row);
  if (apart) return apart_row(row, sumAt, visitAt, laneBytes, visits, panelAt, scaleAt, restAt, blocks);
  const turnBytes = visitBytes / <usize>blocks * TURN;
  const scales = scale_bytes(supers, TURN_COLS), rest: usize = supers ? 0 : scales;
  for (let left = blocks; left > 0; left -= TURN) {
    for (let at = sumAt, from = visitAt; at < sumsEnd; at += VISIT_SUMS, from += visitBytes) {
      integer_row(row, at, from, panelAt, scaleAt, restAt, min(left, TURN));
    }
    visitAt += turnBytes;
    panelAt += <usize>TURN_COLS * panelBytes;
    scaleAt += scales;
    restAt += rest;
  }
}

/** As integer_row, of visits whose groups lie apart. */
function apart_row(row: u32, sumAt: usize, at: usize, laneBytes: usize, visits: i32, panelAt: usize, scaleAt: usize, restAt: usize, blocks: i32): void {
  switch (row) {
    case KERNEL_GEMV4_Q8_0_Q16: gemv8_q8_0_q16(sumAt, at, laneBytes, visits, panelAt, scaleAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q8: gemv8_q8_0_q8(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q8_SIGNED: gemv8_q8_0_q8_signed(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q16_BYTES: gemv8_q8_0_q16_bytes(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q16_BYTES_SIGNED: gemv8_q8_0_q16_bytes_signed(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_0_Q8: gemv8_q4_0_q8(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_0_Q8_ADD: gemv8_q4_0_q8_add(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_K_Q8: gemv8_q4_k_q8(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q5_K_Q8: gemv8_q5_k_q8(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q6_K_Q8: gemv8_q6_k_q8(sumAt, at, laneBytes, visits, panelAt, scaleAt, restAt, blocks); break;
    default: unreachable();
  }
}

/** Blocks of a visit before the next one has its turn: a super-block. Out of memory turns of 1, 2, 4 and 8 read alike. */
const TURN = 8, TURN_COLS = TURN * BLOCK;
/** Of a row beside a super-block. */
const SUPER_BYTES: usize = SUPER_WORDS * 4;

function float_row(row: u32, sumAt: usize, visitAt: usize, panelAt: usize, cols: i32): void {
  switch (row) {
    case KERNEL_GEMV4_F32_F32: gemv4_f32_f32(sumAt, visitAt, panelAt, cols); break;
    case KERNEL_GEMV4_F32_F32_FUSED: gemv4_f32_f32_fused(sumAt, visitAt, panelAt, cols); break;
    case KERNEL_GEMV4_F16_F32: gemv4_f16_f32(sumAt, visitAt, panelAt, cols); break;
    case KERNEL_GEMV4_F16_F32_FUSED: gemv4_f16_f32_fused(sumAt, visitAt, panelAt, cols); break;
    case KERNEL_GEMV4_BF16_F32: gemv4_bf16_f32(sumAt, visitAt, panelAt, cols); break;
    case KERNEL_GEMV4_BF16_F32_FUSED: gemv4_bf16_f32_fused(sumAt, visitAt, panelAt, cols); break;
    default: unreachable();
  }
}

/** At most eight blocks of a visit: sums go on. */
function integer_row(row: u32, sumAt: usize, at: usize, panelAt: usize, scaleAt: usize, restAt: usize, blocks: i32): void {
  switch (row) {
    case KERNEL_GEMV4_Q8_0_Q16: gemv4_q8_0_q16(sumAt, at, panelAt, scaleAt, blocks); break;
    case KERNEL_GEMV4_IQ4_NL_Q16: gemv4_iq4_nl_q16(sumAt, at, panelAt, scaleAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q8: gemv4_q8_0_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q8_SIGNED: gemv4_q8_0_q8_signed(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_IQ4_NL_Q8: gemv4_iq4_nl_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_IQ4_NL_Q8_SIGNED: gemv4_iq4_nl_q8_signed(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q16_BYTES: gemv4_q8_0_q16_bytes(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q8_0_Q16_BYTES_SIGNED: gemv4_q8_0_q16_bytes_signed(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_0_Q8: gemv4_q4_0_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_0_Q8_ADD: gemv4_q4_0_q8_add(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_1_Q8: gemv4_q4_1_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q5_0_Q8: gemv4_q5_0_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q5_1_Q8: gemv4_q5_1_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q4_K_Q8: gemv4_q4_k_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q5_K_Q8: gemv4_q5_k_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    case KERNEL_GEMV4_Q6_K_Q8: gemv4_q6_k_q8(sumAt, at, panelAt, scaleAt, restAt, blocks); break;
    default: unreachable();
  }
}
