/** The PEAKS op: peaks and masses of spans, where somebody will draw from their logits. Units: rows x pieces of spans, the piece fastest. */

import { PEAK, PEAKS_COLS, PEAKS_LOGITS_AT, PEAKS_MASSES_AT, PEAKS_OUT_AT, PEAKS_SCALES_AT, PEAKS_SEGMENTS_AT, SEGMENT_ROWS } from "../abi";
import { masses_f32 } from "../kernels/masses";
import { peaks_f32 } from "../kernels/peaks";
import { Segments } from "../tiles";
import { word } from "../words";

/** Spans of a unit: 4 KiB of logits. */
const SPANS = 16;

@inline function spans_of(opAt: usize): i32 {
  return (<i32>word(opAt, PEAKS_COLS) + PEAK - 1) / PEAK;
}

@inline function pieces_of(opAt: usize): i32 {
  return (spans_of(opAt) + SPANS - 1) / SPANS;
}

export function peaks_units(opAt: usize): i32 {
  const segmentsAt = <usize>word(opAt, PEAKS_SEGMENTS_AT);
  return Segments.count(segmentsAt) === 0 ? 0 : Segments.word(segmentsAt, 0, SEGMENT_ROWS) * pieces_of(opAt);
}

export function peaks(opAt: usize, begin: i32, end: i32): void {
  const cols = <i32>word(opAt, PEAKS_COLS), spans = spans_of(opAt), pieces = pieces_of(opAt);
  for (let unit = begin; unit < end; unit++) {
    const row = <usize>(unit / pieces), first = unit % pieces * SPANS;
    const ofRow = row * <usize>spans << 2, outAt = <usize>word(opAt, PEAKS_OUT_AT) + ofRow;
    const logitsAt = <usize>word(opAt, PEAKS_LOGITS_AT) + (row * <usize>cols << 2);
    const last = min(spans, first + SPANS);
    peaks_f32(outAt, logitsAt, cols, first, last);
    const scale = load<f32>(<usize>word(opAt, PEAKS_SCALES_AT) + (row << 2));
    if (scale > 0) masses_f32(<usize>word(opAt, PEAKS_MASSES_AT) + ofRow, outAt, logitsAt, cols, scale, first, last);
  }
}
