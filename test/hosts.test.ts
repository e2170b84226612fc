import { describe, expect, it } from "vitest";
import { MODEL, PROJECT, RUNTIMES, runToEnd, titleOf } from "./runtimes.ts";

/** The runtimes that npm brings: the same bits, and what breaks ends in a typed error with nothing left running. */

/** SHA-256 of the logits of scripts/conformance/case.mjs, as `npm run conformance` prints it for every runtime. */
const DIGEST = "a4e11bb36bff3efc3e053bb854d3230ee5eeac7a66df10dd563bc23b38dbb0e6";

const FAULTS = {
  "worker dies": "WORKER_EXIT",
  "worker cannot start": "WORKER_START",
  "no memory": "OOM_MEMORY",
  "source ends early": "GGUF_TENSOR_RANGE",
  "source shrinks while it is read": "FILE_CHANGED",
  "abort while loading": "the signal's reason",
};

for (const runtime of RUNTIMES) {
  const { command } = runtime;
  const run = (...args: readonly string[]) => runToEnd(command!, [...runtime.args(PROJECT), ...args], PROJECT);
  describe.skipIf(!command)(titleOf(runtime), () => {
    it.each([
      [1, "simd"],
      [2, "relaxed"],
    ])(
      "%i threads, %s build: the digest of all logits is that of every runtime; the process ends",
      async (threads, build) => {
        const { code, out, err } = await run("test/hosts/case.mjs", MODEL, String(threads), build);
        expect(code, err).toBe(0);
        expect(JSON.parse(out)).toMatchObject({ digest: DIGEST, threads, build });
        expect(err).toBe("");
      },
    );

    it.each(Object.entries(FAULTS))("%s: %s, and the process ends by itself", async (fault, expected) => {
      const { code, out, err } = await run("test/hosts/faults.mjs", fault, MODEL);
      expect(code, err).toBe(0);
      expect(JSON.parse(out).code, out).toBe(expected);
    });
  });
}
