/**
 * Tiles of two groups of q8_0, `lane` bytes from one to the other, for 256-bit pairs: an activation that is spread over a vector meets two vectors
 * of weights, not one. What bounds such tiles is how many instructions a core takes up, six a cycle: a dot of four bytes an output is one
 * of them, and so is the spreading. Where the dot takes an unsigned byte (bytes.ts, sixteens.ts), in the relaxed build alone.
 *
 * Two groups and one, 6 rows, Node 26 wide, a Xeon with AVX-VNNI, GOP/s: beside 16 bits 126 and 100 (pairs of i16 95), beside 8 bits 219 and 199.
 * In 128 bits sums find no registers. Codes of 4 bits want one register more for their mask: V8 keeps a sum on its stack in every turn, which
 * it aligns to 8 bytes, so by the frames above q4_0 makes 1.1 times the one group's rate or half of it; 5 rows fit (1.15 times).
 *
 * s [2][6][8] f32 = W x of 5 or 6 rows; lower tiles go group by group. Operands, sums and their order are those of the tile of one group, so the
 * bits are. Beside 16 bits sums lie in memory instead of on that stack. Their addresses are written out, or V8 pairs none of all this.
 */

import { Lanes } from "../lanes";
import { Bytes } from "./bytes";
import { Sixteens, UNITS } from "./sixteens";
import { SUM_BYTES } from "../visits";

class Tile {
  /** q8_0 beside 8 bits (bytes.ts), 2 or 3 rows out of a panel whose lines are `line` bytes: sums of six rows and two groups find no registers. */
  @inline static bytes(h: i32, line: usize, sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
    const none = f32x4.splat(0);
    let s00 = none, s01 = none, s02 = none, s03 = none, s10 = none, s11 = none, s12 = none, s13 = none, s20 = none, s21 = none, s22 = none, s23 = none;
    for (let block = 0; block < blocks; block++) {
      let c00 = Bytes.begin(false, sumsAt), c01 = c00, c02 = c00, c03 = c00;
      let c10 = Bytes.begin(false, sumsAt + 4), c11 = c10, c12 = c10, c13 = c10;
      let c20 = c00, c21 = c00, c22 = c00, c23 = c00;
      if (h > 2) { c20 = Bytes.begin(false, sumsAt + 8); c21 = c20; c22 = c20; c23 = c20; }
      const end = weightAt + UNITS * step;
      while (weightAt < end) {
        const at1 = weightAt + lane;
        const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16), w2 = v128.load(at1, 0), w3 = v128.load(at1, 16);
        let x: v128;
        x = v128.load32_splat(panelAt, 0); c00 = Lanes.dotAddBytes(false, x, w0, c00); c01 = Lanes.dotAddBytes(false, x, w1, c01); c02 = Lanes.dotAddBytes(false, x, w2, c02); c03 = Lanes.dotAddBytes(false, x, w3, c03);
        x = v128.load32_splat(panelAt, 4); c10 = Lanes.dotAddBytes(false, x, w0, c10); c11 = Lanes.dotAddBytes(false, x, w1, c11); c12 = Lanes.dotAddBytes(false, x, w2, c12); c13 = Lanes.dotAddBytes(false, x, w3, c13);
        if (h > 2) { x = v128.load32_splat(panelAt, 8); c20 = Lanes.dotAddBytes(false, x, w0, c20); c21 = Lanes.dotAddBytes(false, x, w1, c21); c22 = Lanes.dotAddBytes(false, x, w2, c22); c23 = Lanes.dotAddBytes(false, x, w3, c23); }
        weightAt += step;
        panelAt += line;
      }
      const end1 = weightAt + lane;
      const scales0 = v128.load(weightAt, 0), scales1 = v128.load(weightAt, 16), scales2 = v128.load(end1, 0), scales3 = v128.load(end1, 16);
      let row: v128;
      row = v128.load32_splat(scaleAt, 0); s00 = Lanes.addScaled(s00, c00, row, scales0); s01 = Lanes.addScaled(s01, c01, row, scales1); s02 = Lanes.addScaled(s02, c02, row, scales2); s03 = Lanes.addScaled(s03, c03, row, scales3);
      row = v128.load32_splat(scaleAt, 4); s10 = Lanes.addScaled(s10, c10, row, scales0); s11 = Lanes.addScaled(s11, c11, row, scales1); s12 = Lanes.addScaled(s12, c12, row, scales2); s13 = Lanes.addScaled(s13, c13, row, scales3);
      if (h > 2) { row = v128.load32_splat(scaleAt, 8); s20 = Lanes.addScaled(s20, c20, row, scales0); s21 = Lanes.addScaled(s21, c21, row, scales1); s22 = Lanes.addScaled(s22, c22, row, scales2); s23 = Lanes.addScaled(s23, c23, row, scales3); }
      weightAt += step;
      scaleAt += line;
      sumsAt += line;
    }
    v128.store(sumAt, s00, 0); v128.store(sumAt, s01, 16); v128.store(sumAt, s02, SUM_BYTES); v128.store(sumAt, s03, SUM_BYTES + 16);
    v128.store(sumAt, s10, 32); v128.store(sumAt, s11, 48); v128.store(sumAt, s12, SUM_BYTES + 32); v128.store(sumAt, s13, SUM_BYTES + 48);
    if (h > 2) { v128.store(sumAt, s20, 64); v128.store(sumAt, s21, 80); v128.store(sumAt, s22, SUM_BYTES + 64); v128.store(sumAt, s23, SUM_BYTES + 80); }
  }

  /** q8_0 beside 16 bits (sixteens.ts), where the dot takes an unsigned byte. */
  @inline static sixteens(h: i32, sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
    const none = f32x4.splat(0);
    v128.store(sumAt, none, 0); v128.store(sumAt, none, 16); v128.store(sumAt, none, SUM_BYTES); v128.store(sumAt, none, SUM_BYTES + 16);
    v128.store(sumAt, none, 32); v128.store(sumAt, none, 48); v128.store(sumAt, none, SUM_BYTES + 32); v128.store(sumAt, none, SUM_BYTES + 48);
    v128.store(sumAt, none, 64); v128.store(sumAt, none, 80); v128.store(sumAt, none, SUM_BYTES + 64); v128.store(sumAt, none, SUM_BYTES + 80);
    v128.store(sumAt, none, 96); v128.store(sumAt, none, 112); v128.store(sumAt, none, SUM_BYTES + 96); v128.store(sumAt, none, SUM_BYTES + 112);
    v128.store(sumAt, none, 128); v128.store(sumAt, none, 144); v128.store(sumAt, none, SUM_BYTES + 128); v128.store(sumAt, none, SUM_BYTES + 144);
    if (h > 5) { v128.store(sumAt, none, 160); v128.store(sumAt, none, 176); v128.store(sumAt, none, SUM_BYTES + 160); v128.store(sumAt, none, SUM_BYTES + 176); }
    const line = <usize>(h << 2);
    for (let block = 0; block < blocks; block++) {
      let c00 = Sixteens.begin(false, startAt), c01 = c00, c02 = c00, c03 = c00;
      let c10 = Sixteens.begin(false, startAt + 4), c11 = c10, c12 = c10, c13 = c10;
      let c20 = Sixteens.begin(false, startAt + 8), c21 = c20, c22 = c20, c23 = c20;
      let c30 = Sixteens.begin(false, startAt + 12), c31 = c30, c32 = c30, c33 = c30;
      let c40 = Sixteens.begin(false, startAt + 16), c41 = c40, c42 = c40, c43 = c40;
      let c50 = c00, c51 = c00, c52 = c00, c53 = c00;
      if (h > 5) { c50 = Sixteens.begin(false, startAt + 20); c51 = c50; c52 = c50; c53 = c50; }
      const end = weightAt + UNITS * step;
      while (weightAt < end) {
        const at1 = weightAt + lane;
        const w0 = v128.load(weightAt, 0), w1 = v128.load(weightAt, 16), w2 = v128.load(at1, 0), w3 = v128.load(at1, 16);
        let x: v128;
        x = v128.load32_splat(panelAt, 0); c00 = Sixteens.high(false, x, w0, c00); c01 = Sixteens.high(false, x, w1, c01); c02 = Sixteens.high(false, x, w2, c02); c03 = Sixteens.high(false, x, w3, c03);
        x = v128.load32_splat(panelAt, 4); c10 = Sixteens.high(false, x, w0, c10); c11 = Sixteens.high(false, x, w1, c11); c12 = Sixteens.high(false, x, w2, c12); c13 = Sixteens.high(false, x, w3, c13);
        x = v128.load32_splat(panelAt, 8); c20 = Sixteens.high(false, x, w0, c20); c21 = Sixteens.high(false, x, w1, c21); c22 = Sixteens.high(false, x, w2, c22); c23 = Sixteens.high(false, x, w3, c23);
        x = v128.load32_splat(panelAt, 12); c30 = Sixteens.high(false, x, w0, c30); c31 = Sixteens.high(false, x, w1, c31); c32 = Sixteens.high(false, x, w2, c32); c33 = Sixteens.high(false, x, w3, c33);
        x = v128.load32_splat(panelAt, 16); c40 = Sixteens.high(false, x, w0, c40); c41 = Sixteens.high(false, x, w1, c41); c42 = Sixteens.high(false, x, w2, c42); c43 = Sixteens.high(false, x, w3, c43);
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Sixteens.high(false, x, w0, c50); c51 = Sixteens.high(false, x, w1, c51); c52 = Sixteens.high(false, x, w2, c52); c53 = Sixteens.high(false, x, w3, c53); }
        weightAt += step;
        panelAt += line;
      }
      c00 = i32x4.shl(c00, 8); c01 = i32x4.shl(c01, 8); c02 = i32x4.shl(c02, 8); c03 = i32x4.shl(c03, 8);
      c10 = i32x4.shl(c10, 8); c11 = i32x4.shl(c11, 8); c12 = i32x4.shl(c12, 8); c13 = i32x4.shl(c13, 8);
      c20 = i32x4.shl(c20, 8); c21 = i32x4.shl(c21, 8); c22 = i32x4.shl(c22, 8); c23 = i32x4.shl(c23, 8);
      c30 = i32x4.shl(c30, 8); c31 = i32x4.shl(c31, 8); c32 = i32x4.shl(c32, 8); c33 = i32x4.shl(c33, 8);
      c40 = i32x4.shl(c40, 8); c41 = i32x4.shl(c41, 8); c42 = i32x4.shl(c42, 8); c43 = i32x4.shl(c43, 8);
      if (h > 5) { c50 = i32x4.shl(c50, 8); c51 = i32x4.shl(c51, 8); c52 = i32x4.shl(c52, 8); c53 = i32x4.shl(c53, 8); }
      weightAt -= UNITS * step;
      while (weightAt < end) {
        const at1 = weightAt + lane;
        const w0 = Bytes.weight(true, v128.load(weightAt, 0)), w1 = Bytes.weight(true, v128.load(weightAt, 16));
        const w2 = Bytes.weight(true, v128.load(at1, 0)), w3 = Bytes.weight(true, v128.load(at1, 16));
        let x: v128;
        x = v128.load32_splat(panelAt, 0); c00 = Sixteens.low(false, x, w0, c00); c01 = Sixteens.low(false, x, w1, c01); c02 = Sixteens.low(false, x, w2, c02); c03 = Sixteens.low(false, x, w3, c03);
        x = v128.load32_splat(panelAt, 4); c10 = Sixteens.low(false, x, w0, c10); c11 = Sixteens.low(false, x, w1, c11); c12 = Sixteens.low(false, x, w2, c12); c13 = Sixteens.low(false, x, w3, c13);
        x = v128.load32_splat(panelAt, 8); c20 = Sixteens.low(false, x, w0, c20); c21 = Sixteens.low(false, x, w1, c21); c22 = Sixteens.low(false, x, w2, c22); c23 = Sixteens.low(false, x, w3, c23);
        x = v128.load32_splat(panelAt, 12); c30 = Sixteens.low(false, x, w0, c30); c31 = Sixteens.low(false, x, w1, c31); c32 = Sixteens.low(false, x, w2, c32); c33 = Sixteens.low(false, x, w3, c33);
        x = v128.load32_splat(panelAt, 16); c40 = Sixteens.low(false, x, w0, c40); c41 = Sixteens.low(false, x, w1, c41); c42 = Sixteens.low(false, x, w2, c42); c43 = Sixteens.low(false, x, w3, c43);
        if (h > 5) { x = v128.load32_splat(panelAt, 20); c50 = Sixteens.low(false, x, w0, c50); c51 = Sixteens.low(false, x, w1, c51); c52 = Sixteens.low(false, x, w2, c52); c53 = Sixteens.low(false, x, w3, c53); }
        weightAt += step;
        panelAt += line;
      }
      const end1 = weightAt + lane;
      const d0 = v128.load(weightAt, 0), d1 = v128.load(weightAt, 16), d2 = v128.load(end1, 0), d3 = v128.load(end1, 16);
      let row: v128, p: v128, q: v128;
      row = v128.load32_splat(scaleAt, 0);
      p = Lanes.addScaled(v128.load(sumAt, 0), c00, row, d0); q = Lanes.addScaled(v128.load(sumAt, 16), c01, row, d1);
      v128.store(sumAt, p, 0); v128.store(sumAt, q, 16);
      p = Lanes.addScaled(v128.load(sumAt, SUM_BYTES), c02, row, d2); q = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 16), c03, row, d3);
      v128.store(sumAt, p, SUM_BYTES); v128.store(sumAt, q, SUM_BYTES + 16);
      row = v128.load32_splat(scaleAt, 4);
      p = Lanes.addScaled(v128.load(sumAt, 32), c10, row, d0); q = Lanes.addScaled(v128.load(sumAt, 48), c11, row, d1);
      v128.store(sumAt, p, 32); v128.store(sumAt, q, 48);
      p = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 32), c12, row, d2); q = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 48), c13, row, d3);
      v128.store(sumAt, p, SUM_BYTES + 32); v128.store(sumAt, q, SUM_BYTES + 48);
      row = v128.load32_splat(scaleAt, 8);
      p = Lanes.addScaled(v128.load(sumAt, 64), c20, row, d0); q = Lanes.addScaled(v128.load(sumAt, 80), c21, row, d1);
      v128.store(sumAt, p, 64); v128.store(sumAt, q, 80);
      p = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 64), c22, row, d2); q = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 80), c23, row, d3);
      v128.store(sumAt, p, SUM_BYTES + 64); v128.store(sumAt, q, SUM_BYTES + 80);
      row = v128.load32_splat(scaleAt, 12);
      p = Lanes.addScaled(v128.load(sumAt, 96), c30, row, d0); q = Lanes.addScaled(v128.load(sumAt, 112), c31, row, d1);
      v128.store(sumAt, p, 96); v128.store(sumAt, q, 112);
      p = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 96), c32, row, d2); q = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 112), c33, row, d3);
      v128.store(sumAt, p, SUM_BYTES + 96); v128.store(sumAt, q, SUM_BYTES + 112);
      row = v128.load32_splat(scaleAt, 16);
      p = Lanes.addScaled(v128.load(sumAt, 128), c40, row, d0); q = Lanes.addScaled(v128.load(sumAt, 144), c41, row, d1);
      v128.store(sumAt, p, 128); v128.store(sumAt, q, 144);
      p = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 128), c42, row, d2); q = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 144), c43, row, d3);
      v128.store(sumAt, p, SUM_BYTES + 128); v128.store(sumAt, q, SUM_BYTES + 144);
      if (h > 5) {
        row = v128.load32_splat(scaleAt, 20);
        p = Lanes.addScaled(v128.load(sumAt, 160), c50, row, d0); q = Lanes.addScaled(v128.load(sumAt, 176), c51, row, d1);
        v128.store(sumAt, p, 160); v128.store(sumAt, q, 176);
        p = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 160), c52, row, d2); q = Lanes.addScaled(v128.load(sumAt, SUM_BYTES + 176), c53, row, d3);
        v128.store(sumAt, p, SUM_BYTES + 160); v128.store(sumAt, q, SUM_BYTES + 176);
      }
      weightAt += step;
      scaleAt += line;
      startAt += line;
    }
  }
}

// A function for each height: of arms that differ in a number alone the compiler makes one, and V8 pairs nothing across the branches that are left.

/** tile_q8_0_q8 of two groups. */
export function tile2_q8_0_q8(h: i32, sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  if (!Lanes.pairs()) unreachable();
  else if (h > 5) six_q8_0_q8(sumAt, weightAt, lane, step, panelAt, scaleAt, sumsAt, blocks);
  else five_q8_0_q8(sumAt, weightAt, lane, step, panelAt, scaleAt, sumsAt, blocks);
}

function six_q8_0_q8(sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Tile.bytes(3, 24, sumAt, weightAt, lane, step, panelAt, scaleAt, sumsAt, blocks);
  Tile.bytes(3, 24, sumAt + 96, weightAt, lane, step, panelAt + 12, scaleAt + 12, sumsAt + 12, blocks);
}

function five_q8_0_q8(sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, sumsAt: usize, blocks: i32): void {
  Tile.bytes(3, 20, sumAt, weightAt, lane, step, panelAt, scaleAt, sumsAt, blocks);
  Tile.bytes(2, 20, sumAt + 96, weightAt, lane, step, panelAt + 12, scaleAt + 12, sumsAt + 12, blocks);
}

/** tile_q8_0_q16_bytes of two groups. */
export function tile2_q8_0_q16_bytes(h: i32, sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  if (!Lanes.pairs()) unreachable();
  else if (h > 5) six_q8_0_q16_bytes(sumAt, weightAt, lane, step, panelAt, scaleAt, startAt, blocks);
  else five_q8_0_q16_bytes(sumAt, weightAt, lane, step, panelAt, scaleAt, startAt, blocks);
}

function six_q8_0_q16_bytes(sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Tile.sixteens(6, sumAt, weightAt, lane, step, panelAt, scaleAt, startAt, blocks);
}

function five_q8_0_q16_bytes(sumAt: usize, weightAt: usize, lane: usize, step: usize, panelAt: usize, scaleAt: usize, startAt: usize, blocks: i32): void {
  Tile.sixteens(5, sumAt, weightAt, lane, step, panelAt, scaleAt, startAt, blocks);
}
