import { EngineError } from "../../error.ts";

/**
 * Which layers live in which memory: whole consecutive layers, as few memories as hold them. Pure arithmetic.
 */

export interface LayerRange {
  readonly from: number;
  readonly to: number; // half-open
}

/**
 * `layerBytes[i]`: weights and cache of layer i; `fixedBytes`: what every memory needs; `firstBytes` / `lastBytes`: embedding /
 * final norm, output matrix and logits. Greedy: fill a memory, go on to the next.
 */
export function placeLayers(
  layerBytes: readonly number[],
  fixedBytes: number,
  firstBytes: number,
  lastBytes: number,
  limit: number,
): LayerRange[] {
  const ranges: LayerRange[] = [];
  let from = 0;
  let used = fixedBytes + firstBytes;
  for (let layer = 0; layer < layerBytes.length; layer++) {
    const tail = layer === layerBytes.length - 1 ? lastBytes : 0;
    if (used + layerBytes[layer] + tail > limit && layer > from) {
      ranges.push({ from, to: layer });
      from = layer;
      used = fixedBytes;
    }
    used += layerBytes[layer];
    if (used + tail > limit) {
      throw new EngineError("MODEL_TOO_LARGE", `layer ${layer} does not fit in one memory`, {
        at: { source: "memory", field: "memoryLimit" },
        actual: `${used + tail} bytes`,
        limit: `at most ${limit} bytes`,
      });
    }
  }
  ranges.push({ from, to: layerBytes.length });
  return ranges;
}
