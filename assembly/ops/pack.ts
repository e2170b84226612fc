/**
 * The PACK op: stored elements of a matrix, as they came from the file -> its packed form, converted where the model keeps
 * another type than the file does. A unit is one group of 8 outputs of the piece. CONVERT writes stored rows instead.
 */

import {
  CONVERT_COLS, GROUP, PACK_AT, PACK_COL_BEGIN, PACK_COL_END, PACK_COLS, PACK_INPUT_STRIDE, PACK_OUTPUT_STRIDE, PACK_ROW_BEGIN, PACK_ROWS, PACK_SCALES_AT, PACK_SOURCE_AT,
  PACK_SOURCE_TYPE, PACK_TYPE, TYPE_BF16, TYPE_F16, TYPE_F32, TYPE_IQ4_NL, TYPE_IQ4_XS,
} from "../abi";
import { decode_row, encode_row, finite_row, row_bytes } from "../stored/row";
import { pack_float } from "../forms/float";
import { group_bytes, is_woven, kept_as_stored, stored_type, pack_rows, packed_at } from "../forms/form";
import { Visits } from "../visits";
import { word } from "../words";

@inline function is_float(type: u32): bool {
  return type === TYPE_F32 || type === TYPE_F16 || type === TYPE_BF16;
}

/** Returns -1 or the first output of a group with a weight that is no number (or has no packed form). */
export function pack(at: usize, scratchAt: usize, begin: i32, end: i32): i32 {
  const type = word(at, PACK_TYPE), stored = stored_type(type), sourceType = word(at, PACK_SOURCE_TYPE), rows = <i32>word(at, PACK_ROWS), cols = <i32>word(at, PACK_COLS);
  const packedAt = <usize>word(at, PACK_AT), sourceAt = <usize>word(at, PACK_SOURCE_AT), rowBegin = <i32>word(at, PACK_ROW_BEGIN);
  const scaled = word(at, PACK_SCALES_AT) !== 0, groups = Visits.groups(rows);
  for (let unit = begin; unit < end; unit++) {
    const group = rowBegin / GROUP + unit;
    let finite = true;
    if (!scaled && is_float(type) && is_float(sourceType) && (type === sourceType || type === TYPE_F32)) {
      const outputStride = <usize>word(at, PACK_OUTPUT_STRIDE), colBegin = <i32>word(at, PACK_COL_BEGIN);
      finite = pack_float(
        packed_at(type, packedAt, group, groups, cols, colBegin),
        sourceAt + row_bytes(sourceType, group * GROUP - rowBegin) * outputStride, type, sourceType, min(GROUP, rows - group * GROUP),
        <i32>word(at, PACK_COL_END) - colBegin, outputStride, <usize>word(at, PACK_INPUT_STRIDE),
      );
    } else if (!scaled && (stored === sourceType || (stored === TYPE_IQ4_NL && sourceType === TYPE_IQ4_XS))) {
      const rowBytes = row_bytes(sourceType, cols), fromAt = sourceAt + <usize>(group * GROUP - rowBegin) * rowBytes, lanes = min(GROUP, rows - group * GROUP);
      for (let lane = 0; lane < lanes; lane++) finite = finite && finite_row(sourceType, fromAt + <usize>lane * rowBytes, cols);
      pack_rows(type, sourceType, packed_at(type, packedAt, group, groups, cols, 0), Visits.step(Visits.beside(group, groups), is_woven(type)), fromAt, rowBytes, lanes, cols);
    } else {
      finite = convert_group(at, scratchAt, group);
    }
    if (!finite) return group * GROUP;
  }
  return -1;
}

/** One group of a piece by way of f32 rows, some inputs at a time. */
function convert_group(at: usize, scratchAt: usize, group: i32): bool {
  const type = word(at, PACK_TYPE), rows = <i32>word(at, PACK_ROWS), cols = <i32>word(at, PACK_COLS), colEnd = <i32>word(at, PACK_COL_END);
  const groups = Visits.groups(rows), lanes = min(GROUP, rows - group * GROUP), storedAt = scratchAt + GROUP * CONVERT_COLS * 4;
  for (let col = <i32>word(at, PACK_COL_BEGIN); col < colEnd; col += CONVERT_COLS) {
    const count = min(CONVERT_COLS, colEnd - col);
    if (!widen(at, scratchAt, group, lanes, col, count)) return false;
    if (type === TYPE_F32) {
      pack_float(packed_at(TYPE_F32, <usize>word(at, PACK_AT), group, groups, cols, col), scratchAt, TYPE_F32, TYPE_F32, lanes, count, count, 1);
      continue;
    }
    if (kept_as_stored(type)) {
      if (!encode_kept(at, scratchAt, group, lanes, col, count)) return false;
      continue;
    }
    const stored = stored_type(type), rowBytes = row_bytes(stored, count);
    for (let lane: usize = 0; lane < <usize>lanes; lane++) {
      if (!encode_row(stored, storedAt + lane * rowBytes, scratchAt + lane * (<usize>count << 2), count)) return false;
    }
    pack_rows(type, stored, packed_at(type, <usize>word(at, PACK_AT), group, groups, cols, col), Visits.step(Visits.beside(group, groups), is_woven(type)), storedAt, rowBytes, lanes, count);
  }
  return true;
}

/** Rows of f32 -> their place in a group of stored rows; further rows become zeros. */
function encode_kept(at: usize, xAt: usize, group: i32, lanes: i32, col: i32, count: i32): bool {
  const type = word(at, PACK_TYPE), cols = <i32>word(at, PACK_COLS), rowBytes = row_bytes(type, cols);
  let toAt = <usize>word(at, PACK_AT) + <usize>group * group_bytes(type, cols) + row_bytes(type, col);
  for (let lane: usize = 0; lane < <usize>GROUP; lane++, toAt += rowBytes) {
    if (<i32>lane >= lanes) memory.fill(toAt, 0, row_bytes(type, count));
    else if (!encode_row(type, toAt, xAt + lane * (<usize>count << 2), count)) return false;
  }
  return true;
}

/** The CONVERT op: stored elements of a piece -> stored rows of another type. A unit is 8 rows; the result is that of `pack`. */
export function convert_rows(at: usize, scratchAt: usize, begin: i32, end: i32): i32 {
  const type = word(at, PACK_TYPE), rows = <i32>word(at, PACK_ROWS), cols = <i32>word(at, PACK_COLS), rowBegin = <i32>word(at, PACK_ROW_BEGIN);
  const rowBytes = row_bytes(type, cols);
  for (let unit = begin; unit < end; unit++) {
    const group = rowBegin / GROUP + unit, lanes = min(GROUP, rows - group * GROUP);
    for (let col = 0; col < cols; col += CONVERT_COLS) {
      const count = min(CONVERT_COLS, cols - col);
      if (!widen(at, scratchAt, group, lanes, col, count)) return group * GROUP;
      for (let lane: usize = 0; lane < <usize>lanes; lane++) {
        const toAt = <usize>word(at, PACK_AT) + (<usize>(group * GROUP - rowBegin) + lane) * rowBytes + row_bytes(type, col);
        if (!encode_row(type, toAt, scratchAt + lane * (<usize>count << 2), count)) return group * GROUP;
      }
    }
  }
  return -1;
}

/** Inputs [col, col + count) of a group's outputs -> rows of f32; false where one is no number. */
function widen(at: usize, xAt: usize, group: i32, lanes: i32, col: i32, count: i32): bool {
  const sourceType = word(at, PACK_SOURCE_TYPE), scalesAt = <usize>word(at, PACK_SCALES_AT), inputStride = <i32>word(at, PACK_INPUT_STRIDE);
  const first = group * GROUP - <i32>word(at, PACK_ROW_BEGIN), skipped = col - <i32>word(at, PACK_COL_BEGIN), rowBytes = <usize>count << 2;
  if (inputStride === 1) {
    const stride = row_bytes(sourceType, <i32>word(at, PACK_OUTPUT_STRIDE));
    const fromAt = <usize>word(at, PACK_SOURCE_AT) + <usize>first * stride + row_bytes(sourceType, skipped);
    for (let lane: usize = 0; lane < <usize>lanes; lane++) decode_row(sourceType, xAt + lane * rowBytes, fromAt + lane * stride, count);
  } else {
    // Input-major: the outputs of one input lie together. They are decoded into the end of the scratch, which is free until rows are encoded.
    const eightAt = xAt + GROUP * CONVERT_COLS * 4;
    let fromAt = <usize>word(at, PACK_SOURCE_AT) + row_bytes(sourceType, skipped * inputStride + first);
    for (let k: usize = 0; k < <usize>count; k++, fromAt += row_bytes(sourceType, inputStride)) {
      decode_row(sourceType, eightAt, fromAt, lanes);
      for (let lane: usize = 0; lane < <usize>lanes; lane++) store<u32>(xAt + lane * rowBytes + (k << 2), load<u32>(eightAt + (lane << 2)));
    }
  }
  for (let lane: usize = 0; lane < <usize>lanes; lane++) {
    const scale = scalesAt === 0 ? <f32>1 : load<f32>(scalesAt + (<usize>(group * GROUP) + lane << 2));
    for (let offset: usize = 0; offset < rowBytes; offset += 4) {
      const value = load<f32>(xAt + lane * rowBytes + offset) * scale;
      if ((reinterpret<u32>(value) & 0x7f800000) === 0x7f800000) return false;
      store<f32>(xAt + lane * rowBytes + offset, value);
    }
  }
  return true;
}
