import { expect, it } from "vitest";
import { keptFlags } from "../dist/src/host/worker-threads.js";

it("workers get the profilers' flags with their values, and no others: these may run the program once more", () => {
  const profilers = [
    "--cpu-prof",
    "--cpu-prof-interval",
    "200",
    "--heap-prof-dir=x",
    "--cpu-prof-name",
    "a.cpuprofile",
  ];
  expect(keptFlags(["--import", "./hook.mjs", ...profilers, "-r", "./cpu-prof.js", "--expose-gc"])).toEqual(profilers);
  expect(keptFlags(["200"])).toEqual([]);
});
