import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { goldenCase } from "./golden.ts";

/** The same weights in every file layout give the same bits. */

async function logitsHash(source: string): Promise<string> {
  const model = await loadModel(source, { threads: 2 });
  try {
    const { logits } = await model.trace(goldenCase("text-a-scout").inputIds, { taps: ["logits"] });
    return createHash("sha256").update(new Uint8Array(logits.data.buffer)).digest("hex");
  } finally {
    await model.dispose();
  }
}

it("GGUF whole and split, safetensors fused, one tensor an expert, and sharded: bit-identical logits", async () => {
  const golden = goldenCase("text-a-scout");
  const whole = await logitsHash(golden.ggufPath());
  expect(await logitsHash(golden.splitPath())).toBe(whole);
  expect(await logitsHash(golden.hfPath())).toBe(whole);
  expect(await logitsHash(golden.linearisedPath())).toBe(whole);
  expect(await logitsHash(golden.shardedPath())).toBe(whole);
});
