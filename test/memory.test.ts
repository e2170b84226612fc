/**
 * The plan is the truth: what `inspect` prints, what `model.info` tells and what `maxMemory` is held against are one number.
 */
import { afterAll, expect, it, vi } from "vitest";
import { inspect, loadModel } from "../dist/src/index.js";
import { readConfig } from "../dist/src/model/config/config.js";
import { randomModelCheckpoint } from "../dist/src/model/config/random.js";
import { planModel } from "../dist/src/model/plan/sizes.js";
import { mapWeights } from "../dist/src/model/plan/weights.js";
import { ResidentModel } from "../dist/src/model/run/resident.js";
import { openKernels } from "../dist/src/runtime/module.js";
import { codeOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";
import { byteModel } from "./small-models.ts";

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

it("a file is read over the activations, which loading and tuning leave as zeros", async () => {
  const checkpoint = randomModelCheckpoint(byteModel(1024), 1, "q8_0");
  const { config } = readConfig(checkpoint);
  const { weights } = mapWeights(checkpoint, config);
  const kernels = await openKernels("simd", false);
  const plan = planModel(config, weights, {
    ...{ context: 256, cache: "f32", activations: "q16", threads: 2, wide: false, dot: kernels.dot },
    ...{ maxMemory: undefined, memoryLimit: undefined },
  });
  const made: WebAssembly.Memory[] = [];
  const { Memory } = WebAssembly;
  vi.spyOn(WebAssembly, "Memory").mockImplementation(function make(descriptor) {
    made.push(new Memory(descriptor));
    return made[0];
  });
  const resident = await ResidentModel.load({ kernels, config, weights, plan, threads: 2 });
  vi.restoreAllMocks();
  const [{ layout }] = plan.placed;
  const [from, to] = [layout.activations.x.at, layout.scratch.at];
  const firstWritten = () => new Uint8Array(made[0].buffer, from, to - from).findIndex((byte) => byte !== 0);
  const loaded = firstWritten();
  const tune = () => resident.choices.tune(kernels.module, resident.threads, []);
  vi.spyOn(performance, "now").mockReturnValue(0);
  const coarse = [(await tune()).gains, firstWritten()];
  vi.restoreAllMocks();
  const { gains } = await tune();
  await resident.dispose();
  expect(gains).toHaveProperty("q8_0");
  const { at, bytes } = layout.loader.staging;
  expect([at >= from, at + bytes <= to]).toEqual([true, true]);
  expect([loaded, firstWritten()]).toEqual([-1, -1]);
  expect(coarse, "a clock too coarse to measure by").toEqual([{}, -1]);
});
