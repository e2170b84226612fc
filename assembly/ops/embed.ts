/** EMBED and ANGLES: what the rows of a step begin with. Units: rows. */

import {
  ANGLES_FLOOR, ANGLES_FREQUENCIES_AT, ANGLES_OUT_AT, ANGLES_PAIRS, ANGLES_ROWS_AT, ANGLES_SCALE, ANGLES_TEMPERATURE_AT, EMBED_AREA_AT,
  EMBED_AREA_ROWS, EMBED_COLS, EMBED_OUT_AT, EMBED_ROWS_AT, EMBED_TYPE, EMBED_VOCAB, EMBED_WEIGHT_AT, ROW_FLAGS, ROW_FLAG_EMBEDDING, ROW_INPUT,
  ROW_POSITION, ROW_WORDS, TYPE_BF16, TYPE_F16, TYPE_F32,
} from "../abi";
import { embed_float } from "../forms/float";
import { embed_packed } from "../forms/form";
import { angles_f32, temperature_f32 } from "../kernels/rope";
import { word } from "../words";

/** Rows of the embedding, or of the area of given ones. Returns -1 or the row whose input is out of range. */
export function embed(at: usize, scratchAt: usize, begin: i32, end: i32): i32 {
  const cols = <i32>word(at, EMBED_COLS), type = word(at, EMBED_TYPE), weightAt = <usize>word(at, EMBED_WEIGHT_AT);
  for (let row = begin; row < end; row++) {
    const rowAt = <usize>word(at, EMBED_ROWS_AT) + (<usize>(row * ROW_WORDS) << 2);
    const outAt = <usize>word(at, EMBED_OUT_AT) + (<usize>row * <usize>cols << 2);
    const input = word(rowAt, ROW_INPUT);
    if ((word(rowAt, ROW_FLAGS) & ROW_FLAG_EMBEDDING) !== 0) {
      if (input >= word(at, EMBED_AREA_ROWS)) return row;
      memory.copy(outAt, <usize>word(at, EMBED_AREA_AT) + (<usize>input * <usize>cols << 2), <usize>cols << 2);
      continue;
    }
    if (input >= word(at, EMBED_VOCAB)) return row;
    if (type === TYPE_F32 || type === TYPE_F16 || type === TYPE_BF16) embed_float(outAt, weightAt, type, input, cols);
    else embed_packed(type, outAt, weightAt, input, <i32>word(at, EMBED_VOCAB), cols, scratchAt);
  }
  return -1;
}

/** Cosines and sines of each row's position, and its temperature. */
export function angles(at: usize, begin: i32, end: i32): void {
  const pairs = <i32>word(at, ANGLES_PAIRS);
  for (let row = begin; row < end; row++) {
    const position = word(<usize>word(at, ANGLES_ROWS_AT) + (<usize>(row * ROW_WORDS) << 2), ROW_POSITION);
    angles_f32(<usize>word(at, ANGLES_OUT_AT) + (<usize>row * <usize>pairs << 3), <usize>word(at, ANGLES_FREQUENCIES_AT), position, pairs);
    const temperature = temperature_f32(position, word(at, ANGLES_FLOOR), reinterpret<f32>(word(at, ANGLES_SCALE)));
    store<f32>(<usize>word(at, ANGLES_TEMPERATURE_AT) + (<usize>row << 2), temperature);
  }
}
