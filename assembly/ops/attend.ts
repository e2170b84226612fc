/** The ops that read the cache: ATTEND (blocks of keys for tiles of rows), MERGE (rows whose blocks were computed apart), PROBABILITIES (a tap). */

import {
  ATTEND_CACHE_AT, ATTEND_CACHE_TYPE, ATTEND_CAUSAL, ATTEND_CHUNK, ATTEND_CHUNKED, ATTEND_HEADS, ATTEND_HEAD_BYTES, ATTEND_HEAD_SIZE, ATTEND_KEYS,
  ATTEND_KV_HEADS, ATTEND_OUT_AT, ATTEND_PAGES, ATTEND_PAGE_BYTES, ATTEND_PARTIALS_AT, ATTEND_QKV_AT, ATTEND_QUERIES, ATTEND_ROWS_AT, ATTEND_SCALE, ATTEND_STREAMS, ATTEND_TASKS_AT,
  CACHE_F32, JOIN_BLOCKS, JOIN_PARTIAL, JOIN_ROW, JOIN_WORDS, MERGE_HEADS, MERGE_HEAD_SIZE, MERGE_LIST_AT, MERGE_OUT_AT, MERGE_PARTIALS_AT, NO_PARTIAL, PAGE,
  PROBABILITIES_KEYS, PROBABILITIES_OUT_AT, ROW_POSITION, TASK_BLOCK_BEGIN, TASK_BLOCK_END, TASK_FIRST_ROW, TASK_PARTIAL, TASK_ROWS, TASK_WORDS,
} from "../abi";
import { attend_block, clear_state, copy_state, finish_state, merge_state, stage_query, stage_span } from "../kernels/attention";
import { Pages } from "../kernels/cache";
import { Scratch } from "../kernels/scratch";
import { page_of, row_word, word } from "../words";
import { read_places } from "./lines";

export function attend_units(opAt: usize): i32 {
  return load<i32>(<usize>word(opAt, ATTEND_TASKS_AT)) * <i32>word(opAt, ATTEND_KV_HEADS);
}

/** Units: tasks x kv heads, the kv head fastest. Returns -1 or the row whose page is missing. */
export function attend(opAt: usize, scratchAt: usize, begin: i32, end: i32): i32 {
  const kvHeads = <i32>word(opAt, ATTEND_KV_HEADS);
  const group = <i32>word(opAt, ATTEND_HEADS) / kvHeads, most = <i32>word(opAt, ATTEND_QUERIES);
  const tiles = (group + most - 1) / most, width = (group + tiles - 1) / tiles; // 6 of at most 5: 3 and 3
  for (let unit = begin; unit < end; unit++) {
    const taskAt = <usize>word(opAt, ATTEND_TASKS_AT) + 4 + (<usize>(unit / kvHeads * TASK_WORDS) << 2);
    for (let from = 0; from < group; from += width) {
      const row = attend_tile(opAt, scratchAt, taskAt, unit % kvHeads, from, min(group, from + width));
      if (row >= 0) return row;
    }
  }
  return -1;
}

/** Heads [from, to) of the kv head's group, all rows of the task: at most 6 queries. */
function attend_tile(opAt: usize, scratchAt: usize, taskAt: usize, kvHead: i32, from: i32, to: i32): i32 {
  const rowsAt = <usize>word(opAt, ATTEND_ROWS_AT);
  const heads = <i32>word(opAt, ATTEND_HEADS), kvHeads = <i32>word(opAt, ATTEND_KV_HEADS), d = <i32>word(opAt, ATTEND_HEAD_SIZE);
  const firstRow = <i32>word(taskAt, TASK_FIRST_ROW), rows = <i32>word(taskAt, TASK_ROWS);
  const type = word(opAt, ATTEND_CACHE_TYPE);
  const width = to - from, h = rows * width;
  const headOffset = kvHead * (heads / kvHeads) + from;
  const stateBytes = <usize>(2 + Pages.padded(d)) << 2;
  const stateAt = Scratch.state(scratchAt, d);
  const partial = word(taskAt, TASK_PARTIAL), blockAt = Scratch.block(scratchAt, d);
  for (let i = 0; i < h; i++) {
    const rowAt = <usize>word(opAt, ATTEND_QKV_AT) + (<usize>(firstRow + i / width) * <usize>(heads + 2 * kvHeads) * <usize>d << 2);
    stage_query(scratchAt, rowAt + (<usize>((headOffset + i % width) * d) << 2), type, i, d);
    if (partial === NO_PARTIAL) clear_state(stateAt + <usize>i * stateBytes, d);
  }
  const blockBegin = word(taskAt, TASK_BLOCK_BEGIN), blockEnd = word(taskAt, TASK_BLOCK_END);
  const ahead: u32 = type !== CACHE_F32 && rows === 1 && from === 0 && blockEnd - blockBegin > 1 ? min(word(opAt, ATTEND_STREAMS), 8) : 1;
  for (let block = blockBegin; block < blockEnd; block++) {
    const page = page_of(rowsAt, firstRow, word(opAt, ATTEND_CHUNKED) !== 0, block);
    if (page >= word(opAt, ATTEND_PAGES)) return firstRow;
    if (ahead > 1 && (block - blockBegin) % ahead === 0) read_ahead(opAt, scratchAt, firstRow, kvHead, block, min(block + ahead, blockEnd));
    for (let i = 0; i < h; i++) stage_mask(opAt, scratchAt, row_word(rowsAt, firstRow + i / width, ROW_POSITION), block, i, d);
    attend_block(scratchAt, head_of(opAt, page, kvHead), type, h, d, reinterpret<f32>(word(opAt, ATTEND_SCALE)), rows === 1 ? <i32>word(opAt, ATTEND_STREAMS) : 1, blockAt);
    // Where MERGE reads them, [block][head][2 + d], results of one row go when they are done: those lines were read last by another core.
    const partialAt = <usize>word(opAt, ATTEND_PARTIALS_AT) + (<usize>((partial + block - blockBegin) * heads + headOffset) * <usize>(2 + d) << 2);
    for (let i: usize = 0; i < <usize>h; i++) {
      if (partial === NO_PARTIAL) merge_state(stateAt + i * stateBytes, blockAt + i * stateBytes, d);
      else copy_state(partialAt + i * (<usize>(2 + d) << 2), blockAt + i * stateBytes, d);
    }
  }
  if (partial !== NO_PARTIAL) return -1;
  for (let i = 0; i < h; i++) {
    const out = (<usize>(firstRow + i / width) * <usize>heads + <usize>(headOffset + i % width)) * <usize>d;
    finish_state(<usize>word(opAt, ATTEND_OUT_AT) + (out << 2), stateAt + <usize>i * stateBytes, d);
  }
  return -1;
}

/** Where a kv head's keys and values of a page lie. */
@inline function head_of(opAt: usize, page: u32, kvHead: i32): usize {
  return <usize>word(opAt, ATTEND_CACHE_AT) + <usize>page * <usize>word(opAt, ATTEND_PAGE_BYTES) + <usize>kvHead * <usize>word(opAt, ATTEND_HEAD_BYTES);
}

/**
 * Reads the pages of blocks [block, end), at most 8, a line of each in turn. A block of an 8-bit cache is so few bytes that the prefetchers
 * of some processors never get going.
 */
function read_ahead(opAt: usize, scratchAt: usize, row: i32, kvHead: i32, block: u32, end: u32): void {
  const placesAt = Scratch.places(scratchAt, <i32>word(opAt, ATTEND_HEAD_SIZE));
  let count: u32 = 0;
  for (; block < end; block++, count++) {
    const page = page_of(<usize>word(opAt, ATTEND_ROWS_AT), row, word(opAt, ATTEND_CHUNKED) !== 0, block);
    if (page >= word(opAt, ATTEND_PAGES)) break; // a fault when it is computed with
    store<u32>(placesAt + (<usize>count << 2), <u32>head_of(opAt, page, kvHead));
  }
  store<u32>(placesAt, read_places(placesAt, count, <usize>word(opAt, ATTEND_PAGE_BYTES)));
}

/** Positions of a block that a query at `position` sees: causal, and of its own chunk. */
@inline function stage_mask(opAt: usize, scratchAt: usize, position: u32, block: u32, i: i32, d: i32): void {
  const first = block * PAGE;
  const last = word(opAt, ATTEND_CAUSAL) !== 0 ? position + 1 : word(opAt, ATTEND_KEYS);
  const chunk = word(opAt, ATTEND_CHUNK);
  const start = chunk !== 0 ? position / chunk * chunk : 0;
  const begin = start > first ? min(start - first, PAGE) : 0;
  const end = last > first ? min(last - first, PAGE) : 0;
  stage_span(scratchAt, i, begin, end, d);
}

/** Blocks of all records. */
export function merge_blocks(opAt: usize): i32 {
  const listAt = <usize>word(opAt, MERGE_LIST_AT);
  let blocks = 0;
  for (let record = 0; record < load<i32>(listAt); record++) blocks += <i32>word(listAt + 4, record * JOIN_WORDS + JOIN_BLOCKS);
  return blocks;
}

/** Units: merge records x heads, the head fastest. */
export function merge(opAt: usize, scratchAt: usize, begin: i32, end: i32): void {
  const heads = <i32>word(opAt, MERGE_HEADS), d = <i32>word(opAt, MERGE_HEAD_SIZE);
  const bytes = <usize>(2 + d) << 2;
  for (let unit = begin; unit < end; unit++) {
    const head = unit % heads;
    const recordAt = <usize>word(opAt, MERGE_LIST_AT) + 4 + (<usize>(unit / heads * JOIN_WORDS) << 2);
    const partial = word(recordAt, JOIN_PARTIAL);
    clear_state(scratchAt, d);
    for (let block: u32 = 0; block < word(recordAt, JOIN_BLOCKS); block++) {
      merge_state(scratchAt, <usize>word(opAt, MERGE_PARTIALS_AT) + <usize>((partial + block) * heads + head) * bytes, d);
    }
    const out = (<usize>word(recordAt, JOIN_ROW) * <usize>heads + <usize>head) * <usize>d;
    finish_state(<usize>word(opAt, MERGE_OUT_AT) + (out << 2), scratchAt, d);
  }
}

/**
 * Tap: softmax(q k / sqrt d) of every head, row and key position: out [heads][rows][keys], zero where masked. Units: rows.
 * Scores and exp are the same kernels; only the division by the merged sum is its own.
 */
export function probabilities(opAt: usize, scratchAt: usize, rows: i32, begin: i32, end: i32): i32 {
  const heads = <i32>word(opAt, ATTEND_HEADS), kvHeads = <i32>word(opAt, ATTEND_KV_HEADS), d = <i32>word(opAt, ATTEND_HEAD_SIZE);
  const rowsAt = <usize>word(opAt, ATTEND_ROWS_AT), type = word(opAt, ATTEND_CACHE_TYPE), keys = word(opAt, PROBABILITIES_KEYS);
  for (let row = begin; row < end; row++) {
    const position = row_word(rowsAt, row, ROW_POSITION);
    if (position >= keys) continue; // no place for it: the caller refuses such a trace
    for (let head = 0; head < heads; head++) {
      const queryAt = <usize>word(opAt, ATTEND_QKV_AT) + (<usize>(row * (heads + 2 * kvHeads) + head) * <usize>d << 2);
      const outAt = <usize>word(opAt, PROBABILITIES_OUT_AT) + (<usize>(head * rows + row) * <usize>keys << 2);
      memory.fill(outAt, 0, <usize>keys << 2);
      stage_query(scratchAt, queryAt, type, 0, d);
      clear_state(Scratch.state(scratchAt, d), d);
      for (let pass = 0; pass < 2; pass++) {
        for (let block: u32 = 0; block <= position / PAGE; block++) {
          stage_mask(opAt, scratchAt, position, block, 0, d);
          const spansAt = Scratch.spans(scratchAt, d);
          const from = load<i32>(spansAt, 0), to = load<i32>(spansAt, 4);
          if (from >= to) continue;
          const page = page_of(rowsAt, row, word(opAt, ATTEND_CHUNKED) !== 0, block);
          if (page >= word(opAt, ATTEND_PAGES)) return row;
          const headAt = head_of(opAt, page, head / (heads / kvHeads));
          const blockAt = Scratch.block(scratchAt, d);
          attend_block(scratchAt, headAt, type, 1, d, reinterpret<f32>(word(opAt, ATTEND_SCALE)), 1, blockAt);
          const stateAt = Scratch.state(scratchAt, d);
          if (pass === 0) {
            merge_state(stateAt, blockAt, d);
            continue;
          }
          const shrink = <f32>Math.exp(<f64>(load<f32>(blockAt) - load<f32>(stateAt))) / load<f32>(stateAt, 4);
          for (let t = from; t < to; t++) {
            store<f32>(outAt + (<usize>(block * PAGE + t) << 2), load<f32>(Scratch.scores(scratchAt, d) + (<usize>t << 2)) * shrink);
          }
        }
      }
    }
  }
  return -1;
}
