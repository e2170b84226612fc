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

/** Places in the thread's scratch for one unit; sizes for 6 queries and head size d (padded to 8 as p). */
export class Scratch {
  @inline static queries(at: usize): usize { return at; } // [d][h]
  @inline static scores(at: usize, d: i32): usize { return at + (<usize>d * 6 << 2); } // [h][64]
  @inline static weights(at: usize, d: i32): usize { return Scratch.scores(at, d) + 6 * PAGE * 4; } // [h][64]: those of an 8-bit cache
  @inline static scales(at: usize, d: i32): usize { return Scratch.weights(at, d) + 6 * PAGE * 4; } // [8]: of the scores of 8 positions
  @inline static wide(at: usize, d: i32): usize { return Scratch.scales(at, d) + 8 * 4; } // [max(d, 64)][8]: widened i8
  @inline static block(at: usize, d: i32): usize { return Scratch.wide(at, d) + (<usize>max(d, PAGE) << 5); } // [h][2 + p]
  @inline static state(at: usize, d: i32): usize { return Scratch.block(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); }
  @inline static spans(at: usize, d: i32): usize { return Scratch.state(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); } // [h][begin, end] i32
}

/** Bytes that attention of head size d wants in a thread's scratch. */
export function attention_bytes(d: i32): usize {
  return Scratch.spans(0, d) + 6 * 8;
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

/** Features, or positions, that one query takes from four streams before the next query does: they stay in L1. */
const STREAM_PIECE = 8;
/** From the sums of one of four streams to those of the next: every second group of 8. */
const STREAM_SUMS: usize = 64;
/** Bytes of one query's scores of a block. */
const SCORES: usize = PAGE * 4;

class Tile {
  /**
   * out [h][8] = (out + x [n][h] . w [n][8]) (* scales [8]; scalesAt 0: none), n upwards. Element (k, row) of x lies at k * step + row * apart,
   * row r of the result at outAt + r * outStep. Scales come by address: V8's pairing stops the process at vectors that are parameters.
   */
  @inline static sums(h: i32, outAt: usize, outStep: usize, weightAt: usize, xAt: usize, step: usize, apart: usize, n: i32, scalesAt: usize): void {
    let s00 = v128.load(outAt, 0), s01 = v128.load(outAt, 16);
    let s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    if (h > 1) { s10 = v128.load(outAt + outStep * 1, 0); s11 = v128.load(outAt + outStep * 1, 16); }
    if (h > 2) { s20 = v128.load(outAt + outStep * 2, 0); s21 = v128.load(outAt + outStep * 2, 16); }
    if (h > 3) { s30 = v128.load(outAt + outStep * 3, 0); s31 = v128.load(outAt + outStep * 3, 16); }
    if (h > 4) { s40 = v128.load(outAt + outStep * 4, 0); s41 = v128.load(outAt + outStep * 4, 16); }
    if (h > 5) { s50 = v128.load(outAt + outStep * 5, 0); s51 = v128.load(outAt + outStep * 5, 16); }
    const end = weightAt + (<usize>n << 5);
    while (weightAt < end) {
      const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16);
      let x = v128.load32_splat(xAt);
      s00 = f32x4.add(s00, f32x4.mul(x, w0)); s01 = f32x4.add(s01, f32x4.mul(x, w1));
      if (h > 1) { x = v128.load32_splat(xAt + apart * 1); s10 = f32x4.add(s10, f32x4.mul(x, w0)); s11 = f32x4.add(s11, f32x4.mul(x, w1)); }
      if (h > 2) { x = v128.load32_splat(xAt + apart * 2); s20 = f32x4.add(s20, f32x4.mul(x, w0)); s21 = f32x4.add(s21, f32x4.mul(x, w1)); }
      if (h > 3) { x = v128.load32_splat(xAt + apart * 3); s30 = f32x4.add(s30, f32x4.mul(x, w0)); s31 = f32x4.add(s31, f32x4.mul(x, w1)); }
      if (h > 4) { x = v128.load32_splat(xAt + apart * 4); s40 = f32x4.add(s40, f32x4.mul(x, w0)); s41 = f32x4.add(s41, f32x4.mul(x, w1)); }
      if (h > 5) { x = v128.load32_splat(xAt + apart * 5); s50 = f32x4.add(s50, f32x4.mul(x, w0)); s51 = f32x4.add(s51, f32x4.mul(x, w1)); }
      weightAt += 32;
      xAt += step;
    }
    let scale0 = s00, scale1 = s00;
    if (scalesAt !== 0) { scale0 = v128.load(scalesAt, 0); scale1 = v128.load(scalesAt, 16); s00 = f32x4.mul(s00, scale0); s01 = f32x4.mul(s01, scale1); }
    v128.store(outAt, s00, 0); v128.store(outAt, s01, 16);
    if (h > 1) {
      if (scalesAt !== 0) { s10 = f32x4.mul(s10, scale0); s11 = f32x4.mul(s11, scale1); }
      v128.store(outAt + outStep * 1, s10, 0); v128.store(outAt + outStep * 1, s11, 16);
    }
    if (h > 2) {
      if (scalesAt !== 0) { s20 = f32x4.mul(s20, scale0); s21 = f32x4.mul(s21, scale1); }
      v128.store(outAt + outStep * 2, s20, 0); v128.store(outAt + outStep * 2, s21, 16);
    }
    if (h > 3) {
      if (scalesAt !== 0) { s30 = f32x4.mul(s30, scale0); s31 = f32x4.mul(s31, scale1); }
      v128.store(outAt + outStep * 3, s30, 0); v128.store(outAt + outStep * 3, s31, 16);
    }
    if (h > 4) {
      if (scalesAt !== 0) { s40 = f32x4.mul(s40, scale0); s41 = f32x4.mul(s41, scale1); }
      v128.store(outAt + outStep * 4, s40, 0); v128.store(outAt + outStep * 4, s41, 16);
    }
    if (h > 5) {
      if (scalesAt !== 0) { s50 = f32x4.mul(s50, scale0); s51 = f32x4.mul(s51, scale1); }
      v128.store(outAt + outStep * 5, s50, 0); v128.store(outAt + outStep * 5, s51, 16);
    }
  }

  /** Scores of 8 positions: x = queries [d][h]. */
  static scores(h: i32, outAt: usize, keysAt: usize, queriesAt: usize, d: i32, scalesAt: usize): void {
    switch (h) {
      case 1: Tile.sums(1, outAt, SCORES, keysAt, queriesAt, 4, 4, d, scalesAt); break;
      case 2: Tile.sums(2, outAt, SCORES, keysAt, queriesAt, 8, 4, d, scalesAt); break;
      case 3: Tile.sums(3, outAt, SCORES, keysAt, queriesAt, 12, 4, d, scalesAt); break;
      case 4: Tile.sums(4, outAt, SCORES, keysAt, queriesAt, 16, 4, d, scalesAt); break;
      case 5: Tile.sums(5, outAt, SCORES, keysAt, queriesAt, 20, 4, d, scalesAt); break;
      default: Tile.sums(6, outAt, SCORES, keysAt, queriesAt, 24, 4, d, scalesAt);
    }
  }

  /** 8 features of the weighted sum over n positions: x = weights [h][64]. */
  static values(h: i32, outAt: usize, outStep: usize, valuesAt: usize, weightsAt: usize, n: i32): void {
    switch (h) {
      case 1: Tile.sums(1, outAt, outStep, valuesAt, weightsAt, 4, SCORES, n, 0); break;
      case 2: Tile.sums(2, outAt, outStep, valuesAt, weightsAt, 4, SCORES, n, 0); break;
      case 3: Tile.sums(3, outAt, outStep, valuesAt, weightsAt, 4, SCORES, n, 0); break;
      case 4: Tile.sums(4, outAt, outStep, valuesAt, weightsAt, 4, SCORES, n, 0); break;
      case 5: Tile.sums(5, outAt, outStep, valuesAt, weightsAt, 4, SCORES, n, 0); break;
      default: Tile.sums(6, outAt, outStep, valuesAt, weightsAt, 4, SCORES, n, 0);
    }
  }
}

class Streams {
  /**
   * sums [4][8] (STREAM_SUMS bytes from one to the next) += x [n] . w [4][n][8], n upwards, then times scales [8] (0: none): four streams of
   * weights `apart` bytes from each other; element k of x lies at k * step. The order of every sum is that of `Tile.sums`.
   */
  @inline static sums(sumAt: usize, weightAt: usize, apart: usize, xAt: usize, step: usize, n: i32, scalesAt: usize): void {
    const at1 = sumAt + STREAM_SUMS, at2 = sumAt + STREAM_SUMS * 2, at3 = sumAt + STREAM_SUMS * 3;
    let s00 = v128.load(sumAt, 0), s01 = v128.load(sumAt, 16), s10 = v128.load(at1, 0), s11 = v128.load(at1, 16);
    let s20 = v128.load(at2, 0), s21 = v128.load(at2, 16), s30 = v128.load(at3, 0), s31 = v128.load(at3, 16);
    let w1 = weightAt + apart, w2 = w1 + apart, w3 = w2 + apart;
    const end = weightAt + (<usize>n << 5);
    while (weightAt < end) {
      const x = v128.load32_splat(xAt);
      s00 = f32x4.add(s00, f32x4.mul(x, v128.load(weightAt, 0))); s01 = f32x4.add(s01, f32x4.mul(x, v128.load(weightAt, 16)));
      s10 = f32x4.add(s10, f32x4.mul(x, v128.load(w1, 0))); s11 = f32x4.add(s11, f32x4.mul(x, v128.load(w1, 16)));
      s20 = f32x4.add(s20, f32x4.mul(x, v128.load(w2, 0))); s21 = f32x4.add(s21, f32x4.mul(x, v128.load(w2, 16)));
      s30 = f32x4.add(s30, f32x4.mul(x, v128.load(w3, 0))); s31 = f32x4.add(s31, f32x4.mul(x, v128.load(w3, 16)));
      weightAt += 32; w1 += 32; w2 += 32; w3 += 32;
      xAt += step;
    }
    if (scalesAt !== 0) {
      const scale0 = v128.load(scalesAt, 0), scale1 = v128.load(scalesAt, 16);
      s00 = f32x4.mul(s00, scale0); s01 = f32x4.mul(s01, scale1); s10 = f32x4.mul(s10, scale0); s11 = f32x4.mul(s11, scale1);
      s20 = f32x4.mul(s20, scale0); s21 = f32x4.mul(s21, scale1); s30 = f32x4.mul(s30, scale0); s31 = f32x4.mul(s31, scale1);
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16); v128.store(at1, s10, 0); v128.store(at1, s11, 16);
    v128.store(at2, s20, 0); v128.store(at2, s21, 16); v128.store(at3, s30, 0); v128.store(at3, s31, 16);
  }

  /** Scores of 32 positions. */
  static scores(sumAt: usize, keysAt: usize, apart: usize, queryAt: usize, step: usize, n: i32, scalesAt: usize): void {
    Streams.sums(sumAt, keysAt, apart, queryAt, step, n, scalesAt);
  }

  /** 32 features of the weighted sum over n positions. */
  static values(sumAt: usize, valuesAt: usize, apart: usize, weightsAt: usize, n: i32): void {
    Streams.sums(sumAt, valuesAt, apart, weightsAt, 4, n, 0);
  }
}

/** Scaled scores of positions [begin, end) (multiples of 8 around the spans) -> scores [h][64]. */
function block_scores(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32, begin: i32, end: i32, streams: bool): void {
  const scoresAt = Scratch.scores(scratchAt, d), scaleAt = Scratch.scales(scratchAt, d);
  const scale_f32x4 = f32x4.splat(scale);
  v128.store(scaleAt, scale_f32x4, 0);
  v128.store(scaleAt, scale_f32x4, 16);
  const groupBegin = begin >> 3, groupEnd = (end + 7) >> 3;
  clear_rows(scoresAt + (<usize>groupBegin << 5), SCORES, h, groupEnd - groupBegin);
  if (type !== CACHE_F32) {
    for (let group = groupBegin; group < groupEnd; group++) {
      widen_i8(Scratch.wide(scratchAt, d), headAt + (<usize>(group * d) << 3), d);
      const scalesAt = headAt + <usize>d * PAGE + (<usize>group << 5);
      v128.store(scaleAt, f32x4.mul(v128.load(scalesAt, 0), scale_f32x4), 0);
      v128.store(scaleAt, f32x4.mul(v128.load(scalesAt, 16), scale_f32x4), 16);
      Tile.scores(h, scoresAt + (<usize>group << 5), Scratch.wide(scratchAt, d), Scratch.queries(scratchAt), d, scaleAt);
    }
    return;
  }
  if (streams && groupEnd - groupBegin === PAGE >> 3) {
    const apart = <usize>d << 6;
    for (let first = 0; first < 2; first++) {
      for (let k = 0; k < d; k += STREAM_PIECE) {
        const n = min(STREAM_PIECE, d - k), last = k + n === d;
        for (let i = 0; i < h; i++) {
          const queryAt = Scratch.queries(scratchAt) + (<usize>(k * h + i) << 2);
          Streams.scores(scoresAt + <usize>i * SCORES + (<usize>first << 5), headAt + (<usize>(first * d + k) << 5), apart, queryAt, <usize>h << 2, n, last ? scaleAt : 0);
        }
      }
    }
    return;
  }
  for (let group = groupBegin; group < groupEnd; group++) {
    Tile.scores(h, scoresAt + (<usize>group << 5), headAt + (<usize>(group * d) << 5), Scratch.queries(scratchAt), d, scaleAt);
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

/** scores [64] of one query -> exp(s - max), zero outside [begin, end) as far as [blockBegin, blockEnd) goes; writes max and sum. */
function block_softmax(scoresAt: usize, stateAt: usize, begin: i32, end: i32, blockBegin: i32, blockEnd: i32): void {
  // What the loops below touch beyond the span weighs nothing.
  for (let t = blockBegin & ~3; t < begin; t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  for (let t = end; t < (blockEnd + 3 & ~3); t++) store<f32>(scoresAt + (<usize>t << 2), f32.NEGATIVE_INFINITY);
  // A NaN among the scores makes every weight NaN, as it must: max, not pmax.
  let largest_f32x4 = f32x4.splat(f32.NEGATIVE_INFINITY);
  for (let t = begin & ~3; t < end; t += 4) largest_f32x4 = f32x4.max(largest_f32x4, v128.load(scoresAt + (<usize>t << 2)));
  const largest = Lanes.max(largest_f32x4);
  largest_f32x4 = f32x4.splat(largest);
  let sum_f32x4 = f32x4.splat(0);
  // From a multiple of 8: the order of the sum.
  for (let t = begin & ~7; t < end; t += 4) {
    if (t + 4 <= begin) continue; // exact zeros
    const at = scoresAt + (<usize>t << 2);
    const power = Lanes.exp(f32x4.sub(v128.load(at), largest_f32x4));
    v128.store(at, power);
    sum_f32x4 = f32x4.add(sum_f32x4, power);
  }
  for (let t = blockBegin & ~3; t < (begin & ~3); t += 4) v128.store(scoresAt + (<usize>t << 2), f32x4.splat(0));
  for (let t = end + 3 & ~3; t < blockEnd; t += 4) v128.store(scoresAt + (<usize>t << 2), f32x4.splat(0));
  store<f32>(stateAt, largest, 0);
  store<f32>(stateAt, Lanes.sum(sum_f32x4), 4);
}

/** Weights of positions [begin, end) = exp(s - max) times the value scales of an 8-bit cache. */
function scale_weights(weightsAt: usize, powersAt: usize, scalesAt: usize, begin: i32, end: i32): void {
  for (let at = <usize>(begin & ~3) << 2; at < <usize>end << 2; at += 16) {
    v128.store(weightsAt + at, f32x4.mul(v128.load(powersAt + at), v128.load(scalesAt + at)));
  }
}

/**
 * One block of 64 positions for h staged queries and spans -> block: [h][max, sum, o[p]].
 *
 * `streams`: a whole page of an f32 cache is read as four streams at once, one query after the other, which a processor prefetches
 * better out of memory (200 MB, two threads of a Xeon: group after group 10 GB/s, pieces of four groups in turn 16, four streams 20;
 * plain reading 22-25). Tiles of all queries cost less where the page is in cache. No bit depends on it.
 */
export function attend_block(scratchAt: usize, headAt: usize, type: u32, h: i32, d: i32, scale: f32, streams: bool, blockAt: usize): void {
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
  if (begin < end) block_scores(scratchAt, headAt, type, h, d, scale, begin, end, streams);
  const scoresAt = Scratch.scores(scratchAt, d);
  const scalesAt = headAt + Pages.keyBytes(type, d) + <usize>padded * PAGE;
  for (let i: usize = 0; i < <usize>h; i++) {
    const seenBegin = load<i32>(spansAt + (i << 3), 0), seenEnd = load<i32>(spansAt + (i << 3), 4);
    const stateAt = blockAt + i * stateBytes, rowAt = scoresAt + i * SCORES;
    if (seenBegin < seenEnd) {
      block_softmax(rowAt, stateAt, seenBegin, seenEnd, begin, end);
    } else {
      store<f32>(stateAt, f32.NEGATIVE_INFINITY, 0);
      store<f32>(stateAt, 0, 4);
      if (begin < end) memory.fill(rowAt + (<usize>begin << 2), 0, <usize>(end - begin) << 2);
    }
    if (type !== CACHE_F32 && begin < end) scale_weights(Scratch.weights(scratchAt, d) + i * SCORES, rowAt, scalesAt, begin, end);
  }
  if (begin >= end) return;
  const valuesAt = headAt + Pages.keyBytes(type, d);
  clear_rows(blockAt + 8, stateBytes, h, padded >> 3);
  if (type !== CACHE_F32) {
    for (let group = 0; group < padded >> 3; group++) {
      widen_i8(Scratch.wide(scratchAt, d), valuesAt + (<usize>(group * PAGE + begin) << 3), end - begin);
      const weightsAt = Scratch.weights(scratchAt, d) + (<usize>begin << 2);
      Tile.values(h, blockAt + 8 + (<usize>group << 5), stateBytes, Scratch.wide(scratchAt, d), weightsAt, end - begin);
    }
    return;
  }
  let group = 0;
  if (streams && end - begin === PAGE) {
    for (; group + 8 <= padded >> 3; group += 8) {
      for (let first = group; first < group + 2; first++) {
        for (let t = 0; t < PAGE; t += STREAM_PIECE) {
          for (let i = 0; i < h; i++) {
            Streams.values(blockAt + 8 + <usize>i * stateBytes + (<usize>first << 5), valuesAt + (<usize>(first * PAGE + t) << 5), PAGE << 6, scoresAt + <usize>i * SCORES + (<usize>t << 2), STREAM_PIECE);
          }
        }
      }
    }
  }
  for (; group < padded >> 3; group++) {
    Tile.values(h, blockAt + 8 + (<usize>group << 5), stateBytes, valuesAt + (<usize>(group * PAGE + begin) << 5), scoresAt + (<usize>begin << 2), end - begin);
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
