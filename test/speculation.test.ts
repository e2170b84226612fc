import { afterAll, beforeAll, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { Lookup } from "../src/generate/lookup.ts";
import { bestLength, LookupSpeculation } from "../src/generate/speculation.ts";
import { StepCost } from "../src/generate/step-cost.ts";
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

it("a lookup finds what followed the latest equal ids, the longest of them", () => {
  const lookup = new Lookup(100);
  expect(lookup.find([1, 2, 3, 4, 5, 1, 2, 3])).toEqual({ from: 3, known: 3, follows: false });
  const other = new Lookup(100);
  expect(other.find([1, 2, 3, 4, 5, 1, 2, 3, 9, 9, 2, 3])?.from).toBe(8);
  expect(other.find([1, 2, 3, 4, 5, 1, 2, 3, 9, 9, 2, 3, 9])).toEqual({ from: 9, known: 3, follows: true });
  expect(new Lookup(100).find([1])).toBe(null);
});

it("a lookup follows a copy behind an id that is another, too many or left out, and loses one that ended", () => {
  const source = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
  const next = (answer: readonly number[]) => {
    const lookup = new Lookup(100);
    const ids = [...source, 1, 2];
    for (const id of answer) {
      lookup.find(ids);
      ids.push(id);
    }
    const place = lookup.find(ids);
    return place && ids[place.from];
  };
  expect(next([10, 11, 12])).toBe(13);
  expect(next([10, 11, 12, 50])).toBe(14);
  expect(next([10, 11, 12, 50, 14])).toBe(15);
  expect(next([10, 11, 12, 50, 13])).toBe(14);
  expect(next([10, 11, 12, 14])).toBe(15);
  expect(next([10, 11, 12, ...Array.from({ length: 12 }, (_, at) => 60 + at)])).toBe(null);
});

it("as many ids are guessed as pay: more where they are surer and cheaper, none where steps without are faster", () => {
  const costs = { plain: 5, guessed: 6, perGuess: 1.4, together: 1 };
  const length = (chance: number, more = {}) => bestLength(32, () => chance, { ...costs, ...more });
  expect(length(1)).toBe(32);
  expect(length(0.95)).toBeGreaterThan(length(0.8));
  expect(length(0.8)).toBeGreaterThan(length(0.6));
  expect(length(0.2)).toBe(0);
  expect(length(0.8, { perGuess: 4.5 })).toBe(0);
  // Of many that share a step each pays its own part alone: what serves one must not cost the others.
  const crowded = { plain: 2.3, guessed: 2.3, together: 8 };
  expect(length(0.3, crowded)).toBe(0);
  expect(length(0.95, crowded)).toBeGreaterThan(2);
});

it("what steps cost is learnt from them, and plain ones are measured again and again", () => {
  const stepCost = new StepCost();
  const ms = (guesses: number) => (guesses === 0 ? 5 : 6.5 + 1.2 * guesses);
  expect(stepCost.of(1)).toBe(undefined);
  for (let step = 0; step < 2; step++) stepCost.took(1, 0, ms(0));
  let plain = 0;
  for (let step = 0; step < 200; step++) {
    const guesses = stepCost.of(1) ? 1 + (step % 13) : 0;
    if (guesses === 0) plain++;
    stepCost.took(1, guesses, ms(guesses));
    // The host did something else.
    if (step % 20 === 0) stepCost.took(1, 4, 200);
  }
  const { plain: known, guessed, perGuess } = stepCost.of(1)!;
  expect(known).toBe(5);
  expect(guessed + 8 * perGuess).toBeGreaterThan(0.9 * ms(8));
  expect(guessed + 8 * perGuess).toBeLessThan(1.2 * ms(8));
  expect([2, 3, 4]).toContain(plain);
  expect(stepCost.of(2)).toBe(undefined);
});

it("a text whose repetitions end differently each time costs next to nothing; a copy behind it is found", () => {
  const speculation = new LookupSpeculation(1000);
  const ids = [1, 2, 3];
  const costs = { plain: 5, guessed: 6, perGuess: 1.4, together: 1 };
  const write = (answer: readonly number[]) => {
    let steps = 0;
    for (let at = 0; at < answer.length; steps++) {
      const guesses = speculation.guess(ids, 32, costs);
      let right = 0;
      while (right < guesses.length && guesses[right] === answer[at + right]) right++;
      for (const id of answer.slice(at, at + right + 1)) {
        speculation.drew(id);
        ids.push(id);
      }
      at += right + 1;
    }
    return steps;
  };
  const misleading = Array.from({ length: 100 }, (_, at) => [1, 2, 3, 100 + at]).flat();
  write(misleading.slice(0, 80));
  const { drafted } = speculation;
  write(misleading.slice(80));
  // Three of four ids are as before; what follows them never is.
  expect(speculation.drafted - drafted).toBeLessThan(400);
  expect(speculation.accepted).toBeGreaterThan(0.6 * speculation.drafted);
  const source = Array.from({ length: 60 }, (_, at) => 300 + at);
  write(source);
  expect(write(source)).toBeLessThan(15);
  expect(speculation.accepted).toBeLessThanOrEqual(speculation.drafted);
});
