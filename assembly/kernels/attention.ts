/**
 * Attention of up to 6 queries that share one kv head, over pages of 64 positions.
 *
 *   s_t = (q . k_t) / sqrt(d)      over the positions the mask allows
 *   o   = sum_t softmax(s)_t v_t
 *
 * Order, on every path: per block of 64 positions on the absolute grid (max, sum of exp, weighted values), then the blocks
 * merged upwards; masked positions add exact zeros. So prefill, decode, spans computed apart and batches agree to the bit.
 *
 * State of one query: [max, sum, o[d]] f32, 2 + d words. Multiply and add stay apart in both builds.
 *
 * An 8-bit cache is multiplied in integers, exactly: a query as 16 bits with one scale, and the weights of a block times the scales of
 * its values as 16 bits with one scale: 257 steps where the cache has one.
 */

import { CACHE_F32, PAGE } from "../abi";
import { Lanes } from "../lanes";
import { Pages } from "./cache";
import { add_dots, begin_dots, MOST } from "./dots";
import { largest_magnitude, quantize_f32_q16_quads } from "./quantize";
import { Scratch } from "./scratch";
import { quantize_weights, scores_q8, softmax_f32, weights_q8 } from "./softmax";
import { add_products, X_ROW } from "./sums";

/** Query i [d] f32 -> its rows of the pieces; beside an 8-bit cache as 16 bits, or as many as keep sums of d products below 2^31. */
export function stage_query(scratchAt: usize, queryAt: usize, type: u32, i: i32, d: i32): void {
  const to = Scratch.queries(scratchAt) + <usize>i * X_ROW;
  if (type === CACHE_F32) return stage_f32(to, queryAt, d);
  const scaleAt = Scratch.queryScales(scratchAt, d) + (<usize>i << 3);
  const largest = largest_magnitude(queryAt, d), most = min<f32>(MOST, <f32>(i32.MAX_VALUE / 127 / d));
  let sum = 0;
  for (let feature = 0, pieceAt = to; feature < d; feature += PAGE, pieceAt += 6 * X_ROW) {
    sum += quantize_f32_q16_quads(type, pieceAt, queryAt + (<usize>feature << 2), min(PAGE, d - feature), largest, most);
  }
  store<f32>(scaleAt, largest / most, 0);
  store<i32>(scaleAt, sum, 4);
}

function stage_f32(to: usize, queryAt: usize, d: i32): void {
  for (let feature = 0; feature < d; feature += PAGE, to += 6 * X_ROW) {
    const n = min(PAGE, d - feature), from = queryAt + (<usize>feature << 2);
    let k = 0;
    for (; k + 4 <= n; k += 4) v128.store(to + (<usize>k << 2), v128.load(from + (<usize>k << 2)));
    for (; k < n; k++) store<f32>(to + (<usize>k << 2), load<f32>(from + (<usize>k << 2)));
  }
}

/** Positions of the block that query i sees: [begin, end) of 0..64. */
export function stage_span(scratchAt: usize, i: i32, begin: i32, end: i32, d: i32): void {
  store<i32>(Scratch.spans(scratchAt, d) + (<usize>i << 3), begin, 0);
  store<i32>(Scratch.spans(scratchAt, d) + (<usize>i << 3), end, 4);
}

/** Products of queries and keys [from, to) (multiples of 8), not scaled yet, f32 or integers: added to scores [h][64]. */
function multiply_keys(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, from: i32, to: i32, streams: i32): void {
  const scoresAt = Scratch.scores(scratchAt, d) + (<usize>from << 2), groups = (to - from) >> 3, groupBytes = Pages.groupBytes(type, d);
  let keysAt = headAt + <usize>(from >> 3) * groupBytes, queriesAt = Scratch.queries(scratchAt);
  for (let feature = 0; feature < d; feature += PAGE) {
    const n = min(PAGE, d - feature);
    if (type === CACHE_F32) add_products(h, streams, scoresAt, X_ROW, groups, keysAt, groupBytes, queriesAt, n);
    else add_dots(type, h, scoresAt, X_ROW, groups, keysAt, groupBytes, queriesAt, (n + 3) >> 2);
    keysAt += Pages.groupBytes(type, PAGE);
    queriesAt += 6 * X_ROW;
  }
}

/** Zeros: h rows, `step` bytes apart, of `groups` times 8 f32. */
function clear_rows(at: usize, step: usize, h: i32, groups: i32): void {
  const zero = f32x4.splat(0);
  for (let row = 0; row < h; row++, at += step) {
    for (let to = at, end = at + (<usize>groups << 5); to < end; to += 32) {
      v128.store(to, zero, 0);
      v128.store(to, zero, 16);
    }
  }
}

/** Integers of `groups` times 8 -> f32, times `scale`. */
function scale_outputs(at: usize, groups: i32, scale: f32): void {
  const scale_f32x4 = f32x4.splat(scale);
  for (const end = at + (<usize>groups << 5); at < end; at += 32) {
    const a = f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 0)), scale_f32x4), b = f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 16)), scale_f32x4);
    v128.store(at, a, 0);
    v128.store(at, b, 16);
  }
}

/**
 * One block of 64 positions for h staged queries and spans -> block: [h][max, sum, o[p]]. `streams`, 1, 2, 4 or 8: groups of 8
 * positions or features of an f32 cache that are read at once (sums.ts).
 */
export function attend_block(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32, streams: i32, blockAt: usize): void {
  const spansAt = Scratch.spans(scratchAt, d), stateBytes = <usize>(2 + Pages.padded(d)) << 2;
  let begin = PAGE, end = 0;
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    if (seenBegin >= seenEnd) {
      store<f32>(blockAt + i * stateBytes, f32.NEGATIVE_INFINITY, 0);
      store<f32>(blockAt + i * stateBytes, 0, 4);
      continue;
    }
    begin = min(begin, seenBegin);
    end = max(end, seenEnd);
  }
  if (begin >= end) return;
  if (type === CACHE_F32) attend_f32(scratchAt, headAt, h, d, scale, streams, begin, end, blockAt);
  else attend_q8(scratchAt, headAt, type, h, d, scale, begin & ~7, (end + 7) & ~7, blockAt);
}

function attend_f32(scratchAt: usize, headAt: usize, h: i32, d: i32, scale: f32, streams: i32, begin: i32, end: i32, blockAt: usize): void {
  const spansAt = Scratch.spans(scratchAt, d), scoresAt = Scratch.scores(scratchAt, d);
  const stateBytes = <usize>(2 + Pages.padded(d)) << 2, groups = Pages.padded(d) >> 3;
  const from = begin & ~7, to = (end + 7) & ~7;
  clear_rows(scoresAt + (<usize>from << 2), X_ROW, h, (to - from) >> 3);
  multiply_keys(scratchAt, headAt, CACHE_F32, h, d, from, to, streams);
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    if (seenBegin < seenEnd) softmax_f32(scoresAt + i * X_ROW, blockAt + i * stateBytes, scale, seenBegin, seenEnd, from, to);
    else memory.fill(scoresAt + i * X_ROW, 0, X_ROW);
  }
  clear_rows(blockAt + 8, stateBytes, h, groups);
  const valuesAt = Pages.valuesAt(headAt, CACHE_F32, d) + Pages.groupBytes(CACHE_F32, begin);
  add_products(h, streams, blockAt + 8, stateBytes, groups, valuesAt, Pages.groupBytes(CACHE_F32, PAGE), scoresAt + (<usize>begin << 2), end - begin);
}

/**
 * Row after row in each part, not part after part in each row: a row's reductions are waited for while the next one is computed. Rows that
 * see nothing are masked as a whole: largest -infinity, sum 0, integers 0.
 */
function attend_q8(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32, from: i32, to: i32, blockAt: usize): void {
  const spansAt = Scratch.spans(scratchAt, d), scoresAt = Scratch.scores(scratchAt, d), weightsAt = Scratch.weights(scratchAt, d);
  const queryScalesAt = Scratch.queryScales(scratchAt, d), weightScalesAt = Scratch.weightScales(scratchAt, d);
  const stateBytes = <usize>(2 + Pages.padded(d)) << 2, groups = Pages.padded(d) >> 3, outAt = blockAt + 8;
  const valuesAt = Pages.valuesAt(headAt, type, d), keyScalesAt = headAt + Pages.keyBytes(type, d), valueScalesAt = valuesAt + Pages.valueBytes(type, d);
  begin_dots(type, h, scoresAt + (<usize>from << 2), X_ROW, (to - from) >> 3, queryScalesAt);
  multiply_keys(scratchAt, headAt, type, h, d, from, to, 1);
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    scores_q8(scoresAt + i * X_ROW, blockAt + i * stateBytes, scale * load<f32>(queryScalesAt + (i << 3)), keyScalesAt, seenBegin, seenEnd, from, to);
  }
  for (let i: usize = 0; i < <usize>h; i++) {
    store<f32>(weightScalesAt + (i << 3), weights_q8(scoresAt + i * X_ROW, blockAt + i * stateBytes, weightsAt + i * X_ROW, valueScalesAt, from, to));
  }
  for (let i: usize = 0; i < <usize>h; i++) {
    quantize_weights(type, weightsAt + i * X_ROW, weightScalesAt + (i << 3), from, to);
  }
  begin_dots(type, h, outAt, stateBytes, groups, weightScalesAt);
  add_dots(type, h, outAt, stateBytes, groups, valuesAt + Pages.groupBytes(type, from), Pages.groupBytes(type, PAGE), weightsAt + (<usize>from << 1), (to - from) >> 2);
  for (let i: usize = 0; i < <usize>h; i++) scale_outputs(outAt + i * stateBytes, groups, load<f32>(weightScalesAt + (i << 3)));
}

// States are cleared and copied here, not by memory.fill and memory.copy: calls into C for 264 bytes.

export function clear_state(stateAt: usize, d: i32): void {
  for (let at = stateAt + 4, end = at + (<usize>(1 + d) << 2); at < end; at += 4) store<f32>(at, 0);
  store<f32>(stateAt, f32.NEGATIVE_INFINITY);
}

export function copy_state(toAt: usize, stateAt: usize, d: i32): void {
  store<u64>(toAt, load<u64>(stateAt)); // max and sum
  const whole = <usize>(d & ~3) << 2;
  for (let at: usize = 0; at < whole; at += 16) v128.store(toAt + at, v128.load(stateAt + at, 8), 8);
  for (let at = whole; at < <usize>d << 2; at += 4) store<f32>(toAt + at, load<f32>(stateAt + at, 8), 8);
}

/** state = state merged with block, [max, sum, o[d]] each; a block that saw nothing changes nothing. */
export function merge_state(stateAt: usize, blockAt: usize, d: i32): void {
  if (load<f32>(blockAt) === f32.NEGATIVE_INFINITY) return;
  // Vectors for scalars as well: a maximum of two floats is branches that nobody can foresee.
  const stateMax = v128.load32_splat(stateAt), blockMax = v128.load32_splat(blockAt), largest = f32x4.max(stateMax, blockMax);
  const keep = Lanes.exp(f32x4.sub(stateMax, largest)), take = Lanes.exp(f32x4.sub(blockMax, largest));
  const sum = f32x4.add(f32x4.mul(v128.load32_splat(stateAt, 4), keep), f32x4.mul(v128.load32_splat(blockAt, 4), take));
  v128.store32_lane(stateAt, largest, 0, 0);
  v128.store32_lane(stateAt, sum, 0, 4);
  const whole = <usize>(d & ~3) << 2, keepOne = f32x4.extract_lane(keep, 0), takeOne = f32x4.extract_lane(take, 0);
  for (let at: usize = 0; at < whole; at += 16) {
    v128.store(stateAt + at, f32x4.add(f32x4.mul(v128.load(stateAt + at, 8), keep), f32x4.mul(v128.load(blockAt + at, 8), take)), 8);
  }
  for (let at = whole; at < <usize>d << 2; at += 4) {
    store<f32>(stateAt + at, load<f32>(stateAt + at, 8) * keepOne + load<f32>(blockAt + at, 8) * takeOne, 8);
  }
}

/** out [d] = o / sum. */
export function finish_state(outAt: usize, stateAt: usize, d: i32): void {
  const sum = load<f32>(stateAt, 4), sum_f32x4 = f32x4.splat(sum), whole = <usize>(d & ~3) << 2;
  for (let at: usize = 0; at < whole; at += 16) v128.store(outAt + at, f32x4.div(v128.load(stateAt + at, 8), sum_f32x4));
  for (let at = whole; at < <usize>d << 2; at += 4) store<f32>(outAt + at, load<f32>(stateAt + at, 8) / sum);
}
