/** What a bench measures is the kernels: its rows call them with the parameters that they have. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Arena, createMemory } from "../bench/arena.mjs";
import { cases } from "../bench/cases.mjs";
import { KERNELS_DIR } from "./kernels.ts";

type Kernel = (...operands: number[]) => unknown;

it("every row of the bench, in the plain build unless it is of the relaxed one alone, calls its kernels with as many parameters as they take", () => {
  const memory = createMemory(1);
  const [simd, relaxed] = ["simd", "relaxed"].map((build) => {
    const module = new WebAssembly.Module(readFileSync(join(KERNELS_DIR, `${build}.wasm`)));
    return new WebAssembly.Instance(module, { env: { memory, now: () => 0, abort() {} } }).exports;
  });
  const arena = new Arena(memory, 0, 1, 1);
  const wrong: string[] = [];
  let calls = 0;
  for (const entry of cases) {
    const exports = (entry.rungs?.includes("simd") ?? true) ? simd : relaxed;
    if (!entry.exports.every((name: string) => name in exports)) continue;
    const watched = Object.fromEntries(
      Object.entries(exports).map(([name, kernel]) => [
        name,
        (...operands: number[]) => {
          calls++;
          if (operands.length === (kernel as Kernel).length) return (kernel as Kernel)(...operands);
          wrong.push(`${entry.id}: ${name}, ${operands.length}`);
        },
      ]),
    );
    entry.prepare(watched, arena.fork()).call();
  }
  expect([...new Set(wrong)]).toEqual([]);
  expect(calls).toBeGreaterThan(cases.length / 2);
});
