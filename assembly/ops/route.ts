/** ROUTE, COMBINE and ADD: a mixture around the matmuls of its experts. */

import {
  ADD_BRANCH_AT, ADD_COLS, ADD_OUT_AT, ADD_X_AT, COMBINE_COLS, COMBINE_EXPERTS_AT, COMBINE_OUT_AT, COMBINE_PICKS_AT, COMBINE_SCORES_AT,
  COMBINE_SHARED_AT, COMBINE_USED, COMBINE_X_AT, ROUTE_EXPERTS, ROUTE_GATHER_AT, ROUTE_LOGITS_AT, ROUTE_PICKS_AT, ROUTE_SCORES_AT, ROUTE_SEGMENTS_AT, ROUTE_SOFTMAX,
  ROUTE_USED,
} from "../abi";
import { combine_f32, route_f32 } from "../kernels/feedforward";
import { word } from "../words";

/** Which experts a row takes, by how much, and the segments of rows that meet each expert. One unit. Returns -1 or the row whose logits are no numbers. */
export function route(at: usize, scratchAt: usize, rows: i32): i32 {
  return route_f32(
    <usize>word(at, ROUTE_PICKS_AT), <usize>word(at, ROUTE_SCORES_AT), <usize>word(at, ROUTE_GATHER_AT), <usize>word(at, ROUTE_SEGMENTS_AT),
    <usize>word(at, ROUTE_LOGITS_AT), scratchAt, rows, <i32>word(at, ROUTE_EXPERTS), <i32>word(at, ROUTE_USED), word(at, ROUTE_SOFTMAX) !== 0,
  );
}

/** What the experts of each row say together. Units: rows. */
export function combine(at: usize, begin: i32, end: i32): void {
  const cols = <i32>word(at, COMBINE_COLS), used = <i32>word(at, COMBINE_USED);
  const xAt = <usize>word(at, COMBINE_X_AT), sharedAt = <usize>word(at, COMBINE_SHARED_AT);
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * <usize>cols << 2;
    combine_f32(
      <usize>word(at, COMBINE_OUT_AT) + offset, xAt !== 0 ? xAt + offset : 0, sharedAt !== 0 ? sharedAt + offset : 0,
      <usize>word(at, COMBINE_EXPERTS_AT), <usize>word(at, COMBINE_PICKS_AT) + (<usize>(row * used) << 2), <usize>word(at, COMBINE_SCORES_AT), used, cols,
    );
  }
}

/** out = x + branch. Units: rows. */
export function add(at: usize, begin: i32, end: i32): void {
  const cols = <usize>word(at, ADD_COLS) << 2;
  for (let offset = <usize>begin * cols; offset < <usize>end * cols; offset += 4) {
    const sum = load<f32>(<usize>word(at, ADD_X_AT) + offset) + load<f32>(<usize>word(at, ADD_BRANCH_AT) + offset);
    store<f32>(<usize>word(at, ADD_OUT_AT) + offset, sum);
  }
}
