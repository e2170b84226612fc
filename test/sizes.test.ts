/**
 * Sizes that both sides know: what TypeScript reserves is what the kernels use.
 */
import { expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { attentionBytes, CONVERT_BYTES, MATMUL_BYTES } from "../src/model/plan/layout.ts";
import { pageLayerBytes } from "../src/model/plan/pages.ts";
import { MOST_TILES } from "../src/runtime/ops.ts";
import { onBoth } from "./kernels.ts";

const HEADS = [2, 4, 12, 16, 32, 64, 80, 88, 128, 256];

it("a page, the scratch of attention and of a visit of tiles: the same bytes on both sides", () => {
  for (const headSize of HEADS) {
    for (const [cache, type] of [
      ["f32", abi.CACHE_F32],
      ["q8", abi.CACHE_Q8],
    ] as const) {
      const bytes = onBoth((kernels) => kernels.page_bytes(type, headSize));
      expect(pageLayerBytes({ headSize, kvHeads: 3 } as Parameters<typeof pageLayerBytes>[0], cache)).toBe(3 * bytes);
    }
    expect(attentionBytes(headSize)).toBe(onBoth((kernels) => kernels.attention_bytes(headSize)));
  }
  expect(MATMUL_BYTES).toBe(onBoth((kernels) => kernels.matmul_bytes(MOST_TILES)));
  // Eight rows of f32 and as many stored ones; embedding wants eight rows twice.
  expect(CONVERT_BYTES).toBe(2 * abi.GROUP * abi.CONVERT_COLS * 4);
});
