/**
 * The PANEL op: rows of f32 -> (gather) -> (norm | SwiGLU | GELU) -> rows and / or panels for the matmul that follows.
 *
 * A unit is one tile of rows of one segment, so no two threads write into one tile. In a step of few rows every thread makes panels of its own.
 */

import {
  PANEL_AT, PANEL_BIAS_AT, PANEL_COLS, PANEL_EPS, FORM_F32, PANEL_FLOAT_AT, PANEL_FORM, PANEL_GATHER_AT, PANEL_OUT_AT, PANEL_OWN,
  FORM_Q16_BYTES, FORM_Q16_PAIRS, FORM_Q8_PAIRS, FORM_Q8_SUPERS, PANEL_SCALE_AT, PANEL_SCORES_AT, PANEL_SEGMENTS_AT, PANEL_SOURCE_AT, PANEL_STRIDE, PANEL_SUM_AT, PANEL_TILE_ROWS, PANEL_ALONE,
  PANEL_TRANSFORM, PANEL_WEIGHT_AT, SEGMENT_FIRST, SEGMENT_ROWS, TRANSFORM_GELU, TRANSFORM_LAYER_NORM, TRANSFORM_NORM, TRANSFORM_SWIGLU,
} from "../abi";
import { swiglu_f32 } from "../kernels/feedforward";
import { gelu_f32 } from "../kernels/gelu";
import { layernorm_f32 } from "../kernels/layernorm";
import { rmsnorm_f32 } from "../kernels/norm";
import { panel_f32, quantize_f32_q16_bytes, quantize_f32_q16_pairs, quantize_f32_q8_pairs, quantize_f32_q8_quads, quantize_f32_q8_supers } from "../kernels/quantize";
import { scale_bytes } from "../forms/form";
import { Segments, Tiles } from "../tiles";
import { word } from "../words";

export function panel_units(opAt: usize): i32 {
  const segmentsAt = <usize>word(opAt, PANEL_SEGMENTS_AT);
  let units = 0;
  for (let segment = 0; segment < Segments.count(segmentsAt); segment++) {
    units += Tiles.count(Segments.word(segmentsAt, segment, SEGMENT_ROWS), <i32>word(opAt, PANEL_TILE_ROWS), <i32>word(opAt, PANEL_ALONE));
  }
  return units;
}

/** `owner`: whose panels they are; 0 where threads share them. */
export function panel(opAt: usize, scratchAt: usize, owner: i32, begin: i32, end: i32): void {
  const own = owner * <i32>word(opAt, PANEL_OWN);
  const segmentsAt = <usize>word(opAt, PANEL_SEGMENTS_AT);
  for (let segment = 0; segment < Segments.count(segmentsAt) && begin < end; segment++) {
    const rows = Segments.word(segmentsAt, segment, SEGMENT_ROWS);
    const first = Segments.word(segmentsAt, segment, SEGMENT_FIRST);
    const tiles = Tiles.count(rows, <i32>word(opAt, PANEL_TILE_ROWS), <i32>word(opAt, PANEL_ALONE));
    const low = tiles === 0 ? 0 : rows / tiles, higher = rows - low * tiles;
    for (let tile = begin; tile < min(end, tiles); tile++) {
      panel_tile(opAt, scratchAt, own, first + Tiles.first(low, higher, tile), Tiles.height(low, higher, tile));
    }
    begin = max(begin - tiles, 0);
    end -= tiles;
  }
}

/** Entries [entry, entry + h) of the op go to those that lie `own` further on in the panels. */
function panel_tile(opAt: usize, scratchAt: usize, own: i32, entry: i32, h: i32): void {
  const cols = <i32>word(opAt, PANEL_COLS);
  const outAt = <usize>word(opAt, PANEL_OUT_AT);
  for (let lane = 0; lane < h; lane++) {
    const rowAt = transform_row(opAt, outAt !== 0 ? outAt + ((<usize>(entry + lane) * <usize>cols) << 2) : scratchAt, outAt !== 0, entry + lane);
    if (word(opAt, PANEL_AT) !== 0) write_lane(opAt, rowAt, cols, own + entry, h, lane);
    const floatAt = <usize>word(opAt, PANEL_FLOAT_AT);
    if (floatAt !== 0) panel_f32(floatAt + ((<usize>(own + entry) * <usize>cols) << 2), rowAt, cols, h, lane);
  }
}

/** Where the transformed row lies: `intoAt`, or the source itself where nothing is done and no copy is wanted. */
function transform_row(opAt: usize, intoAt: usize, wanted: bool, entry: i32): usize {
  const cols = <i32>word(opAt, PANEL_COLS);
  const gatherAt = <usize>word(opAt, PANEL_GATHER_AT);
  const row = gatherAt !== 0 ? load<i32>(gatherAt + (<usize>entry << 2)) : entry;
  const sourceAt = <usize>word(opAt, PANEL_SOURCE_AT) + ((<usize>row * <usize>word(opAt, PANEL_STRIDE)) << 2);
  const transform = word(opAt, PANEL_TRANSFORM);
  if (transform === TRANSFORM_NORM) {
    rmsnorm_f32(intoAt, <usize>word(opAt, PANEL_WEIGHT_AT), sourceAt, reinterpret<f32>(word(opAt, PANEL_EPS)), cols);
  } else if (transform === TRANSFORM_SWIGLU) {
    const scoresAt = <usize>word(opAt, PANEL_SCORES_AT);
    swiglu_f32(intoAt, sourceAt, scoresAt !== 0 ? load<f32>(scoresAt + (<usize>entry << 2)) : 1, cols);
  } else if (transform === TRANSFORM_LAYER_NORM) {
    layernorm_f32(intoAt, <usize>word(opAt, PANEL_WEIGHT_AT), <usize>word(opAt, PANEL_BIAS_AT), sourceAt, reinterpret<f32>(word(opAt, PANEL_EPS)), cols);
  } else if (transform === TRANSFORM_GELU) {
    gelu_f32(intoAt, sourceAt, cols);
  } else {
    if (!wanted) return sourceAt;
    memory.copy(intoAt, sourceAt, <usize>cols << 2);
  }
  return intoAt;
}

function write_lane(opAt: usize, rowAt: usize, cols: i32, entry: i32, h: i32, lane: i32): void {
  const form = word(opAt, PANEL_FORM);
  const panelAt = <usize>word(opAt, PANEL_AT);
  const scales = <usize>entry * scale_bytes(form === FORM_Q8_SUPERS, cols);
  const scaleAt = <usize>word(opAt, PANEL_SCALE_AT) + scales, sumAt = <usize>word(opAt, PANEL_SUM_AT) + scales;
  if (form === FORM_F32) panel_f32(panelAt + ((<usize>entry * <usize>cols) << 2), rowAt, cols, h, lane);
  else if (form === FORM_Q16_PAIRS) quantize_f32_q16_pairs(panelAt + <usize>entry * (<usize>cols << 1), scaleAt, rowAt, cols, h, lane);
  else if (form === FORM_Q16_BYTES) quantize_f32_q16_bytes(panelAt + <usize>entry * (<usize>cols << 1), scaleAt, sumAt, rowAt, cols, h, lane);
  else if (form === FORM_Q8_PAIRS) quantize_f32_q8_pairs(panelAt + <usize>entry * (<usize>cols << 1), scaleAt, rowAt, cols, h, lane);
  else if (form === FORM_Q8_SUPERS) quantize_f32_q8_supers(panelAt + <usize>entry * <usize>cols, scaleAt, rowAt, cols, h, lane);
  else quantize_f32_q8_quads(panelAt + <usize>entry * <usize>cols, scaleAt, sumAt, rowAt, cols, h, lane);
}
