/**
 * Feed-forward arithmetic between the matmuls: SwiGLU, top-k expert gating, expert buckets, the sum of the branches.
 */

import { SEGMENT_FIRST, SEGMENT_ROWS, SEGMENT_WEIGHT, SEGMENT_WORDS } from "../abi";
import { Lanes } from "../lanes";

/**
 * out = silu(g a) * (g b): a = source [0, cols) (gate), b = source [cols, 2 cols) (up); g is the router's score on the expert's
 * input, moved behind the linear gate and up matrices (Llama 4 scales the expert's input, unlike Mixtral), 1 where there is none.
 */
export function swiglu_f32(outAt: usize, sourceAt: usize, score: f32, cols: i32): void {
  const upAt = sourceAt + (<usize>cols << 2);
  const score_f32x4 = f32x4.splat(score);
  let col = 0;
  for (; col + 8 <= cols; col += 8) {
    const offset = <usize>col << 2, gateAt = sourceAt + offset, besideAt = upAt + offset;
    const first = f32x4.mul(Lanes.silu(f32x4.mul(v128.load(gateAt, 0), score_f32x4)), f32x4.mul(v128.load(besideAt, 0), score_f32x4));
    const second = f32x4.mul(Lanes.silu(f32x4.mul(v128.load(gateAt, 16), score_f32x4)), f32x4.mul(v128.load(besideAt, 16), score_f32x4));
    v128.store(outAt + offset, first, 0); v128.store(outAt + offset, second, 16);
  }
  for (; col < cols; col++) {
    const offset = <usize>col << 2;
    const gate = f32x4.splat(load<f32>(sourceAt + offset) * score);
    store<f32>(outAt + offset, f32x4.extract_lane(Lanes.silu(gate), 0) * (load<f32>(upAt + offset) * score));
  }
}

/** The `used` largest logits, ties to the lowest expert, written as expert numbers in ascending order. False: not numbers. */
function pick_experts(picksAt: usize, logitsAt: usize, experts: i32, used: i32): bool {
  for (let pick = 0; pick < used; pick++) {
    let best = -1;
    let largest: f32 = 0;
    for (let expert = 0; expert < experts; expert++) {
      const logit = load<f32>(logitsAt + (<usize>expert << 2));
      if (!isFinite<f32>(logit)) return false;
      if (best >= 0 && logit <= largest) continue;
      let taken = false;
      for (let earlier = 0; earlier < pick; earlier++) taken = taken || load<i32>(picksAt + (<usize>earlier << 2)) === expert;
      if (taken) continue;
      best = expert;
      largest = logit;
    }
    store<i32>(picksAt + (<usize>pick << 2), best);
  }
  for (let i = 1; i < used; i++) {
    for (let j = i; j > 0 && load<i32>(picksAt + (<usize>(j - 1) << 2)) > load<i32>(picksAt + (<usize>j << 2)); j--) {
      const held = load<i32>(picksAt + (<usize>j << 2));
      store<i32>(picksAt + (<usize>j << 2), load<i32>(picksAt + (<usize>(j - 1) << 2)));
      store<i32>(picksAt + (<usize>(j - 1) << 2), held);
    }
  }
  return true;
}

@inline function exp_scalar(x: f32): f32 {
  return f32x4.extract_lane(Lanes.exp(f32x4.splat(x)), 0);
}

/** sigmoid of each picked logit (Llama 4), or softmax over the picked ones (Mixtral, arXiv 2401.04088). */
function score_experts(scoresAt: usize, picksAt: usize, logitsAt: usize, used: i32, softmax: bool): void {
  let largest: f32 = f32.NEGATIVE_INFINITY;
  for (let pick = 0; pick < used; pick++) largest = max(largest, load<f32>(logitsAt + (<usize>load<u32>(picksAt + (<usize>pick << 2)) << 2)));
  let sum: f32 = 0;
  for (let pick = 0; pick < used; pick++) {
    const logit = load<f32>(logitsAt + (<usize>load<u32>(picksAt + (<usize>pick << 2)) << 2));
    const power = softmax ? exp_scalar(logit - largest) : exp_scalar(-logit);
    sum += power;
    store<f32>(scoresAt + (<usize>pick << 2), softmax ? power : 1 / (1 + power));
  }
  for (let pick = 0; softmax && pick < used; pick++) {
    store<f32>(scoresAt + (<usize>pick << 2), load<f32>(scoresAt + (<usize>pick << 2)) / sum);
  }
}

/**
 * Router logits [rows][experts] -> buckets: entries ordered by expert, then row.
 *
 *   picks    [rows][used]  u32   entry of each pick, experts ascending
 *   scores   [entries]     f32
 *   gather   [entries]     u32   row of the entry
 *   segments               one a used expert
 *   scratch  [rows][used] u32, [rows][used] f32, [experts] u32
 *
 * Returns -1, or the first row whose logits are not numbers.
 */
export function route_f32(picksAt: usize, scoresAt: usize, gatherAt: usize, segmentsAt: usize, logitsAt: usize, scratchAt: usize, rows: i32, experts: i32, used: i32, softmax: bool): i32 {
  const bytes = <usize>(rows * used) << 2;
  const chosenAt = scratchAt;
  const weighedAt = scratchAt + bytes;
  const placesAt = weighedAt + bytes;
  memory.fill(placesAt, 0, <usize>experts << 2);
  for (let row = 0; row < rows; row++) {
    const rowAt = chosenAt + (<usize>(row * used) << 2);
    const rowLogitsAt = logitsAt + (<usize>(row * experts) << 2);
    if (!pick_experts(rowAt, rowLogitsAt, experts, used)) return row;
    score_experts(weighedAt + (<usize>(row * used) << 2), rowAt, rowLogitsAt, used, softmax);
    for (let pick = 0; pick < used; pick++) {
      const placeAt = placesAt + (<usize>load<u32>(rowAt + (<usize>pick << 2)) << 2);
      store<u32>(placeAt, load<u32>(placeAt) + 1);
    }
  }
  write_segments(segmentsAt, placesAt, experts);
  for (let row = 0; row < rows; row++) {
    for (let pick = 0; pick < used; pick++) {
      const offset = <usize>(row * used + pick) << 2;
      const placeAt = placesAt + (<usize>load<u32>(chosenAt + offset) << 2);
      const entry = load<u32>(placeAt);
      store<u32>(placeAt, entry + 1);
      store<u32>(picksAt + offset, entry);
      store<f32>(scoresAt + (<usize>entry << 2), load<f32>(weighedAt + offset));
      store<u32>(gatherAt + (<usize>entry << 2), row);
    }
  }
  return -1;
}

/** Counts become first entries; experts without rows get no segment. */
function write_segments(segmentsAt: usize, placesAt: usize, experts: i32): void {
  let segments = 0;
  let first: u32 = 0;
  for (let expert = 0; expert < experts; expert++) {
    const placeAt = placesAt + (<usize>expert << 2);
    const count = load<u32>(placeAt);
    store<u32>(placeAt, first);
    if (count === 0) continue;
    const at = segmentsAt + ((<usize>(1 + segments * SEGMENT_WORDS)) << 2);
    store<u32>(at + (SEGMENT_WEIGHT << 2), expert);
    store<u32>(at + (SEGMENT_FIRST << 2), first);
    store<u32>(at + (SEGMENT_ROWS << 2), count);
    first += count;
    segments++;
  }
  store<u32>(segmentsAt, segments);
}

/**
 * One row of a mixture: branch = (shared + e1) + e2 ..., experts ascending; then out = x + branch, or branch alone.
 * scoresAt 0: scores already went to the experts' input. sharedAt 0: the first expert starts the sum.
 */
export function combine_f32(outAt: usize, xAt: usize, sharedAt: usize, expertsAt: usize, picksAt: usize, scoresAt: usize, used: i32, cols: i32): void {
  let col = 0;
  for (; col + 4 <= cols; col += 4) {
    const offset = <usize>col << 2;
    let branch = sharedAt !== 0 ? v128.load(sharedAt + offset) : f32x4.splat(0);
    for (let pick = 0; pick < used; pick++) {
      const entry = <usize>load<u32>(picksAt + (<usize>pick << 2));
      let value = v128.load(expertsAt + ((entry * <usize>cols) << 2) + offset);
      if (scoresAt !== 0) value = f32x4.mul(v128.load32_splat(scoresAt + (entry << 2)), value);
      branch = pick === 0 && sharedAt === 0 ? value : f32x4.add(branch, value);
    }
    v128.store(outAt + offset, xAt !== 0 ? f32x4.add(v128.load(xAt + offset), branch) : branch);
  }
  for (; col < cols; col++) {
    const offset = <usize>col << 2;
    let branch: f32 = sharedAt !== 0 ? load<f32>(sharedAt + offset) : 0;
    for (let pick = 0; pick < used; pick++) {
      const entry = <usize>load<u32>(picksAt + (<usize>pick << 2));
      let value = load<f32>(expertsAt + ((entry * <usize>cols) << 2) + offset);
      if (scoresAt !== 0) value = load<f32>(scoresAt + (entry << 2)) * value;
      branch = pick === 0 && sharedAt === 0 ? value : branch + value;
    }
    store<f32>(outAt + offset, xAt !== 0 ? load<f32>(xAt + offset) + branch : branch);
  }
}
