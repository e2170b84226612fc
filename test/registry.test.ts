/**
 * Every weight type has what a type needs, on both sides: a row that lacks something is named with it.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { metName } from "../dist/src/model/run/proof.js";
import { candidatesOf } from "../src/runtime/forms.ts";
import { isFloat, WEIGHT_TYPE_NAMES, weightType } from "../src/weight-types.ts";
import { BLOCK_TERMS } from "./block-terms.ts";
import { BLOCKS, DECODED } from "./blocks-golden.ts";
import { on } from "./kernels.ts";

/** Stored only: f8 becomes f32 or what `quantize` says, iq4_xs is packed as iq4_nl. */
const STORED_ONLY = ["f8_e4m3", "iq4_xs"];

/** The ladder of a kernel begins with plain JavaScript and plain wasm. */
const LOOPS = [
  ["plain.mjs", "plain-blocks.mjs"],
  ["scalar.ts", "scalar-blocks.ts"],
].map((files) => files.map((file) => readFileSync(new URL(`../bench/${file}`, import.meta.url), "utf8")).join("\n"));
const SHORT: Readonly<Record<string, string>> = { q8_0: "Q8", q4_0: "Q4" };
const loopName = (type: string) => `matmul${SHORT[type] ?? type[0].toUpperCase() + type.slice(1)}`;

const lacking = (needs: Record<string, boolean>) => Object.keys(needs).filter((need) => !needs[need]);

it.each(WEIGHT_TYPE_NAMES)("%s: a number, decoder, sizes, oracle, kernels, bench row, digest", (type) => {
  const { word, elements, bytes, signedBytes, digests = {} } = weightType(type);
  const integers = weightType(type).integers ?? signedBytes?.pairs;
  const cols = 1024;
  const wasm = on("simd", (kernels) => [kernels.row_bytes(word, cols), kernels.group_bytes(word, cols)]);
  const group = (weightType(type).group ?? 8 * bytes) * (cols / elements);
  const used = !STORED_ONLY.includes(type);
  const met = (["q8", "f32"] as const).flatMap((cache) =>
    (isFloat(type) ? [true, false] : [false]).flatMap((fused) =>
      (["q8", "q16", "f32"] as const).map((activations) => metName(type, { activations, cache, fused })),
    ),
  );
  expect(
    lacking({
      "a number in abi.ts": (abi as Record<string, unknown>)[`TYPE_${type.toUpperCase()}`] === word,
      "a golden of its decoder": (["f32", "f8_e4m3", ...DECODED] as readonly string[]).includes(type),
      "a row of test/blocks-golden.ts": BLOCKS[type].bytes === bytes && BLOCKS[type].values === elements,
      "the size of a stored row": wasm[0] === (cols / elements) * bytes,
      "the size of a packed group": wasm[1] === group,
      "an oracle": !integers || type in BLOCK_TERMS,
      "a tile": !integers || Object.keys(integers.tiles).length > 0,
      "a row kernel": !integers || Object.keys(integers.rows).length > 0,
      "a float tile": candidatesOf(type, "f32", { fused: false, dot: "saturating" }) !== undefined,
      "its plain loops in the bench": !integers || LOOPS.every((text) => text.includes(` ${loopName(type)}`)),
      digests: !used || met.every((name) => name in digests),
    }),
  ).toEqual([]);
});

it("kernel ids are distinct, and each belongs to a type or to all", () => {
  const ids = Object.entries(abi as Record<string, number>).filter(
    ([name]) => name.startsWith("KERNEL_") && !name.startsWith("KERNEL_INTEGER"),
  );
  const listed = WEIGHT_TYPE_NAMES.flatMap((type) =>
    (["f32", "q16 pairs", "q16 bytes", "q8 pairs", "q8 quads", "q8 supers"] as const).flatMap((form) =>
      [true, false].flatMap((fused) =>
        (["saturating", "unsigned", "signed"] as const).flatMap((dot) => {
          const { tiles = {}, rows = {} } = candidatesOf(type, form, { fused, dot }) ?? {};
          return [...Object.entries(tiles), ...Object.entries(rows)].map(([name, id]) => [
            `KERNEL_${name.toUpperCase()}`,
            id,
          ]);
        }),
      ),
    ),
  );
  expect(new Set(ids.map(([, id]) => id)).size).toBe(ids.length);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(ids));
});
