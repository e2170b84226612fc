import { cachedDataVersionTag } from "node:v8";
import { expect, it } from "vitest";
import { host } from "../dist/src/host/node.js";

/** V8's tag of its version and flags: code of other flags is no good to it, that of Node's own modules in a worker too. */
it.each([
  ["simd", false],
  ["relaxed", false],
  ["relaxed", true],
] as const)("compiling %s kernels (wide: %s) leaves V8's flags as they were", async (build, wide) => {
  const before = cachedDataVersionTag();
  await host.compile(build, wide && host.wide().on, () => false);
  expect(cachedDataVersionTag()).toBe(before);
});
