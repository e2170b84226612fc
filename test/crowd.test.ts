import { afterAll, beforeAll, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** Many callers of one model: pages run out, strangers come and go, long traces run beside sessions. */

const config = layeredModel({ vocab_size: 260, attention_chunk_size: 64, eos_token_id: [] });
let model: Model;
beforeAll(async () => {
  model = await createModel(config, { threads: 1, context: 512 });
});
afterAll(() => model.dispose());

it("more sequences than pages: they take turns, all end, each with its solo ids", async () => {
  const prompts = Array.from({ length: 24 }, (_, index) => idsOf(5, 256, index + 1));
  const options = { temperature: 0, maxTokens: 480, logitBias: { 257: -100 } };
  const alone: number[][] = [];
  for (const prompt of prompts.slice(0, 3)) alone.push((await model.generate(prompt, options).result()).ids);
  const all = await model.generateBatch(prompts, options).results();
  expect(all.map(({ ids }) => ids.length)).toEqual(prompts.map(() => 480));
  expect(all.slice(0, 3).map(({ ids }) => ids)).toEqual(alone);
});

it("sessions that nobody asks give their pages to whoever runs, and hold the same afterwards", async () => {
  const sessions = Array.from({ length: 20 }, () => model.session());
  const texts = sessions.map((_, index) => idsOf(500, 256, index + 1));
  const before: Float32Array[] = [];
  for (const [index, session] of sessions.entries()) {
    await session.sync(texts[index]);
    before.push(await session.logits());
  }
  expect((await model.generate([1], { maxTokens: 5 }).result()).ids.length).toBe(5);
  for (const [index, session] of sessions.entries()) {
    expect(session.ids).toEqual(texts[index]);
    await session.sync([...texts[index], 1]);
    await session.rewind(500);
    expect(await session.logits()).toEqual(before[index]);
  }
  for (const session of sessions) await session.dispose();
});

it("two hundred open sessions hold no place that a generation needs: only pages are counted", async () => {
  const sessions = Array.from({ length: 200 }, () => model.session());
  await Promise.all(sessions.slice(0, 40).map((session, index) => session.sync([index, 1, 2])));
  const alone = await model.generate([7], { temperature: 0, maxTokens: 5 }).result();
  const crowd = await Promise.all(
    Array.from({ length: 70 }, () => model.generate([7], { temperature: 0, maxTokens: 5 }).result()),
  );
  expect(crowd.every(({ ids }) => ids.join() === alone.ids.join())).toBe(true);
  await Promise.all(sessions.map((session) => session.dispose()));
});

it("strangers who abort do not cost the others their step", async () => {
  const before = model.wakes[0];
  const prompt = idsOf(400, 256);
  const kept = model.generate(prompt, { temperature: 0, maxTokens: 20 }).result();
  const strangers = Array.from({ length: 10 }, async (_, index) => {
    const controller = new AbortController();
    const stranger = model.generate([index], { signal: controller.signal, maxTokens: 500, seed: index });
    for await (const _piece of stranger) controller.abort();
  });
  expect((await Promise.allSettled(strangers)).every(({ status }) => status === "rejected")).toBe(true);
  expect((await kept).ids).toEqual((await model.generate(prompt, { temperature: 0, maxTokens: 20 }).result()).ids);
  expect(model.wakes[0] - before).toBeLessThan(60);
});

it("a trace longer than its probabilities have room for touches nothing else", async () => {
  const long = await createModel(config, { threads: 2, context: 4096 });
  const session = long.session();
  const ids = idsOf(300, 256);
  await session.sync(ids);
  const before = await session.logits();
  const many = idsOf(4096, 256);
  const { logits } = await long.trace(many, { taps: ["logits"] });
  expect(logits.data.every(Number.isFinite)).toBe(true);
  expect(await codeOf(() => long.trace(many, { taps: ["layers.0.attn.probs"] }))).toBe("TRACE_KEYS");
  await session.sync([...ids, 1]);
  await session.sync(ids);
  expect(await session.logits()).toEqual(before);
  await long.dispose();
});

it("eighty scores at once share their steps", async () => {
  const scores = await Promise.all(Array.from({ length: 80 }, () => model.score(idsOf(100, 256))));
  expect(new Set(scores.map(({ meanNll }) => meanNll)).size).toBe(1);
});

it("the context that was asked for is the limit, for sessions too", async () => {
  const short = await createModel(config, { threads: 0, context: 100 });
  const session = short.session();
  await session.sync(idsOf(100, 256));
  expect(await codeOf(() => session.sync(idsOf(101, 256)))).toBe("CONTEXT_LENGTH");
  expect(session.ids.length).toBe(100);
  await short.dispose();
});

it.each([
  ["an array-like without a whole length", () => model.generate({ length: Number.NaN } as never), "REQ_PARAM"],
  ["a number instead of ids", () => model.session().sync(5 as never), "REQ_PARAM"],
  ["a typo in the options of score", () => model.score([1, 2], { sginal: 1 } as never), "REQ_UNSUPPORTED_PARAM"],
  ["taps that are no list", () => model.trace([1], { taps: "logits" } as never), "OPTION_TAPS"],
  ["a signal that is none", () => model.score([1, 2], { signal: 5 } as never), "REQ_PARAM"],
  ["options behind a prototype", () => model.generate([1], Object.create({ maxTokens: 2 })), "REQ_PARAM"],
  ["a progress listener that is none", () => createModel(config, { onProgress: 5 } as never), "OPTION_RANGE"],
  ["no options but null", () => createModel(config, null as never), "REQ_PARAM"],
])("%s is a typed error", async (_, work, code) => {
  expect(await codeOf(work)).toBe(code);
});
