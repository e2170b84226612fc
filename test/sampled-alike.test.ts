import { afterAll, beforeAll, expect, it } from "vitest";
import { type GenerateOptions, loadModel, type Model } from "../dist/src/index.js";
import { MODEL } from "./runtimes.ts";

/** An answer with any of the rarer samplers is the same alone, in company, on other threads and with guesses checked ahead. */

const PROMPT = "Once upon a time, a fox and a hen and a fox and a hen and";
const OTHERS = ["The sun", "One day a little girl named Lily", "Tom"];
const SAMPLERS: Record<string, GenerateOptions> = {
  typicalP: { typicalP: 0.7 },
  topNSigma: { topNSigma: 1.2 },
  xtc: { xtc: { probability: 0.5, threshold: 0.05 } },
  dry: { dry: { multiplier: 1, allowedLength: 1 } },
  minTokens: { minTokens: 45, temperature: 0 },
  ignoreEos: { ignoreEos: true },
  "a processor": {
    logitsProcessor: (logits, ids) => {
      for (const id of ids.slice(-3)) logits[id] -= 2;
    },
  },
  "all of them": {
    ...{ typicalP: 0.95, topNSigma: 3, topK: 200, topP: 0.95, minP: 0.001, dry: { multiplier: 0.5 } },
    ...{ xtc: { probability: 0.3 }, minTokens: 20, logProbabilities: 2, repetitionPenalty: 1.1 },
  },
};

let one: Model;
let two: Model;
beforeAll(async () => {
  one = await loadModel(MODEL, { threads: 0, context: 512 });
  two = await loadModel(MODEL, { threads: 2, context: 512 });
});
afterAll(async () => {
  await one.dispose();
  await two.dispose();
});

it.each(Object.entries(SAMPLERS))("with %s", async (_, rare) => {
  const options = { seed: 11, maxTokens: 50, temperature: 0.9, ...rare };
  const alone = await one.generate(PROMPT, options).result();
  const [together] = await two.generateBatch([PROMPT, ...OTHERS], options).results();
  const guessed = await one.generate(PROMPT, { ...options, speculate: "lookup" }).result();
  for (const { ids, text, logProbabilities } of [together, guessed])
    expect({ ids, text, logProbabilities }).toEqual({
      ids: alone.ids,
      text: alone.text,
      logProbabilities: alone.logProbabilities,
    });
});
