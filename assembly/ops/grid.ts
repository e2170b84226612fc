/**
 * Ops over the patches of pictures: PLACE, GRID_ANGLES, SHUFFLE. Rows are tiles of `tokens` rows each: the patches of a square grid, row
 * by row, then the class row.
 */

import {
  GRID_ANGLES_FREQUENCIES_AT, GRID_ANGLES_OUT_AT, GRID_ANGLES_PAIRS, GRID_ANGLES_SIDE, PLACE_COLS, PLACE_TABLE_AT, PLACE_TOKENS, PLACE_X_AT,
  SHUFFLE_COLS, SHUFFLE_OUT_AT, SHUFFLE_SIDE, SHUFFLE_SOURCE_AT,
} from "../abi";
import { angles_f32 } from "../kernels/rope";
import { word } from "../words";

@inline function tokens_of(side: i32): i32 {
  return side * side + 1;
}

/** x [rows][cols] += table [tokens][cols], over and over. Units: rows. */
export function place(at: usize, begin: i32, end: i32): void {
  const cols = <i32>word(at, PLACE_COLS), tokens = <i32>word(at, PLACE_TOKENS);
  for (let row = begin; row < end; row++) {
    const xAt = <usize>word(at, PLACE_X_AT) + (<usize>row * <usize>cols << 2);
    const tableAt = <usize>word(at, PLACE_TABLE_AT) + (<usize>(row % tokens) * <usize>cols << 2);
    for (let col = 0; col < cols; col++) {
      const offset = <usize>col << 2;
      store<f32>(xAt + offset, load<f32>(xAt + offset) + load<f32>(tableAt + offset));
    }
  }
}

/**
 * out [rows][2 pairs][cos, sin]: the first half of a head turns by the column of its patch plus 1, the second by its row plus 1; the class
 * row does not turn. Units: rows.
 */
export function grid_angles(at: usize, begin: i32, end: i32): void {
  const side = <i32>word(at, GRID_ANGLES_SIDE), pairs = <i32>word(at, GRID_ANGLES_PAIRS);
  const frequenciesAt = <usize>word(at, GRID_ANGLES_FREQUENCIES_AT), bytes = <usize>pairs << 3;
  for (let row = begin; row < end; row++) {
    const patch = row % tokens_of(side), turns = patch < side * side;
    const outAt = <usize>word(at, GRID_ANGLES_OUT_AT) + <usize>row * 2 * bytes;
    angles_f32(outAt, frequenciesAt, turns ? patch % side + 1 : 0, pairs);
    angles_f32(outAt + bytes, frequenciesAt, turns ? patch / side + 1 : 0, pairs);
  }
}

export function shuffle_units(at: usize, rows: i32): i32 {
  const side = <i32>word(at, SHUFFLE_SIDE);
  return rows / tokens_of(side) * (side / 2) * (side / 2);
}

/**
 * Four patches become a row of four times the width, 2 x 2 of them, row by row: out [tiles x side/2 x side/2][4 cols]. The class row goes.
 * Units: rows of out.
 */
export function shuffle(at: usize, begin: i32, end: i32): void {
  const side = <i32>word(at, SHUFFLE_SIDE), half = side / 2, bytes = <usize>word(at, SHUFFLE_COLS) << 2;
  for (let unit = begin; unit < end; unit++) {
    const tile = unit / (half * half), y = unit % (half * half) / half * 2, x = unit % half * 2;
    const outAt = <usize>word(at, SHUFFLE_OUT_AT) + <usize>unit * 4 * bytes;
    const fromAt = <usize>word(at, SHUFFLE_SOURCE_AT) + <usize>(tile * tokens_of(side) + y * side + x) * bytes;
    // Two patches of a row lie beside each other.
    memory.copy(outAt, fromAt, 2 * bytes);
    memory.copy(outAt + 2 * bytes, fromAt + <usize>side * bytes, 2 * bytes);
  }
}
