/**
 * 256-bit pairs: what V8 makes of the kernels must give the bits of the 128-bit code, or is not used.
 */
import { afterEach, expect, it } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { digestName, digestOf, NARROW_DIGESTS } from "../dist/src/model/wide-check.js";
import { openKernels } from "../dist/src/runtime/module.js";

const STORYTELLER = new URL("../models/storyteller-q8_0.gguf", import.meta.url).pathname;
const node = Number.parseInt(process.versions.node, 10);
const pairs = process.arch === "x64" && (node === 24 || node === 26);
const digests = NARROW_DIGESTS as Record<string, number>;
const kept = { ...digests };

afterEach(() => void Object.assign(digests, kept));

const FLOATS = ["f32", "f16", "bf16"] as const;
const INTEGERS = ["q8_0", "q4_0", "q4_1", "q5_0", "q4_k", "q5_k", "q6_k", "iq4_nl"] as const;
/** Met by f32 whatever was asked for. */
const GENERIC = ["q5_1", "q2_k", "q3_k", "mxfp4", "tq1_0", "tq2_0"] as const;

const CHECKS = (["f32", "q8"] as const).flatMap((cache) => [
  ...FLOATS.flatMap((type) => [false, true].map((fused) => ({ type, cache, fused, activations: "q8" as const }))),
  ...INTEGERS.flatMap((type) =>
    (["q8", "f32"] as const).map((activations) => ({ type, cache, fused: false, activations })),
  ),
  ...GENERIC.map((type) => ({ type, cache, fused: false, activations: "q8" as const })),
]);

it("every stored digest is what 128-bit code gives, both builds", async () => {
  expect(CHECKS.map(({ type, ...check }) => digestName(type, check)).sort()).toEqual(Object.keys(digests).sort());
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = await openKernels(build, false);
    for (const { type, ...check } of CHECKS) {
      if (check.fused && build === "simd") continue; // nothing fuses there
      expect([build, await digestOf(kernels, type, check)]).toEqual([build, digests[digestName(type, check)]]);
    }
  }
});

it("wide is a wish: not asked for it is off, asked for it is on where V8 pairs, and says why", async () => {
  for (const wide of [undefined, true]) {
    const model = await loadModel(STORYTELLER, { threads: 0, wide });
    await model.dispose();
    expect(model.info.wide.on).toBe(wide === true && pairs);
    expect(model.info.wide.reason).toMatch(
      wide === undefined ? /^not asked for$/ : pairs ? /^V8 pairs vectors into 256 bits$/ : /this is (Node \d+|\w+)$/,
    );
  }
});

it.runIf(pairs)("a digest that differs turns wide off and is named (needs Node 24 or 26)", async () => {
  digests["q8_0 q8, cache f32"] ^= 1;
  const model = await loadModel(STORYTELLER, { threads: 0, wide: true });
  await model.dispose();
  expect(model.info.wide).toEqual({
    on: false,
    reason: "paired vectors gave other bits than single ones (q8_0 q8, cache f32)",
  });
});
