import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type Generation, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { byteModel } from "./small-models.ts";

/** An answer is computed no further than a page ahead of its fastest reader. */

const PAGE = 64;
const LONG = { seed: 4, maxTokens: 300, logitBias: { 256: -100, 257: -100, 258: -100, 259: -100 } };
const config = byteModel(32, { num_hidden_layers: 2, max_position_embeddings: 512 });
let model: Model;
beforeAll(async () => {
  model = await createModel(config, { threads: 1, context: 512, sequences: 2 });
});
afterAll(() => model.dispose());

const read = (answer: Generation) => answer[Symbol.asyncIterator]();
async function take(pieces: AsyncIterator<string>, most = Number.POSITIVE_INFINITY): Promise<string> {
  let text = "";
  for (let count = 0; count < most; count++) {
    const { value, done } = await pieces.next();
    if (done) break;
    text += value;
  }
  return text;
}
/** So long that whoever is not held back gets as far. */
let others = 100;
const meanwhile = () => model.generate("zz", { ...LONG, seed: others++, maxTokens: 400 }).text();

describe("an answer that nobody reads for now", () => {
  it("stays a page ahead, goes on where it is read, and is the same in the end", async () => {
    const whole = await model.generate("ab", LONG).text();
    const answer = model.generate("ab", LONG);
    const pieces = read(answer);
    let text = await take(pieces, 3);
    await meanwhile();
    const held = answer.partial.ids.length;
    // Some ids have no text of their own: half a character.
    expect(held).toBeGreaterThanOrEqual(PAGE);
    expect(held).toBeLessThan(PAGE + 24);
    await meanwhile();
    expect(answer.partial.ids.length).toBe(held);
    text += await take(pieces, 10);
    await meanwhile();
    expect(answer.partial.ids.length).toBeGreaterThan(held);
    expect(answer.partial.ids.length).toBeLessThan(held + 40);
    text += await take(pieces);
    expect(text).toBe(whole);
  });

  it("is computed whole for result() and text(), and as far as the fastest of several readers", async () => {
    const awaited = model.generate("ab", LONG);
    await take(read(awaited), 2);
    await meanwhile();
    expect(awaited.partial.ids.length).toBeLessThan(PAGE + 24);
    expect((await awaited.result()).ids.length).toBe(300);
    const shared = model.generate("ab", LONG);
    const [slow, fast] = [read(shared), read(shared)];
    const text = await take(slow, 1);
    const all = await take(fast);
    expect(text + (await take(slow))).toBe(all);
  });

  it("gives its place to others, and its pages where they are needed", async () => {
    const small = await createModel(config, { threads: 0, context: 512, sequences: 1 });
    const wholes: string[] = [];
    const prompts = Array.from({ length: 6 }, (_, index) => `p${index}`);
    for (const prompt of prompts) wholes.push(await small.generate(prompt, LONG).text());
    const readers = prompts.map((prompt) => read(small.generate(prompt, LONG)));
    const texts: string[] = [];
    // One place; each comes to its first pieces all the same.
    for (const reader of readers) texts.push(await take(reader, 2));
    expect((await small.generate("x".repeat(400), { ...LONG, maxTokens: 100 }).result()).ids.length).toBe(100);
    for (const [at, reader] of [...readers.entries()].reverse()) texts[at] += await take(reader);
    expect(texts).toEqual(wholes);
    await small.dispose();
  });

  it("hears of its end: aborted, cancelled, left, disposed", async () => {
    const other = await createModel(config, { threads: 0, context: 512 });
    const resting = async (signal?: AbortSignal) => {
      const answer = other.generate("ab", { ...LONG, seed: others++, signal });
      const pieces = read(answer);
      await take(pieces, 1);
      await other.generate("zz", { ...LONG, seed: others++, maxTokens: 200 }).text();
      expect(answer.partial.ids.length).toBeLessThan(PAGE + 24);
      return { answer, pieces };
    };
    const stop = new AbortController();
    const reason = new Error("enough");
    const aborted = await resting(stop.signal);
    stop.abort(reason);
    await expect(aborted.answer.result()).rejects.toBe(reason);
    await expect(take(aborted.pieces)).rejects.toBe(reason);
    const cancelled = await resting();
    cancelled.answer.cancel();
    expect(await codeOf(() => take(cancelled.pieces))).toBe("GENERATION_LEFT");
    const left = await resting();
    await left.pieces.return?.();
    expect(await codeOf(() => left.answer.result())).toBe("GENERATION_LEFT");
    const [first, second] = [await resting(), await resting()];
    await other.dispose();
    expect(await codeOf(() => first.answer.result())).toBe("DISPOSED");
    expect(await codeOf(() => take(second.pieces))).toBe("DISPOSED");
  });

  it("is freed when it is dropped", async () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const begin = async () => {
      const answer = model.generate("dropped", LONG);
      await take(read(answer), 1);
      await meanwhile();
      return new WeakRef(answer);
    };
    const dropped = await begin();
    // Whoever asks for it keeps it for a turn.
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      collect();
    }
    expect(dropped.deref()).toBe(undefined);
  });

  it("that has no text yet is no longer than its reader waits", async () => {
    const ids = { logitBias: { 256: 100 }, maxTokens: 200, temperature: 0 };
    const answer = model.generate("ab", ids);
    expect(await take(read(answer))).toBe("");
    expect(answer.partial.ids.length).toBe(200);
  });

  it("among many read at random, each is as it is alone, with guesses and without", async () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`back-pressure: seed ${seed}`);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const speculate = (index: number) => (index % 2 === 0 ? {} : ({ speculate: "lookup" } as const));
    const asked = Array.from({ length: 12 }, (_, index) => ({
      prompt: "abcabc".slice(0, 1 + random(6)),
      options: { ...LONG, seed: index, maxTokens: 1 + random(250), temperature: 0.3 },
    }));
    const alone: string[] = [];
    for (const { prompt, options } of asked) alone.push(await model.generate(prompt, options).text());
    const readers = asked.map(({ prompt, options }, index) =>
      read(model.generate(prompt, { ...options, ...speculate(index) })),
    );
    const texts = readers.map(() => "");
    const ended = new Set<number>();
    while (ended.size < readers.length) {
      const at = random(readers.length);
      const most = 1 + random(90);
      const before = texts[at].length;
      texts[at] += await take(readers[at], most);
      if (texts[at].length === before) ended.add(at);
    }
    expect(texts).toEqual(alone);
  });
});
