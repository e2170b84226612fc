/**
 * f16 matrices whose weights have no packed form.
 */
import { expect, it } from "vitest";
import type { Checkpoint } from "../dist/src/checkpoint/checkpoint.js";
import { readConfig } from "../dist/src/model/config/config.js";
import { randomModelCheckpoint } from "../dist/src/model/config/random.js";
import { widenF16 } from "../dist/src/model/plan/memory-types.js";
import { mapWeights } from "../dist/src/model/plan/weights.js";
import { openResident } from "../dist/src/model/run/open.js";
import { codeOf } from "./error-code.ts";
import { allLogits, hash } from "./resident.ts";

const CONFIG = {
  vocab_size: 40,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_local_experts: 2,
  moe_layers: [1],
};
const OPTIONS = {
  build: "simd",
  wide: false,
  context: 64,
  cache: "f32",
  activations: "q8",
  threads: 0,
  maxMemory: undefined,
  memoryLimit: undefined,
} as const;

/** The same model with one element of one matrix replaced. */
function withElement(half: number): Checkpoint {
  const checkpoint = randomModelCheckpoint(CONFIG, 3, "f16");
  const name = "blk.1.ffn_up_exps.weight";
  const tensor = checkpoint.tensors.get(name)!;
  const at = tensor.offset + 2 * 777;
  const source = {
    ...tensor.source,
    name: tensor.source.name,
    async read(offset: number, into: Uint8Array) {
      await tensor.source.read(offset, into);
      for (const [index, byte] of [half & 0xff, half >> 8].entries()) {
        if (at + index >= offset && at + index < offset + into.length) into[at + index - offset] = byte;
      }
    },
  } as typeof tensor.source;
  return { ...checkpoint, tensors: new Map(checkpoint.tensors).set(name, { ...tensor, source }) };
}

async function logitsOf(checkpoint: Checkpoint, widen: boolean) {
  const { config } = readConfig(checkpoint);
  const { weights } = mapWeights(checkpoint, config);
  const { resident, warnings } = await openResident(config, widen ? widenF16(weights) : weights, OPTIONS);
  const logits = await allLogits(resident, [1, 2, 3, 4, 5, 6, 7]);
  await resident.dispose();
  return { logits: hash(logits), warnings };
}

it("weights of 128 and more: the model's f16 matrices are kept as f32, with a warning; below, they are not", async () => {
  for (const [half, kept] of [
    [0x57ff, false], // 127.9375
    [0x5800, true], // 128
    [0xfbff, true], // -65504
  ] as const) {
    const { logits, warnings } = await logitsOf(withElement(half), false);
    expect(logits).toBe((await logitsOf(withElement(half), true)).logits);
    expect(warnings).toEqual(
      kept ? ["f16 weights of 128 and more (layers.1.experts.up.0): f16 matrices are kept as f32"] : [],
    );
  }
});

it.each([0x7c00, 0xfc00, 0x7e00])("infinity and NaN are refused", async (half) => {
  expect(await codeOf(() => logitsOf(withElement(half), false))).toBe("WEIGHT_NONFINITE");
});
