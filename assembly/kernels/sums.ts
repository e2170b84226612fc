/**
 * The two products of attention over an f32 cache, queries with keys and weights with values: sums of a page's head over k, in one order on every path.
 *
 *   out [h][groups][8] += x [h][n] . w [groups][n][8]      k upwards, multiply and add apart
 *
 * Rows of x are X_ROW bytes apart. How many groups are read at once, `streams`, is for the processor's prefetchers to like or not:
 * no bit depends on it.
 */

import { PAGE } from "../abi";

/** Bytes from one row of x to the next. */
export const X_ROW: usize = PAGE * 4;
/** What every stream gives before the next ones have their turn, where registers do not hold all their sums. */
const PIECE = 16;
/**
 * Queries of which tiles stand within the loops over them. V8 of Node 20 unrolls an innermost loop the more often the deeper it stands,
 * up to three turns here: 323 -> 280 cycles for 64 turns of three queries on an EPYC (Zen 4). What five and six unroll, it spills.
 */
const MOST_NESTED = 4;

/** Bytes of a step of k: 8 values. */
const STEP: usize = 32;

class Tile {
  /**
   * h queries over g streams, h * g <= 6: row r is query r % h over stream r / h. Sums of stream j and query i lie at
   * outAt + j * outApart + i * outStep, its weights at weightAt + j * apart.
   */
  @inline static sums(h: i32, g: i32, outAt: usize, outStep: usize, outApart: usize, weightAt: usize, apart: usize, xAt: usize, n: i32): void {
    const o1 = outAt + outStep * (1 % h) + outApart * (1 / h), o2 = outAt + outStep * (2 % h) + outApart * (2 / h);
    const o3 = outAt + outStep * (3 % h) + outApart * (3 / h), o4 = outAt + outStep * (4 % h) + outApart * (4 / h);
    const o5 = outAt + outStep * (5 % h) + outApart * (5 / h);
    let s00 = v128.load(outAt, 0), s01 = v128.load(outAt, 16);
    let s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
    if (h * g > 1) { s10 = v128.load(o1, 0); s11 = v128.load(o1, 16); }
    if (h * g > 2) { s20 = v128.load(o2, 0); s21 = v128.load(o2, 16); }
    if (h * g > 3) { s30 = v128.load(o3, 0); s31 = v128.load(o3, 16); }
    if (h * g > 4) { s40 = v128.load(o4, 0); s41 = v128.load(o4, 16); }
    if (h * g > 5) { s50 = v128.load(o5, 0); s51 = v128.load(o5, 16); }
    let at1 = weightAt + apart, at2 = at1 + apart, at3 = at2 + apart;
    const end = weightAt + <usize>n * STEP;
    while (weightAt < end) {
      let w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16);
      let x = v128.load32_splat(xAt, 0);
      s00 = f32x4.add(s00, f32x4.mul(x, w0)); s01 = f32x4.add(s01, f32x4.mul(x, w1));
      if (h * g > 1) {
        if (h === 1) { w0 = v128.load(at1, 0); w1 = v128.load(at1, 16); }
        if (h > 1) x = v128.load32_splat(xAt, X_ROW);
        s10 = f32x4.add(s10, f32x4.mul(x, w0)); s11 = f32x4.add(s11, f32x4.mul(x, w1));
      }
      if (h * g > 2) {
        if (h === 1) { w0 = v128.load(at2, 0); w1 = v128.load(at2, 16); }
        if (h === 2) { w0 = v128.load(at1, 0); w1 = v128.load(at1, 16); x = v128.load32_splat(xAt, 0); }
        if (h > 2) x = v128.load32_splat(xAt, X_ROW * 2);
        s20 = f32x4.add(s20, f32x4.mul(x, w0)); s21 = f32x4.add(s21, f32x4.mul(x, w1));
      }
      if (h * g > 3) {
        if (h === 1) { w0 = v128.load(at3, 0); w1 = v128.load(at3, 16); }
        if (h === 3) { w0 = v128.load(at1, 0); w1 = v128.load(at1, 16); x = v128.load32_splat(xAt, 0); }
        if (h === 2) x = v128.load32_splat(xAt, X_ROW);
        if (h > 3) x = v128.load32_splat(xAt, X_ROW * 3);
        s30 = f32x4.add(s30, f32x4.mul(x, w0)); s31 = f32x4.add(s31, f32x4.mul(x, w1));
      }
      if (h * g > 4) {
        if (h === 3) x = v128.load32_splat(xAt, X_ROW);
        if (h > 4) x = v128.load32_splat(xAt, X_ROW * 4);
        s40 = f32x4.add(s40, f32x4.mul(x, w0)); s41 = f32x4.add(s41, f32x4.mul(x, w1));
      }
      if (h * g > 5) {
        if (h === 3) x = v128.load32_splat(xAt, X_ROW * 2);
        if (h > 5) x = v128.load32_splat(xAt, X_ROW * 5);
        s50 = f32x4.add(s50, f32x4.mul(x, w0)); s51 = f32x4.add(s51, f32x4.mul(x, w1));
      }
      weightAt += STEP;
      if (g > 1) at1 += STEP;
      if (g > 2) at2 += STEP;
      if (g > 3) at3 += STEP;
      xAt += 4;
    }
    v128.store(outAt, s00, 0); v128.store(outAt, s01, 16);
    if (h * g > 1) { v128.store(o1, s10, 0); v128.store(o1, s11, 16); }
    if (h * g > 2) { v128.store(o2, s20, 0); v128.store(o2, s21, 16); }
    if (h * g > 3) { v128.store(o3, s30, 0); v128.store(o3, s31, 16); }
    if (h * g > 4) { v128.store(o4, s40, 0); v128.store(o4, s41, 16); }
    if (h * g > 5) { v128.store(o5, s50, 0); v128.store(o5, s51, 16); }
  }

  /** Streams that one tile of h queries reads at once, at most `streams`. */
  @inline static streams(h: i32, streams: i32): i32 { return min(streams, h === 1 ? 4 : h <= 3 ? 2 : 1); }

  /** Tiles of `groups` groups of each of `streams` streams. */
  @inline static all(h: i32, g: i32, streams: i32, outAt: usize, outStep: usize, groups: i32, weightAt: usize, groupBytes: usize, xAt: usize, n: i32): void {
    const apart = <usize>groups * groupBytes, outApart = <usize>groups << 5;
    const piece = g === streams ? n : PIECE;
    for (let group: usize = 0; group < <usize>groups; group++) {
      for (let k = 0; k < n; k += piece) {
        for (let stream: usize = 0; stream < <usize>streams; stream += <usize>g) {
          Tile.sums(h, g, outAt + (group << 5) + stream * outApart, outStep, outApart, weightAt + group * groupBytes + stream * apart + <usize>k * STEP, apart, xAt + (<usize>k << 2), min(piece, n - k));
        }
      }
    }
  }

  /** All tiles of h queries; of more than MOST_NESTED the first one. */
  static of(h: i32, g: i32, streams: i32, outAt: usize, outStep: usize, groups: i32, weightAt: usize, groupBytes: usize, xAt: usize, n: i32): void {
    switch (g << 3 | h) {
      case 0o11: Tile.all(1, 1, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o21: Tile.all(1, 2, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o41: Tile.all(1, 4, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o12: Tile.all(2, 1, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o22: Tile.all(2, 2, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o13: Tile.all(3, 1, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o23: Tile.all(3, 2, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o14: Tile.all(4, 1, streams, outAt, outStep, groups, weightAt, groupBytes, xAt, n); break;
      case 0o15: Tile.sums(5, 1, outAt, outStep, 0, weightAt, 0, xAt, n); break;
      default: Tile.sums(6, 1, outAt, outStep, 0, weightAt, 0, xAt, n);
    }
  }
}

/**
 * h rows of `groups` groups, one behind the other in `out` (rows outStep bytes apart) and groupBytes apart in the cache: n <= 64 steps
 * of k from weightAt on.
 */
export function add_products(h: i32, streams: i32, outAt: usize, outStep: usize, groups: i32, weightAt: usize, groupBytes: usize, xAt: usize, n: i32): void {
  const each = groups / streams, rest = groups - each * streams;
  if (h > MOST_NESTED) tile_by_tile(h, streams, outAt, outStep, each, weightAt, groupBytes, xAt, n);
  else Tile.of(h, Tile.streams(h, streams), streams, outAt, outStep, each, weightAt, groupBytes, xAt, n);
  if (rest !== 0) {
    const before = <usize>(groups - rest);
    add_products(h, 1, outAt + (before << 5), outStep, rest, weightAt + before * groupBytes, groupBytes, xAt, n);
  }
}

function tile_by_tile(h: i32, streams: i32, outAt: usize, outStep: usize, groups: i32, weightAt: usize, groupBytes: usize, xAt: usize, n: i32): void {
  const apart = <usize>groups * groupBytes, outApart = <usize>groups << 5;
  const piece = streams === 1 ? n : PIECE;
  for (let group: usize = 0; group < <usize>groups; group++) {
    for (let k = 0; k < n; k += piece) {
      for (let stream: usize = 0; stream < <usize>streams; stream++) {
        Tile.of(h, 1, 1, outAt + (group << 5) + stream * outApart, outStep, 1, weightAt + group * groupBytes + stream * apart + <usize>k * STEP, groupBytes, xAt + (<usize>k << 2), min(piece, n - k));
      }
    }
  }
}
