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
import { Pages, widen_i8 } from "./cache";
import { tile_f32 } from "../weights/float";

/** Places in the thread's scratch for one unit; sizes for 6 queries and head size d (padded to 8 as p). */
export class Scratch {
  @inline static queries(at: usize): usize { return at; } // [d][h]
  @inline static scores(at: usize, d: i32): usize { return at + (<usize>d * 6 << 2); } // [h][64]
  @inline static weights(at: usize, d: i32): usize { return Scratch.scores(at, d) + 6 * PAGE * 4; } // [64][h]
  @inline static sums(at: usize, d: i32): usize { return Scratch.weights(at, d) + 6 * PAGE * 4; } // [h][8]
  @inline static wide(at: usize, d: i32): usize { return Scratch.sums(at, d) + 6 * 8 * 4; } // [max(d, 64)][8]: widened i8
  @inline static block(at: usize, d: i32): usize { return Scratch.wide(at, d) + (<usize>max(d, PAGE) << 5); } // [h][2 + p]
  @inline static state(at: usize, d: i32): usize { return Scratch.block(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); }
  @inline static spans(at: usize, d: i32): usize { return Scratch.state(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); } // [h][begin, end] i32
}

/** Query i of h -> panel [d][h]. */
export function stage_query(scratchAt: usize, queryAt: usize, i: i32, h: i32, d: i32): void {
  const panelAt = Scratch.queries(scratchAt) + (<usize>i << 2);
  for (let feature = 0; feature < d; feature++) store<f32>(panelAt + (<usize>(feature * h) << 2), load<f32>(queryAt + (<usize>feature << 2)));
}

/** Positions of the block that query i sees: [begin, end) of 0..64. */
export function stage_span(scratchAt: usize, i: i32, begin: i32, end: i32, d: i32): void {
  store<i32>(Scratch.spans(scratchAt, d) + (<usize>i << 3), begin, 0);
  store<i32>(Scratch.spans(scratchAt, d) + (<usize>i << 3), end, 4);
}

/** Scaled scores of positions [begin, end) (multiples of 8 around the spans) -> scores [h][64]. */
function block_scores(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32, begin: i32, end: i32): void {
  const sumsAt = Scratch.sums(scratchAt, d), scoresAt = Scratch.scores(scratchAt, d);
  for (let group = begin >> 3; group < (end + 7) >> 3; group++) {
    let keysAt = headAt + (<usize>(group * d) << (type === CACHE_F32 ? 5 : 3));
    let scale0 = f32x4.splat(scale), scale1 = scale0;
    if (type !== CACHE_F32) {
      widen_i8(Scratch.wide(scratchAt, d), keysAt, d);
      keysAt = Scratch.wide(scratchAt, d);
      const scalesAt = headAt + <usize>d * PAGE + (<usize>group << 5);
      scale0 = f32x4.mul(v128.load(scalesAt, 0), scale0);
      scale1 = f32x4.mul(v128.load(scalesAt, 16), scale1);
    }
    memory.fill(sumsAt, 0, <usize>h << 5);
    tile_f32(h, sumsAt, keysAt, Scratch.queries(scratchAt), d);
    for (let i: usize = 0; i < <usize>h; i++) {
      const toAt = scoresAt + (i << 8) + (<usize>group << 5);
      v128.store(toAt, f32x4.mul(v128.load(sumsAt + (i << 5), 0), scale0), 0);
      v128.store(toAt, f32x4.mul(v128.load(sumsAt + (i << 5), 16), scale1), 16);
    }
  }
}

/** scores [64] of one query -> exp(s - max), zero outside [begin, end); writes max and sum; returns nothing for an empty span. */
function block_softmax(scoresAt: usize, stateAt: usize, begin: i32, end: i32): void {
  let largest: f32 = f32.NEGATIVE_INFINITY;
  for (let t = begin; t < end; t++) largest = max(largest, load<f32>(scoresAt + (<usize>t << 2)));
  for (let t = begin & ~7; t < begin; t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  for (let t = end; t < ((end + 7) & ~7); t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  const largest_f32x4 = f32x4.splat(largest);
  let sum_f32x4 = f32x4.splat(0);
  for (let t = begin & ~7; t < end; t += 4) {
    const at = scoresAt + (<usize>t << 2);
    const power = Lanes.exp(f32x4.sub(v128.load(at), largest_f32x4));
    v128.store(at, power);
    sum_f32x4 = f32x4.add(sum_f32x4, power);
  }
  // The four-lane loop may stop one vector before a group of 8 ends: what it did not reach is a zero weight.
  for (let t = (end + 3) & ~3; t < ((end + 7) & ~7); t++) store<f32>(scoresAt + (<usize>t << 2), 0);
  store<f32>(stateAt, largest, 0);
  store<f32>(stateAt, Lanes.sum(sum_f32x4), 4);
}

/** weights [64][h] from scores [h][64], zero where a query sees nothing; value scales of an 8-bit cache go in here. */
function block_weights(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, begin: i32, end: i32): void {
  const scoresAt = Scratch.scores(scratchAt, d), weightsAt = Scratch.weights(scratchAt, d), spansAt = Scratch.spans(scratchAt, d);
  const scalesAt = headAt + Pages.keyBytes(type, d) + <usize>Pages.padded(d) * PAGE;
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    for (let t = begin; t < end; t++) {
      let weight: f32 = t >= seenBegin && t < seenEnd ? load<f32>(scoresAt + (i << 8) + (<usize>t << 2)) : 0;
      if (type !== CACHE_F32) weight *= load<f32>(scalesAt + (<usize>t << 2));
      store<f32>(weightsAt + ((<usize>(t * h) + i) << 2), weight);
    }
  }
}

/** One block of 64 positions for h staged queries and spans -> Scratch.block: [h][max, sum, o[p]]. */
export function attend_block(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32): void {
  const spansAt = Scratch.spans(scratchAt, d), blockAt = Scratch.block(scratchAt, d);
  const padded = Pages.padded(d);
  const stateBytes = <usize>(2 + padded) << 2;
  let begin = PAGE, end = 0;
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    if (seenBegin >= seenEnd) continue;
    begin = min(begin, seenBegin);
    end = max(end, seenEnd);
  }
  if (begin < end) block_scores(scratchAt, headAt, type, h, d, scale, begin, end);
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    const stateAt = blockAt + i * stateBytes;
    if (seenBegin < seenEnd) {
      block_softmax(Scratch.scores(scratchAt, d) + (i << 8), stateAt, seenBegin, seenEnd);
    } else {
      store<f32>(stateAt, f32.NEGATIVE_INFINITY, 0);
      store<f32>(stateAt, 0, 4);
    }
  }
  if (begin >= end) return;
  block_weights(scratchAt, headAt, type, h, d, begin, end);
  const valuesAt = headAt + Pages.keyBytes(type, d), sumsAt = Scratch.sums(scratchAt, d);
  for (let group = 0; group < padded >> 3; group++) {
    let fromAt = valuesAt + (<usize>(group * PAGE + begin) << (type === CACHE_F32 ? 5 : 3));
    if (type !== CACHE_F32) {
      widen_i8(Scratch.wide(scratchAt, d), fromAt, end - begin);
      fromAt = Scratch.wide(scratchAt, d);
    }
    memory.fill(sumsAt, 0, <usize>h << 5);
    tile_f32(h, sumsAt, fromAt, Scratch.weights(scratchAt, d) + (<usize>(begin * h) << 2), end - begin);
    for (let i: usize = 0; i < <usize>h; i++) {
      const toAt = blockAt + i * stateBytes + 8 + (<usize>group << 5);
      v128.store(toAt, v128.load(sumsAt + (i << 5), 0), 0);
      v128.store(toAt, v128.load(sumsAt + (i << 5), 16), 16);
    }
  }
}

export function clear_state(stateAt: usize, d: i32): void {
  memory.fill(stateAt, 0, <usize>(2 + d) << 2);
  store<f32>(stateAt, f32.NEGATIVE_INFINITY);
}

/** state = state merged with block, [max, sum, o[d]] each; a block that saw nothing changes nothing. */
export function merge_state(stateAt: usize, blockAt: usize, d: i32): void {
  const blockMax = load<f32>(blockAt);
  if (blockMax === f32.NEGATIVE_INFINITY) return;
  const stateMax = load<f32>(stateAt);
  const largest = max(stateMax, blockMax);
  const keep = Lanes.exp(f32x4.splat(stateMax - largest)), take = Lanes.exp(f32x4.splat(blockMax - largest));
  const keepOne = f32x4.extract_lane(keep, 0), takeOne = f32x4.extract_lane(take, 0);
  store<f32>(stateAt, largest, 0);
  store<f32>(stateAt, load<f32>(stateAt, 4) * keepOne + load<f32>(blockAt, 4) * takeOne, 4);
  let feature = 0;
  for (; feature + 4 <= d; feature += 4) {
    const at = stateAt + 8 + (<usize>feature << 2);
    v128.store(at, f32x4.add(f32x4.mul(v128.load(at), keep), f32x4.mul(v128.load(blockAt + 8 + (<usize>feature << 2)), take)));
  }
  for (; feature < d; feature++) {
    const at = stateAt + 8 + (<usize>feature << 2);
    store<f32>(at, load<f32>(at) * keepOne + load<f32>(blockAt + 8 + (<usize>feature << 2)) * takeOne);
  }
}

/** out [d] = o / sum. */
export function finish_state(outAt: usize, stateAt: usize, d: i32): void {
  const sum = load<f32>(stateAt, 4);
  for (let feature = 0; feature < d; feature++) {
    store<f32>(outAt + (<usize>feature << 2), load<f32>(stateAt + 8 + (<usize>feature << 2)) / sum);
  }
}
