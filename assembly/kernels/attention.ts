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
 */

import { CACHE_F32, PAGE } from "../abi";
import { Lanes } from "../lanes";
import { Pages } from "./cache";
import { add_products, X_ROW } from "./sums";

/** Places in the thread's scratch for one unit; sizes for 6 queries and head size d (padded to 8 as p). */
export class Scratch {
  @inline static queries(at: usize): usize { return at; } // [pieces of 64 features][6][64]
  @inline static scores(at: usize, d: i32): usize { return at + <usize>Pieces.of(d) * 6 * X_ROW; } // [h][64]
  @inline static weights(at: usize, d: i32): usize { return Scratch.scores(at, d) + 6 * X_ROW; } // [h][64]: those of an 8-bit cache
  @inline static block(at: usize, d: i32): usize { return Scratch.weights(at, d) + 6 * X_ROW; } // [h][2 + p]
  @inline static state(at: usize, d: i32): usize { return Scratch.block(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); }
  @inline static spans(at: usize, d: i32): usize { return Scratch.state(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); } // [h][begin, end] i32
}

/** Queries stand in pieces of as many features as a page has positions: so their rows are as far apart as those of weights. */
class Pieces {
  @inline static of(d: i32): i32 { return (d + PAGE - 1) / PAGE; }
}

/** Bytes that attention of head size d wants in a thread's scratch. */
export function attention_bytes(d: i32): usize {
  return Scratch.spans(0, d) + 6 * 8;
}

/** Query i [d] f32 -> its rows of the pieces. */
export function stage_query(scratchAt: usize, queryAt: usize, i: i32, d: i32): void {
  let to = Scratch.queries(scratchAt) + <usize>i * X_ROW;
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

/** Products of queries and keys [groupBegin * 8, groupEnd * 8), not scaled yet -> scores [h][64]. */
function block_scores(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, groupBegin: i32, groupEnd: i32, streams: i32): void {
  const scoresAt = Scratch.scores(scratchAt, d) + (<usize>groupBegin << 5);
  clear_rows(scoresAt, X_ROW, h, groupEnd - groupBegin);
  const groupBytes = Pages.groupBytes(type, d), pieceBytes = Pages.groupBytes(type, PAGE);
  let keysAt = headAt + <usize>groupBegin * groupBytes, queriesAt = Scratch.queries(scratchAt);
  for (let feature = 0; feature < d; feature += PAGE) {
    add_products(type, h, streams, scoresAt, X_ROW, groupEnd - groupBegin, keysAt, groupBytes, queriesAt, min(PAGE, d - feature));
    keysAt += pieceBytes;
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

/** Products [begin, end) of one query (multiples of 8) times `scale` and the scales of 8-bit keys. */
function scale_scores(scoresAt: usize, scale: f32, keyScalesAt: usize, begin: i32, end: i32): void {
  const scale_f32x4 = f32x4.splat(scale);
  for (let at = <usize>begin << 2, last = <usize>end << 2; at < last; at += 32) {
    const a = f32x4.mul(v128.load(scoresAt + at, 0), f32x4.mul(v128.load(keyScalesAt + at, 0), scale_f32x4));
    const b = f32x4.mul(v128.load(scoresAt + at, 16), f32x4.mul(v128.load(keyScalesAt + at, 16), scale_f32x4));
    v128.store(scoresAt + at, a, 0);
    v128.store(scoresAt + at, b, 16);
  }
}

/** The largest of scores [begin, end) (multiples of 8); NaN where one of them is: what follows must be NaN too. */
function largest_score(scoresAt: usize, begin: i32, end: i32): f32 {
  let a = f32x4.splat(f32.NEGATIVE_INFINITY), b = a, odd_a = f32x4.splat(0), odd_b = odd_a;
  for (let at = scoresAt + (<usize>begin << 2), last = scoresAt + (<usize>end << 2); at < last; at += 32) {
    const x = v128.load(at, 0), y = v128.load(at, 16);
    a = f32x4.pmax(a, x);
    b = f32x4.pmax(b, y);
    odd_a = v128.or(odd_a, f32x4.ne(x, x));
    odd_b = v128.or(odd_b, f32x4.ne(y, y));
  }
  if (v128.any_true(v128.or(odd_a, odd_b))) return f32.NaN;
  // Not lane by lane: a maximum of two floats is branches that nobody can foresee.
  const four = f32x4.pmax(a, b), two = f32x4.pmax(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(two, v128.shuffle<i32>(two, two, 1, 0, 3, 2)), 0);
}

/**
 * scores [64] of one query, `scale` (above 0) still to come -> exp(s - max), zero outside [begin, end) as far as [from, to) goes
 * (multiples of 8); writes max and sum. The largest before the scale is the largest behind it: neither a product nor its rounding
 * changes an order.
 */
function block_softmax(scoresAt: usize, stateAt: usize, scale: f32, begin: i32, end: i32, from: i32, to: i32): void {
  // What lies beyond the span weighs nothing.
  for (let t = from; t < begin; t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  for (let t = end; t < to; t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  const largest = largest_score(scoresAt, from, to) * scale;
  const largest_f32x4 = f32x4.splat(largest), scale_f32x4 = f32x4.splat(scale);
  const first = scoresAt + (<usize>from << 2), last = scoresAt + (<usize>to << 2);
  for (let at = first; at < last; at += 32) {
    const a = Lanes.exp(f32x4.sub(f32x4.mul(v128.load(at, 0), scale_f32x4), largest_f32x4));
    const b = Lanes.exp(f32x4.sub(f32x4.mul(v128.load(at, 16), scale_f32x4), largest_f32x4));
    v128.store(at, a, 0);
    v128.store(at, b, 16);
  }
  let sum_f32x4 = f32x4.splat(0);
  for (let at = first; at < last; at += 16) sum_f32x4 = f32x4.add(sum_f32x4, v128.load(at));
  store<f32>(stateAt, largest, 0);
  store<f32>(stateAt, Lanes.sum(sum_f32x4), 4);
}

/** Weights of positions [from, to) (multiples of 8) = exp(s - max) times the value scales of an 8-bit cache. */
function scale_weights(weightsAt: usize, powersAt: usize, scalesAt: usize, from: i32, to: i32): void {
  for (let at = <usize>from << 2; at < <usize>to << 2; at += 32) {
    const a = f32x4.mul(v128.load(powersAt + at, 0), v128.load(scalesAt + at, 0)), b = f32x4.mul(v128.load(powersAt + at, 16), v128.load(scalesAt + at, 16));
    v128.store(weightsAt + at, a, 0);
    v128.store(weightsAt + at, b, 16);
  }
}

/**
 * One block of 64 positions for h staged queries and spans -> block: [h][max, sum, o[p]]. `streams`, 1, 2, 4 or 8: groups of 8
 * positions or features that are read at once (sums.ts).
 */
export function attend_block(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32, streams: i32, blockAt: usize): void {
  const spansAt = Scratch.spans(scratchAt, d);
  const padded = Pages.padded(d);
  const stateBytes = <usize>(2 + padded) << 2;
  let begin = PAGE, end = 0;
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    if (seenBegin >= seenEnd) continue;
    begin = min(begin, seenBegin);
    end = max(end, seenEnd);
  }
  const from = begin & ~7, to = (end + 7) & ~7;
  const scoresAt = Scratch.scores(scratchAt, d), weightsAt = Scratch.weights(scratchAt, d);
  const valuesAt = headAt + Pages.keyBytes(type, d);
  if (begin < end) block_scores(scratchAt, headAt, type, h, d, from >> 3, to >> 3, streams);
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    const stateAt = blockAt + i * stateBytes, rowAt = scoresAt + i * X_ROW;
    if (seenBegin < seenEnd) {
      if (type !== CACHE_F32) scale_scores(rowAt, scale, headAt + <usize>d * PAGE, from, to);
      block_softmax(rowAt, stateAt, type === CACHE_F32 ? scale : 1, seenBegin, seenEnd, from, to);
    } else {
      store<f32>(stateAt, f32.NEGATIVE_INFINITY, 0);
      store<f32>(stateAt, 0, 4);
      if (begin < end) memory.fill(rowAt + (<usize>begin << 2), 0, <usize>(end - begin) << 2);
    }
    if (type !== CACHE_F32 && begin < end) scale_weights(weightsAt + i * X_ROW, rowAt, valuesAt + <usize>padded * PAGE, from, to);
  }
  if (begin >= end) return;
  clear_rows(blockAt + 8, stateBytes, h, padded >> 3);
  const groupBytes = Pages.groupBytes(type, PAGE), before = <usize>begin << 2;
  const xAt = (type !== CACHE_F32 ? weightsAt : scoresAt) + before;
  add_products(type, h, streams, blockAt + 8, stateBytes, padded >> 3, valuesAt + Pages.groupBytes(type, begin), groupBytes, xAt, end - begin);
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
