/**
 * What every packed form is asked, by type: its size, packing into it, and its values. A group is 8 outputs.
 *
 * Types without a form of their own (q5_1, q2_k, q3_k, mxfp4, tq1_0, tq2_0) stay as they are stored, row after row.
 */

import {
  BLOCK, DEQUANTIZE_COLS, GROUP, TYPE_BF16, TYPE_F16, TYPE_F32, TYPE_IQ4_NL, TYPE_IQ4_XS, TYPE_MXFP4, TYPE_Q2_K, TYPE_Q3_K, TYPE_Q4_0, TYPE_Q4_1,
  TYPE_Q4_K, TYPE_Q5_0, TYPE_Q5_1, TYPE_Q5_K, TYPE_Q6_K, TYPE_Q8_0, TYPE_TQ1_0, TYPE_TQ2_0,
} from "./abi";
import { decode_row } from "./blocks/row";
import { dequantize_bf16, dequantize_f16 } from "./weights/float";
import { dequantize_iq4_nl, pack_iq4_nl, pack_iq4_xs } from "./weights/iq4_nl";
import { dequantize_q4_0, pack_q4_0 } from "./weights/q4_0";
import { dequantize_q4_1, pack_q4_1 } from "./weights/q4_1";
import { dequantize_q4_k, pack_q4_k } from "./weights/q4_k";
import { dequantize_q5_0, pack_q5_0 } from "./weights/q5_0";
import { dequantize_q5_k, pack_q5_k } from "./weights/q5_k";
import { dequantize_q6_k, pack_q6_k } from "./weights/q6_k";
import { dequantize_q8_0, pack_q8_0 } from "./weights/q8_0";

/** Bytes of one stored row. */
export function row_bytes(type: u32, cols: i32): usize {
  const small = <usize>(cols >>> 5), large = <usize>(cols >>> 8);
  switch (type) {
    case TYPE_F32: return <usize>cols << 2;
    case TYPE_F16: case TYPE_BF16: return <usize>cols << 1;
    case TYPE_Q8_0: return small * 34;
    case TYPE_Q4_0: case TYPE_IQ4_NL: return small * 18;
    case TYPE_Q4_1: return small * 20;
    case TYPE_Q5_0: return small * 22;
    case TYPE_Q5_1: return small * 24;
    case TYPE_MXFP4: return small * 17;
    case TYPE_Q2_K: return large * 84;
    case TYPE_Q3_K: return large * 110;
    case TYPE_Q4_K: return large * 144;
    case TYPE_Q5_K: return large * 176;
    case TYPE_Q6_K: return large * 210;
    case TYPE_IQ4_XS: return large * 136;
    case TYPE_TQ1_0: return large * 54;
    case TYPE_TQ2_0: return large * 66;
    default: return <usize>cols; // f8_e4m3
  }
}

/** Bytes of one packed group. */
export function group_bytes(type: u32, cols: i32): usize {
  const blocks = <usize>(cols / BLOCK), supers = blocks >> 3;
  switch (type) {
    case TYPE_F32: return <usize>cols * 32;
    case TYPE_F16: case TYPE_BF16: return <usize>cols * 16;
    case TYPE_Q8_0: return blocks * 288;
    case TYPE_Q4_0: case TYPE_IQ4_NL: return blocks * 160;
    case TYPE_Q4_1: case TYPE_Q5_0: return blocks * 192;
    case TYPE_Q4_K: return supers * 1216;
    case TYPE_Q5_K: return supers * 1472;
    case TYPE_Q6_K: return supers * 1696;
    default: return row_bytes(type, cols) * GROUP;
  }
}

/** Whether a group is eight stored rows. */
export function kept_as_stored(type: u32): bool {
  return type === TYPE_Q5_1 || type === TYPE_Q2_K || type === TYPE_Q3_K || type === TYPE_MXFP4 || type === TYPE_TQ1_0 || type === TYPE_TQ2_0;
}

/** `lanes` stored rows, `rowBytes` apart, of `cols` inputs -> their place in a packed group; further lanes become zeros. */
export function pack_rows(type: u32, sourceType: u32, packedAt: usize, sourceAt: usize, rowBytes: usize, lanes: i32, cols: i32): void {
  switch (type) {
    case TYPE_Q8_0: pack_q8_0(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q4_0: pack_q4_0(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q4_1: pack_q4_1(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q5_0: pack_q5_0(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q4_K: pack_q4_k(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q5_K: pack_q5_k(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_Q6_K: pack_q6_k(packedAt, sourceAt, rowBytes, lanes, cols); break;
    case TYPE_IQ4_NL:
      if (sourceType === TYPE_IQ4_XS) pack_iq4_xs(packedAt, sourceAt, rowBytes, lanes, cols);
      else pack_iq4_nl(packedAt, sourceAt, rowBytes, lanes, cols);
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
export function dequantize(type: u32, intoAt: usize, groupAt: usize, cols: i32, col: i32, colEnd: i32, rowsAt: usize): void {
  switch (type) {
    case TYPE_BF16: dequantize_bf16(intoAt, groupAt, col, colEnd); break;
    case TYPE_F16: dequantize_f16(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q8_0: dequantize_q8_0(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q4_0: dequantize_q4_0(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q4_1: dequantize_q4_1(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q5_0: dequantize_q5_0(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q4_K: dequantize_q4_k(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q5_K: dequantize_q5_k(intoAt, groupAt, col, colEnd); break;
    case TYPE_Q6_K: dequantize_q6_k(intoAt, groupAt, col, colEnd); break;
    case TYPE_IQ4_NL: dequantize_iq4_nl(intoAt, groupAt, col, colEnd); break;
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

/** Row `row` of a packed matrix, not of f32, f16 or bf16 -> out [cols] f32; scratch: twice ROWS_BYTES. */
export function embed_packed(type: u32, outAt: usize, weightAt: usize, row: i32, cols: i32, scratchAt: usize): void {
  const groupAt = weightAt + <usize>(row / GROUP) * group_bytes(type, cols), lane = <usize>(row % GROUP) << 2;
  for (let col = 0; col < cols; col += DEQUANTIZE_COLS) {
    const colEnd = min(col + DEQUANTIZE_COLS, cols);
    dequantize(type, scratchAt, groupAt, cols, col, colEnd, scratchAt + ROWS_BYTES);
    for (let from = scratchAt + lane, to = outAt + (<usize>col << 2); to < outAt + (<usize>colEnd << 2); from += 32, to += 4) store<f32>(to, load<f32>(from));
  }
}
