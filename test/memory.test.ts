/**
 * The plan is the truth: what `inspect` prints, what `model.info` tells and what `maxMemory` is held against are one number.
 */
import { afterAll, expect, it } from "vitest";
import { inspect, loadModel } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";

const model = await loadModel(MODEL, { threads: 2 });
afterAll(() => model.dispose());

it("info.memory is the plan that inspect prints, to the byte, and adds up", async () => {
  const { memory } = model.info;
  const { total, weights, cache, activations } = (await inspect(MODEL)).memory;
  expect({ total, weights, cache, activations }).toEqual({
    total: memory.total,
    weights: memory.weights,
    cache: memory.cache,
    activations: memory.activations,
  });
  expect(memory.memories.reduce((sum, bytes) => sum + bytes, 0)).toBe(memory.total);
  expect(weights + cache + activations).toBe(total);
});

it("maxMemory of the total loads; one byte less is MODEL_TOO_LARGE", async () => {
  const { total } = model.info.memory;
  await (await loadModel(MODEL, { threads: 2, maxMemory: total })).dispose();
  expect(await codeOf(() => loadModel(MODEL, { threads: 2, maxMemory: total - 1 }))).toBe("MODEL_TOO_LARGE");
});
