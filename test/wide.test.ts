/**
 * 256-bit pairs: what V8 makes of the kernels must give the bits of the 128-bit code, or is not used.
 */
import { afterEach, expect, it } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { digestOf, findWideDifference, metName } from "../dist/src/model/run/proof.js";
import { openKernels } from "../dist/src/runtime/module.js";
import { isFloat, WEIGHT_TYPE_NAMES, WEIGHT_TYPES, weightType } from "../dist/src/weight-types.js";
import { MODEL } from "./runtimes.ts";

const node = Number.parseInt(process.versions.node, 10);
const pairs = process.arch === "x64" && (node === 24 || node === 26);
const digests = WEIGHT_TYPES.q8_0.digests as Record<string, number>;
const kept = { ...digests };

afterEach(() => void Object.assign(digests, kept));

/** All that weights of a type may meet. f8_e4m3 becomes another type while it is loaded, iq4_xs is packed as iq4_nl. */
const CHECKS = WEIGHT_TYPE_NAMES.filter((type) => type !== "f8_e4m3" && type !== "iq4_xs").flatMap((type) =>
  (["f32", "q8"] as const).flatMap((cache) => {
    const check = { type, cache, fused: false, activations: "q8" as const };
    if (isFloat(type)) return [check, { ...check, fused: true }];
    const met = (["q8", "q16", "f32"] as const).map((activations) => ({ ...check, activations }));
    return met.filter((one, index) => met.findIndex((other) => metName(type, other) === metName(type, one)) === index);
  }),
);

it("every stored digest is what 128-bit code gives, both builds", async () => {
  const stored = WEIGHT_TYPE_NAMES.flatMap((type) =>
    Object.keys(weightType(type).digests ?? {}).map((met) => `${type} ${met}`),
  );
  expect(CHECKS.map(({ type, ...check }) => `${type} ${metName(type, check)}`).sort()).toEqual(stored.sort());
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = await openKernels(build, false);
    for (const { type, ...check } of CHECKS) {
      if (check.fused && build === "simd") continue; // nothing fuses there
      const digest = weightType(type).digests?.[metName(type, check)];
      expect([build, type, await digestOf(kernels, type, check)]).toEqual([build, type, digest]);
    }
  }
});

it("whether the groups of a visit are woven or lie apart, the same bits, both builds", async () => {
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = await openKernels(build, false);
    for (const { type, ...check } of CHECKS.filter(({ type }) => weightType(type).apart)) {
      const digest = weightType(type).digests?.[metName(type, check)];
      expect([build, type, await digestOf(kernels, type, { ...check, apart: [type] })]).toEqual([build, type, digest]);
    }
  }
});

it("whatever the dot of bytes takes, the same bits (simd build, which has all three)", async () => {
  const kernels = await openKernels("simd", false);
  for (const { type, ...check } of CHECKS)
    for (const dot of (weightType(type).signedBytes && check.activations === "q8") ||
    (check.cache === "q8" && !check.fused)
      ? (["unsigned", "signed"] as const)
      : [])
      for (const apart of [[], [type]])
        expect([type, dot, await digestOf({ ...kernels, dot }, type, { ...check, apart })]).toEqual([
          ...[type, dot],
          weightType(type).digests?.[metName(type, check)],
        ]);
});

it("a type that text and tower hold is proven once where both meet it alike, and a difference of either is named", async () => {
  const kernels = await openKernels("relaxed", false);
  const part = (types: (keyof typeof WEIGHT_TYPES)[], fused: boolean) => {
    return { types: new Set(types), activations: "q16", cache: "f32", fused } as const;
  };
  const right = digests["q16, cache f32"];
  let read = 0;
  const get = () => {
    read++;
    return right;
  };
  Object.defineProperty(digests, "q16, cache f32", { configurable: true, get });
  expect(
    await findWideDifference(kernels, [part(["q8_0", "f32"], false), part(["q8_0", "f32"], true)]),
  ).toBeUndefined();
  expect(read).toBe(1);
  Object.defineProperty(digests, "q16, cache f32", { configurable: true, writable: true, enumerable: true, value: 1 });
  const difference = await findWideDifference(kernels, [part(["f16"], true), part(["q8_0"], true)]);
  expect(difference).toBe("q8_0 q16, cache f32");
});

it("wide is a wish: not asked for it is off, asked for it is on where V8 pairs, and says why", async () => {
  for (const wide of [undefined, true]) {
    const model = await loadModel(MODEL, { threads: 0, wide });
    await model.dispose();
    expect(model.info.wide.on).toBe(wide === true && pairs);
    expect(model.info.wide.reason).toMatch(
      wide === undefined ? /^not asked for$/ : pairs ? /^V8 pairs vectors into 256 bits$/ : /this is (Node \d+|\w+)$/,
    );
  }
});

it.runIf(pairs)("a digest that differs turns wide off and is named (needs Node 24 or 26)", async () => {
  digests["q16, cache f32"] ^= 1;
  const model = await loadModel(MODEL, { threads: 0, wide: true });
  await model.dispose();
  expect(model.info.wide).toEqual({
    on: false,
    reason: "paired vectors gave other bits than single ones (q8_0 q16, cache f32)",
  });
});
