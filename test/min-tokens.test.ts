import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, loadModel, type Model } from "../dist/src/index.js";
import { MODEL } from "./runtimes.ts";
import { byteModel } from "./small-models.ts";

/** `minTokens` and `ignoreEos`: ends that come later, or not at all. */

const A = "a".charCodeAt(0);
const END = 257;
let model: Model;
let storyteller: Model;
beforeAll(async () => {
  model = await createModel(byteModel(32, { eos_token_id: [END] }), { threads: 0 });
  storyteller = await loadModel(MODEL, { threads: 1 });
});
afterAll(async () => {
  await model.dispose();
  await storyteller.dispose();
});

/** The model says "a" and would rather end. */
const eager = { temperature: 0, maxTokens: 8, logitBias: { [A]: 90, [END]: 100 } };

describe("minTokens", () => {
  it("forbids end ids, stop ids and named control tokens until then, whatever a processor says", async () => {
    const ids = async (options: object) => (await model.generate("x", { ...eager, ...options }).result()).ids;
    expect(await ids({})).toEqual([]);
    expect(await ids({ minTokens: 3 })).toEqual([A, A, A]);
    expect(await ids({ minTokens: 8 })).toEqual(Array(8).fill(A));
    const logitsProcessor = (logits: Float32Array) => {
      logits[END] = 1e6;
    };
    expect(await ids({ minTokens: 3, logitsProcessor })).toEqual([A, A, A]);
    const other = { logitBias: { [A]: 90, 98: 100 }, minTokens: 2 };
    expect(await ids({ ...other, stopIds: [98] })).toEqual([A, A]);
    const named = { logitBias: { [A]: 90, 256: 100 }, minTokens: 2, stop: "<|begin|>" };
    expect(await ids(named)).toEqual([A, A]);
  });

  it("looks for stop strings in the text behind them alone", async () => {
    const text = async (options: object) => (await model.generate("x", { ...eager, ...options }).result()).text;
    const always = { logitBias: { [A]: 100 } };
    expect(await text({ ...always, stop: "aa" })).toBe("");
    expect(await text({ ...always, stop: "aa", minTokens: 3 })).toBe("aaa");
    const whole = await storyteller.generate("Once upon a time", { temperature: 0, maxTokens: 40 }).result();
    const stop = whole.text.slice(2, 5);
    const later = await storyteller
      .generate("Once upon a time", { temperature: 0, maxTokens: 40, minTokens: 20, stop })
      .result();
    const ids = later.ids.slice(0, 20);
    expect(ids).toEqual(whole.ids.slice(0, 20));
    expect(later.text.startsWith(storyteller.tokenizer.decode(ids, { continues: true }))).toBe(true);
  });

  it("in a batch is each answer's own", async () => {
    const [first, second] = await model
      .generateBatch([{ prompt: "x", options: { minTokens: 5 } }, "x"], { ...eager, minTokens: 1 })
      .results();
    expect([first.ids.length, second.ids.length]).toEqual([5, 1]);
  });

  it("that the context does not hold ends with it", async () => {
    const prompt = Array(250).fill(A);
    const { ids, limit } = await model.generate(prompt, { ...eager, maxTokens: 20, minTokens: 20 }).result();
    expect([ids.length, limit]).toEqual([6, "context"]);
  });
});

describe("ignoreEos", () => {
  it("makes the checkpoint's ends ids like others, the caller's stay ends", async () => {
    const result = await model.generate("x", { ...eager, ignoreEos: true }).result();
    expect([result.ids, result.text, result.limit]).toEqual([Array(8).fill(END), "", "maxTokens"]);
    const stopped = await model.generate("x", { ...eager, ignoreEos: true, stopIds: [END] }).result();
    expect([stopped.ids, stopped.stoppedBy]).toEqual([[], END]);
    const later = await model.generate("x", { ...eager, ignoreEos: true, minTokens: 4 }).result();
    expect(later.ids).toEqual(Array(8).fill(END));
  });
});
