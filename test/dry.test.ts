import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type DryOptions, type Model } from "../dist/src/index.js";
import { Candidates } from "../src/draw/candidates.ts";
import { type CheckedDry, checkDry, Dry } from "../src/generate/dry.ts";
import { Sampler } from "../src/generate/sampler.ts";
import { codeOf } from "./error-code.ts";
import { byteModel } from "./small-models.ts";

/** The DRY penalty against its definition: every earlier place compared id by id. */

const VOCAB = 8;
const checked = (options: DryOptions): CheckedDry => checkDry(options, undefined)!;

/** Ids of one letter each from "a", those of `words` of more; the last is a control token. */
const speaker = (words: Record<number, string> = {}) => ({
  tokenBytes: (id: number) => new TextEncoder().encode(words[id] ?? String.fromCharCode(97 + id)),
  isSpecial: (id: number) => id === VOCAB - 1,
});

function penaltiesOf(ids: readonly number[], options: DryOptions, tokenizer: ReturnType<typeof speaker> | null = null) {
  const dry = new Dry(checked(options), tokenizer);
  for (const id of ids) dry.push(id);
  return Object.fromEntries(dry.penalties());
}

function naive(ids: readonly number[], { multiplier, base, allowedLength, range, sequenceBreakers }: CheckedDry) {
  const text = ids.map((id) => (id === VOCAB - 1 ? "\0" : String.fromCharCode(97 + id))).join("");
  const breaks = (at: number) =>
    text[at] === "\0" || sequenceBreakers!.some((breaker) => text.slice(0, at + 1).endsWith(breaker));
  const first = range < 0 ? 0 : Math.max(0, ids.length - range);
  const longest = new Map<number, number>();
  for (let at = first; at < ids.length - 1; at++) {
    let length = 0;
    while (
      at - length >= first &&
      ids[at - length] === ids[ids.length - 1 - length] &&
      !breaks(ids.length - 1 - length)
    )
      length++;
    if (length >= allowedLength && !breaks(at + 1))
      longest.set(ids[at + 1], Math.max(length, longest.get(ids[at + 1]) ?? 0));
  }
  return Object.fromEntries(
    [...longest].map(([id, length]) => [
      id,
      Math.min(3.4028234663852886e38, multiplier * base ** (length - allowedLength)),
    ]),
  );
}

describe("the penalty", () => {
  const plain = { multiplier: 1, base: 2, allowedLength: 2 };

  it("grows with what repeats, from the allowed length on", () => {
    expect(penaltiesOf([1, 2, 3, 0, 1], plain)).toEqual({});
    expect(penaltiesOf([1, 2, 3, 0, 1, 2], plain)).toEqual({ 3: 1 });
    expect(penaltiesOf([0, 1, 2, 3, 4, 0, 1, 2], plain)).toEqual({ 3: 2 });
    expect(penaltiesOf([0, 1, 2, 3, 4, 1, 2, 5, 0, 1, 2], plain)).toEqual({ 3: 2, 5: 1 });
  });

  it("looks at the last `range` ids alone", () => {
    expect(penaltiesOf([1, 2, 3, 0, 1, 2], { ...plain, range: 6 })).toEqual({ 3: 1 });
    expect(penaltiesOf([1, 2, 3, 0, 1, 2], { ...plain, range: 5 })).toEqual({});
  });

  it("does not reach across a breaker, penalises none, and finds one in pieces of several ids", () => {
    const broken = (ids: number[], sequenceBreakers: string[], words = {}) =>
      penaltiesOf(ids, { ...plain, sequenceBreakers }, speaker(words));
    expect(broken([0, 1, 2, 3, 0, 1, 2], ["x"])).toEqual({ 3: 2 });
    expect(broken([0, 1, 2, 3, 0, 1, 2], ["a"])).toEqual({ 3: 1 });
    expect(broken([0, 1, 2, 3, 0, 1, 2], ["d"])).toEqual({});
    expect(broken([0, 1, 2, 3, 0, 1, 2], ["ab"])).toEqual({});
    expect(broken([0, 1, 2, 3, 0, 1, 2], ["é"], { 0: "xé", 1: "b" })).toEqual({ 3: 1 });
    // The last is a control token.
    expect(broken([0, 1, 7, 3, 0, 1], [])).toEqual({});
    expect(broken([7, 1, 2, 3, 7, 1, 2], [])).toEqual({ 3: 1 });
  });

  it("of a text that repeats for long stays finite, and is found in time: 100,000 ids < 1 s", () => {
    const begun = performance.now();
    expect(penaltiesOf(Array(100_000).fill(3), { multiplier: 100, base: 10 })).toEqual({ 3: 3.4028234663852886e38 });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it("equals that of every place compared id by id", () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`dry: seed ${seed}`);
    const options = fc.record({
      multiplier: fc.constantFrom(0.8, 3),
      base: fc.constantFrom(1, 1.75, 2),
      allowedLength: fc.constantFrom(1, 2, 4),
      range: fc.constantFrom(-1, 1, 5, 20, 1000),
      sequenceBreakers: fc.constantFrom([], ["c"], ["ab"], ["bba", "d"]),
    });
    const ids = fc.array(fc.constantFrom(0, 0, 1, 1, 2, 3, 7), { maxLength: 60 });
    fc.assert(
      fc.property(ids, options, (ids, chosen) => {
        const found = penaltiesOf(ids, chosen, speaker());
        const expected = naive(ids, checked(chosen));
        expect(Object.keys(found)).toEqual(Object.keys(expected));
        for (const [id, penalty] of Object.entries(expected)) expect(found[id]).toBeCloseTo(penalty, 9);
      }),
      { numRuns: 3000, seed },
    );
  });
});

it("the sampler takes it from the logits of prompt and output, before the bias", () => {
  const dry = new Dry(checked({ multiplier: 1, base: 2 }), null);
  const rest = { topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };
  const logitBias = new Map([[3, 5]]);
  const options = { ...rest, temperature: 0, logitBias, seed: 1, logProbabilities: 5 };
  const sampler = new Sampler(options, 5, new Candidates(5), dry);
  sampler.observePrompt([1, 2, 3, 0, 1]);
  sampler.accept(2);
  const { top } = sampler.sample(new Float32Array(5), 0);
  expect(top![0].id).toBe(3);
  expect(top![0].logProbability - top![1].logProbability).toBeCloseTo(5 - 1, 6);
});

describe("of a model", () => {
  let model: Model;
  beforeAll(async () => {
    model = await createModel(byteModel(32), { threads: 0 });
  });
  afterAll(() => model.dispose());

  it("keeps a greedy answer from its loop, alone as in a batch", async () => {
    const control = Object.fromEntries([256, 257, 258, 259].map((id) => [id, -100]));
    const greedy = { temperature: 0, maxTokens: 100, logitBias: control };
    const repeats = (ids: readonly number[]) =>
      ids.length - 5 - new Set(ids.slice(0, -5).map((_, at) => ids.slice(at, at + 6).join())).size;
    const plain = await model.generate("ab", greedy).result();
    expect(repeats(plain.ids)).toBeGreaterThan(50);
    const dry = { multiplier: 3, sequenceBreakers: ["ab"] };
    const dried = await model.generate("ab", { ...greedy, dry }).result();
    expect(repeats(dried.ids)).toBeLessThan(10);
    const [first, second] = await model.generateBatch(["ab", "cd"], { ...greedy, dry }).results();
    expect(first.ids).toEqual(dried.ids);
    expect(second.ids).toEqual((await model.generate("cd", { ...greedy, dry }).result()).ids);
  });

  it("that has no tokenizer refuses breakers, and has none by default", async () => {
    const mute = await createModel(byteModel(32, { vocab_size: 16 }), { threads: 0 });
    const options = { maxTokens: 2, dry: { multiplier: 1 } };
    expect((await mute.generate([1], options).result()).ids).toHaveLength(2);
    const named = { dry: { multiplier: 1, sequenceBreakers: ["a"] } };
    expect(await codeOf(() => mute.generate([1], named).result())).toBe("TOKENIZER_MISSING");
    await mute.dispose();
  });
});
