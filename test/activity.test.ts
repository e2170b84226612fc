/** What a model tells of itself while it works: steps, load, what was sampled so far; what a score tells beside its own ids. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createModel, type Model, type StepReport } from "../dist/src/index.js";
import { byteModel } from "./small-models.ts";

let model: Model;
beforeAll(async () => {
  model = await createModel(byteModel(32), { threads: 0, seed: 2 });
});
afterAll(() => model.dispose());

it("a listener hears of every row of every step until it leaves, and what it throws ends no answer", async () => {
  const steps: StepReport[] = [];
  const leave = model.activity.onStep((step) => steps.push(step));
  const texts = ["one", "another"].map((prompt) => model.generate(prompt, { maxTokens: 5, seed: 1 }));
  const results = await Promise.all(texts.map((text) => text.result()));
  await null;
  const rows = steps.reduce((sum, step) => sum + step.rows, 0);
  // The last id of an answer is no row.
  expect(rows).toBe(results.reduce((sum, { usage }) => sum + usage.promptTokens + usage.completionTokens - 1, 0));
  expect(steps[0].sequences).toBe(2);
  expect(steps.every(({ milliseconds }) => milliseconds > 0)).toBe(true);
  leave();
  await model.generate("x", { maxTokens: 1 }).text();
  await null;
  expect(steps.reduce((sum, step) => sum + step.rows, 0)).toBe(rows);
});

it("tells how many run and wait", async () => {
  const answer = model.generate("x", { maxTokens: 50, seed: 1 });
  const loads: { running: number; waiting: number }[] = [];
  for await (const _ of answer) loads.push(model.activity.load);
  expect(loads[0]).toEqual({ running: 1, waiting: 0 });
  await answer.result();
  expect(model.activity.load).toEqual({ running: 0, waiting: 0 });
});

it("a stream of text can be read with the log-probabilities of what it is made of", async () => {
  const answer = model.generate("x", { maxTokens: 20, seed: 1, logProbabilities: 2 });
  for await (const _ of answer) expect(answer.sampled.length).toBeGreaterThan(0);
  expect(answer.sampled).toEqual((await answer.result()).logProbabilities);
});

it("a score tells the likeliest ids of each place, in the same figures", async () => {
  const prompt = [1, 2, 3];
  const text = [4, 5, 6, 7];
  const { nll, top } = await model.score(text, { prompt, logProbabilities: 20 });
  const plain = await model.score(text, { prompt });
  expect([nll, plain.top, top?.length]).toEqual([plain.nll, undefined, text.length]);
  for (const [index, likeliest] of top!.entries()) {
    expect(likeliest.map(({ logProbability }) => logProbability)).toEqual(
      likeliest.map(({ logProbability }) => logProbability).sort((a, b) => b - a),
    );
    const own = likeliest.find(({ id }) => id === text[index]);
    if (own) expect(own.logProbability).toBe(-nll[index]);
    const next = model.generate([...prompt, ...text.slice(0, index)], {
      maxTokens: 1,
      temperature: 0,
      logProbabilities: 1,
    });
    const [{ id, logProbability }] = (await next.result()).logProbabilities!;
    expect(likeliest[0].id).toBe(id);
    expect(likeliest[0].logProbability).toBeCloseTo(logProbability!, 5);
  }
  await expect(model.score(text, { prompt, logProbabilities: 21 })).rejects.toThrow(/REQ_PARAM.*logProbabilities/);
});

it("has a fingerprint that weights and configuration make, and nothing else", async () => {
  const of = async (config: object, seed: number) => {
    const other = await createModel({ ...byteModel(32), ...config }, { threads: 0, seed });
    await other.dispose();
    // Made when it is asked for, and known for good once the model is gone.
    return other.info.fingerprint;
  };
  expect(model.info.fingerprint).toMatch(/^[0-9a-f]{32}$/);
  expect(await of({}, 2)).toBe(model.info.fingerprint);
  expect(await of({}, 3)).not.toBe(model.info.fingerprint);
  expect(await of({ rope_theta: 9 }, 2)).not.toBe(model.info.fingerprint);
});
