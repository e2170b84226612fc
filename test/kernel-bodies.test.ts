/** A model is compiled the kernels of its own types of weights, where the host compiles before it runs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { withoutBodies } from "../src/host/kernel-bodies.ts";
import { digestOf, metName } from "../src/model/run/proof.ts";
import { Memory, MemoryPlan } from "../src/runtime/memory.ts";
import { openKernels } from "../src/runtime/module.ts";
import { instantiate } from "../src/runtime/worker.ts";
import { isQuantized, type StoredType, WEIGHT_TYPE_NAMES, weightType } from "../src/weight-types.ts";
import { KERNELS_DIR, Random, SEED } from "./kernels.ts";

type Exports = Record<string, (...words: number[]) => number>;

const instanceOf = (module: WebAssembly.Module) =>
  instantiate(module, new Memory(new MemoryPlan()).wasm) as unknown as Exports;
const simd = readFileSync(join(KERNELS_DIR, "simd.wasm"));

it("weights of every type give their digests by their own kernels alone; those of other types trap", async () => {
  const modules = new Set<WebAssembly.Module>();
  for (const type of WEIGHT_TYPE_NAMES) {
    const kernels = await openKernels("simd", false, { types: new Set([type, "f32"]) });
    modules.add(kernels.module);
    for (const activations of ["q8", "q16", "f32"] as const) {
      const check = { activations, cache: "f32", fused: false } as const;
      const digest = weightType(type).digests?.[metName(type, check)];
      if (digest !== undefined) expect([type, await digestOf(kernels, type, check)]).toEqual([type, digest]);
    }
    const exports = instanceOf(kernels.module);
    for (const other of WEIGHT_TYPE_NAMES.filter((other) => weightType(other).integers)) {
      const row = Object.keys(weightType(other).integers!.rows)[0];
      const call = () => exports[row](65_536, 65_536, 65_536, 0, 0, 0, 0, 0, 0, 0, 0, 0);
      if (other === type) expect(call, `${row} beside ${type}`).not.toThrow();
      else expect(call, `${row} beside ${type}`).toThrow(/unreachable/);
    }
  }
  // Floats share one, which has no quantised type.
  expect(modules.size).toBe(WEIGHT_TYPE_NAMES.filter(isQuantized).length + 1);
});

it("kernels that hold more types serve a model of fewer, and are not compiled again", async () => {
  const open = async (...types: StoredType[]) =>
    (await openKernels("relaxed", false, { types: new Set(types) })).module;
  const both = await open("q4_k", "q6_k", "f32");
  expect(await open("q6_k", "bf16")).toBe(both);
  expect(await open("q4_k")).toBe(both);
  expect(await open("q4_k", "q5_k")).not.toBe(both);
  const all = (await openKernels("relaxed", false)).module;
  expect(await open("q5_0")).toBe(all);
  expect(await open("q4_k")).toBe(both);
});

it("what is left in is as it was, every export keeps its name, and what is cut short is refused", () => {
  const names = (module: WebAssembly.Module) => WebAssembly.Module.exports(module).map(({ name }) => name);
  const whole = new WebAssembly.Module(simd);
  const unused = (name: string) => name === "byte_dot" || name === "row_bytes";
  const part = new WebAssembly.Module(withoutBodies(simd, unused));
  expect(names(part)).toEqual(names(whole));
  const [before, after] = [instanceOf(whole), instanceOf(part)];
  expect(() => after.byte_dot(1, 1)).toThrow(/unreachable/);
  expect(after.page_bytes(0, 64)).toBe(before.page_bytes(0, 64));
  expect(withoutBodies(simd, () => false).length).toBeLessThanOrEqual(simd.length);
  const random = new Random(SEED);
  for (let run = 0; run < 200; run++) {
    const length = random.integer(0, simd.length);
    const cut = () => new WebAssembly.Module(withoutBodies(simd.subarray(0, length), unused));
    expect(cut, `${length} bytes`).toThrow(
      expect.toSatisfy((error) => error instanceof RangeError || error instanceof WebAssembly.CompileError),
    );
  }
});
