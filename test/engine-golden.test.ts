import { afterAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../dist/src/index.js";
import { checkOptions } from "../src/generate/options.ts";
import { Sampler } from "../src/generate/sampler.ts";
import { CASES, firstArgmaxDifference, firstDivergence, goldenCase, LLAMA_CASES } from "./golden.ts";

/** The engine against tensors that transformers made: the first one that diverges is named. */

const open: Model[] = [];
afterAll(async () => {
  for (const model of open) await model.dispose();
});

async function load(source: string, options = {}): Promise<Model> {
  const model = await loadModel(source, { threads: 2, ...options });
  open.push(model);
  return model;
}

describe.each([...CASES, ...LLAMA_CASES])("%s", (name) => {
  const golden = goldenCase(name);

  it.each(["simd", "relaxed"] as const)(
    "%s: every tap within 1e-4 of its largest value, logits within 1e-4, argmax equal at every position",
    async (build) => {
      const model = await load(golden.ggufPath(), { build });
      const taps = await model.trace(golden.inputIds, { taps: [...golden.taps.keys()] });
      expect(firstDivergence(taps, golden.taps)?.message ?? null).toBeNull();
      expect(firstArgmaxDifference(taps["logits"], golden.taps.get("logits")!)).toBeNull();
    },
  );
});

/** text-b-bf16 has no generate.json; a case that loses its own fails here. */
const GENERATED = [...CASES, ...LLAMA_CASES].filter((name) => name !== "text-b-bf16");

it.each(GENERATED)(
  "%s: greedy ids equal transformers', also with repetition penalty 1.1 over prompt and output",
  async (name) => {
    const golden = goldenCase(name);
    const generate = golden.generate!;
    const model = await load(golden.ggufPath());
    expect(await greedy(model, generate.prompt, 40, 1)).toEqual(generate.greedy);
    const penalised = generate["greedy_repetition_penalty_1.1"];
    if (!LLAMA_CASES.includes(name as never)) expect(penalised).toHaveLength(40);
    if (penalised) expect(await greedy(model, generate.prompt, 40, 1.1)).toEqual(penalised);
  },
);

/** Without stopping at end ids, as the goldens were made. */
async function greedy(
  model: Model,
  prompt: readonly number[],
  count: number,
  repetitionPenalty: number,
): Promise<number[]> {
  const sampler = new Sampler(
    { ...checkOptions({ temperature: 0, repetitionPenalty }, { vocab: model.config.vocab, context: 100 }), seed: 0 },
    model.config.vocab,
  );
  sampler.observePrompt(prompt);
  const session = model.session();
  const ids = [...prompt];
  for (let step = 0; step < count; step++) {
    await session.sync(ids);
    const { id } = sampler.sample(await session.logits(), step);
    sampler.accept(id);
    ids.push(id);
  }
  await session.dispose();
  return ids.slice(prompt.length);
}

it("text-e-8192 over 8,300 tokens: logits around the chunk boundary and the first temperature step within 1e-4", async () => {
  const golden = goldenCase("text-e-8192");
  const { inputIds, positions, logits } = golden.long!;
  const model = await load(golden.ggufPath(), { context: 8320 });
  const session = model.session();
  let largest = 0;
  for (const [index, position] of positions.entries()) {
    await session.sync(inputIds.slice(0, position + 1));
    const got = await session.logits();
    const vocab = model.config.vocab;
    for (let id = 0; id < vocab; id++) largest = Math.max(largest, Math.abs(got[id] - logits.data[index * vocab + id]));
  }
  expect(largest).toBeLessThan(1e-4);
  await session.dispose();
});
