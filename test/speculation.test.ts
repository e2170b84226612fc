import { afterAll, beforeAll, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { Lookup, Speculation } from "../src/generate/speculation.ts";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** Guessed ids change nothing but the time. */

const config = layeredModel({
  vocab_size: 40,
  attention_chunk_size: 70,
  max_position_embeddings: 1024,
  eos_token_id: [3],
});
let model: Model;
beforeAll(async () => {
  model = await createModel(config, { threads: 1, type: "q8_0", seed: 5 });
});
afterAll(() => model.dispose());

/** What the prompt repeats is wanted again, so that guesses are often right. */
const copying = (seed: number) => {
  const line = idsOf(12, 40, seed);
  return [...line, ...line, ...line.slice(0, 4)];
};

it("every sampler, penalty, stop and batch draws the same ids with guesses as without", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let drafted = 0;
  let accepted = 0;
  for (const [at, options] of [
    { temperature: 0 },
    { temperature: 0.2, topP: 1 },
    { temperature: 1.5, topK: 5, minP: 0.01 },
    { temperature: 0.8, repetitionPenalty: 1.2, frequencyPenalty: 0.5, presencePenalty: 0.1 },
    { temperature: 0.6, logProbabilities: 3, logitBias: { 3: 5 } },
    { temperature: 0.6, maxTokens: 7 },
    { temperature: 0.6, stopIds: [1, 2] },
  ].entries()) {
    const prompts = Array.from({ length: 6 }, (_, index) => copying(seed + 10 * at + index));
    const asked = { maxTokens: 150, ...options, seed: seed + at };
    const plain = await model.generateBatch(prompts, asked).results();
    model.cache.clear();
    const guessed = await model.generateBatch(prompts, { ...asked, speculate: "lookup" }).results();
    const solo = await model.generate(prompts[0], { ...asked, speculate: "lookup" }).result();
    const bare = ({ timings, usage, ...rest }: (typeof plain)[0]) => ({ ...rest, tokens: usage.completionTokens });
    expect(guessed.map(bare), `seed ${seed}, ${JSON.stringify(options)}`).toEqual(plain.map(bare));
    expect(bare(solo)).toEqual(bare(plain[0]));
    for (const { usage } of [...guessed, solo]) {
      drafted += usage.draftedTokens;
      accepted += usage.acceptedTokens;
      expect(usage.acceptedTokens).toBeLessThanOrEqual(Math.min(usage.draftedTokens, usage.completionTokens));
    }
    for (const { usage } of plain) expect(usage.draftedTokens).toBe(0);
  }
  expect(drafted, `seed ${seed}`).toBeGreaterThan(accepted);
  expect(accepted, `seed ${seed}`).toBeGreaterThan(0);
});

it("text that repeats itself takes fewer steps", async () => {
  const prompt = copying(9);
  const options = { temperature: 0, maxTokens: 200, logitBias: { 3: -100 } };
  const steps = async (speculate: "lookup" | false) => {
    const before = model.wakes[0];
    await model.generate(prompt, { ...options, speculate }).result();
    return model.wakes[0] - before;
  };
  expect(await steps("lookup")).toBeLessThan(0.9 * (await steps(false)));
});

it("a lookup finds what followed the latest equal ids, three before two", () => {
  const lookup = new Lookup(100);
  expect(lookup.guess([1, 2, 3, 4, 5, 1, 2, 3], 3)).toEqual([4, 5, 1]);
  expect(lookup.guess([1, 2, 3, 4, 5, 1, 2, 3, 9, 9, 2, 3], 2)).toEqual([9, 9]);
  expect(lookup.guess([1, 2, 3, 4, 5, 1, 2, 3, 9, 9, 2, 3, 7], 2)).toEqual([]);
  expect(new Lookup(100).guess([1], 5)).toEqual([]);
});

it("guessing rests where it does not pay, and tries again later and later", () => {
  let now = 0;
  const speculation = new Speculation(new Lookup(100), () => now);
  const ids = [1, 2, 3, 1, 2, 3, 1, 2, 3];
  const tries: number[] = [];
  for (let step = 0; step < 400; step++) {
    const guesses = speculation.guess(ids, 8);
    if (guesses.length > 0) tries.push(ids.length);
    // A guess is never right, and costs as much as two ids.
    now += guesses.length > 0 ? 3 : 1;
    ids.push([1, 2, 3][ids.length % 3]);
  }
  expect(tries.length).toBeLessThan(8);
  expect(tries[2] - tries[1]).toBeGreaterThan(1.5 * (tries[1] - tries[0]));
});
