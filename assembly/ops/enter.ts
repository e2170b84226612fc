/** ROPE: q, k and v of the step's rows, fresh from their matmul, are normed and turned to their positions; k and v enter the cache. */

import {
  CACHE_F32, PAGE, ROPE_ANGLES_AT, ROPE_CACHE_AT, ROPE_CACHE_TYPE, ROPE_CHUNKED, ROPE_EPS, ROPE_HEADS, ROPE_HEAD_BYTES, ROPE_HEAD_SIZE,
  ROPE_KV_HEADS, ROPE_NORM, ROPE_PAGES, ROPE_PAGE_BYTES, ROPE_QKV_AT, ROPE_ROTATE, ROPE_ROWS_AT, ROPE_TABLE_BLOCKS, ROPE_TEMPERATURE_AT,
  ROW_POSITION,
} from "../abi";
import { store_cache_f32, store_cache_q8 } from "../kernels/cache";
import { rmsnorm_f32 } from "../kernels/norm";
import { rope_f32, scale_f32 } from "../kernels/rope";
import { page_of, row_word, word } from "../words";

/** Units: rows x kv heads, the kv head fastest. Returns -1 or the row whose page is missing. */
export function rope(opAt: usize, begin: i32, end: i32): i32 {
  const kvHeads = <i32>word(opAt, ROPE_KV_HEADS);
  for (let unit = begin; unit < end; unit++) {
    if (!rope_head(opAt, unit / kvHeads, unit % kvHeads)) return unit / kvHeads;
  }
  return -1;
}

function rope_head(opAt: usize, row: i32, kvHead: i32): bool {
  const rowsAt = <usize>word(opAt, ROPE_ROWS_AT);
  const heads = <i32>word(opAt, ROPE_HEADS), kvHeads = <i32>word(opAt, ROPE_KV_HEADS), d = <i32>word(opAt, ROPE_HEAD_SIZE);
  const headBytes = <usize>d << 2;
  const rowAt = <usize>word(opAt, ROPE_QKV_AT) + <usize>row * <usize>(heads + 2 * kvHeads) * headBytes;
  const keyAt = rowAt + <usize>(heads + kvHead) * headBytes;
  const valueAt = rowAt + <usize>(heads + kvHeads + kvHead) * headBytes;
  const group = heads / kvHeads;
  for (let i = 0; i < group; i++) turn(opAt, rowAt + <usize>(kvHead * group + i) * headBytes, row, true);
  turn(opAt, keyAt, row, false);

  const position = row_word(rowsAt, row, ROW_POSITION);
  const block = position / PAGE;
  if (block >= word(opAt, ROPE_TABLE_BLOCKS)) return false;
  const page = page_of(rowsAt, row, word(opAt, ROPE_CHUNKED) !== 0, block);
  if (page >= word(opAt, ROPE_PAGES)) return false;
  const type = word(opAt, ROPE_CACHE_TYPE);
  const headAt = <usize>word(opAt, ROPE_CACHE_AT) + <usize>page * <usize>word(opAt, ROPE_PAGE_BYTES) + <usize>kvHead * <usize>word(opAt, ROPE_HEAD_BYTES);
  if (type === CACHE_F32) store_cache_f32(headAt, keyAt, valueAt, position % PAGE, d);
  else store_cache_q8(headAt, keyAt, valueAt, position % PAGE, d);
  return true;
}

/** rope, then q/k norm, then (q only) temperature: the order of Llama 4's attention in transformers. */
@inline function turn(opAt: usize, xAt: usize, row: i32, query: bool): void {
  const d = <i32>word(opAt, ROPE_HEAD_SIZE);
  if (word(opAt, ROPE_ROTATE) !== 0) rope_f32(xAt, <usize>word(opAt, ROPE_ANGLES_AT) + (<usize>row * <usize>d << 2), d >> 1);
  if (word(opAt, ROPE_NORM) !== 0) rmsnorm_f32(xAt, 0, xAt, reinterpret<f32>(word(opAt, ROPE_EPS)), d);
  const temperatureAt = <usize>word(opAt, ROPE_TEMPERATURE_AT);
  if (query && temperatureAt !== 0) scale_f32(xAt, load<f32>(temperatureAt + (<usize>row << 2)), d);
}
