import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, EngineError, inspect, loadModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";

/**
 * One rule for all calls: what returns an object throws at once, what returns a promise rejects; a disposed model is no
 * exception. And whatever they give is JSON.
 */

const MESSAGES = [{ role: "user", content: "Hi" }];
let model: Model;
beforeAll(async () => {
  model = await loadModel(MODEL, { threads: 0, context: 256 });
});
afterAll(() => model.dispose());

type Call = (model: Model) => unknown;

/** [name, the call made well, with a bad option, with a bad prompt] */
const OBJECTS: [string, Call, Call | null, Call | null][] = [
  ["generate", (m) => m.generate("a"), (m) => m.generate("a", { topP: 5 }), (m) => m.generate(5 as never)],
  [
    "generateBatch",
    (m) => m.generateBatch(["a"]),
    (m) => m.generateBatch([], { n: 0 }),
    (m) => m.generateBatch([5 as never]),
  ],
  ["chat", (m) => m.chat(MESSAGES), (m) => m.chat(MESSAGES, { topP: 5 }), (m) => m.chat([])],
  ["session", (m) => m.session(), null, null],
];

const bad = { signal: 5 } as never;
const PROMISES: [string, Call, Call | null, Call | null][] = [
  ["score", (m) => m.score("ab"), (m) => m.score("ab", bad), (m) => m.score(5 as never)],
  ["perplexity", (m) => m.perplexity("ab cd"), (m) => m.perplexity("ab", bad), (m) => m.perplexity(5 as never)],
  ["divergence", (m) => m.divergence("ab cd", m), (m) => m.divergence("ab", m, bad), (m) => m.divergence([], m)],
  ["embed", (m) => m.embed("ab"), (m) => m.embed("ab", bad), (m) => m.embed([-1])],
  ["trace", (m) => m.trace([1]), (m) => m.trace([1], bad), (m) => m.trace([])],
  ["profile", (m) => m.profile(async () => {}), null, null],
];

/** How a call fails: at once or later, and its code. */
async function failure(call: () => unknown): Promise<string> {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return `throws ${error instanceof EngineError ? error.code : error}`;
  }
  const isPromise = result instanceof Promise;
  const code = await codeOf(() => result);
  return code === undefined ? "none" : `${isPromise ? "rejects" : "?"} ${code}`;
}

describe.each([
  ["throws", OBJECTS],
  ["rejects", PROMISES],
] as const)("what is wrong with a call %s", (how, calls) => {
  it.each(calls)("%s: options, prompt, and a model that is gone", async (_, well, badOption, badPrompt) => {
    expect(await failure(() => well(model))).toBe("none");
    for (const call of [badOption, badPrompt]) {
      if (call) expect(await failure(() => call(model))).toMatch(new RegExp(`^${how} [A-Z_]+$`));
    }
    const gone = await loadModel(MODEL, { threads: 0, context: 64 });
    await gone.dispose();
    expect(await failure(() => well(gone))).toBe(`${how} DISPOSED`);
    await gone.dispose();
  });
});

it("what began before the model went is rejected, whoever holds it", async () => {
  const gone = await loadModel(MODEL, { threads: 1, context: 256 });
  const [unheard, session, batch] = [gone.generate("a"), gone.session(), gone.generateBatch(["a"])];
  const running = failure(() => gone.generate("a", { logitBias: { 2042: -100, 2045: -100, 2046: -100 } }).result());
  await session.sync([1, 2]);
  await gone.dispose();
  expect(await running).toBe("rejects DISPOSED");
  for (const call of [
    () => unheard.result(),
    () => unheard.text(),
    () => unheard[Symbol.asyncIterator]().next(),
    () => unheard.toReadableStream().getReader().read(),
    () => batch.results(),
    () => batch.completed().next(),
    () => session.sync([1, 2, 3]),
    () => session.rewind(0),
    () => session.logits(),
  ])
    expect(await failure(call)).toBe("rejects DISPOSED");
  await session.dispose();
});

it("without a tokenizer text is refused the same way", async () => {
  const sizes = { vocab_size: 100, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, head_dim: 16 };
  const config = { ...sizes, intermediate_size: 16, moe_layers: [], intermediate_size_mlp: 16, num_key_value_heads: 1 };
  const mute = await createModel(config, { threads: 0, context: 32 });
  for (const call of [
    () => mute.generate("a"),
    () => mute.generateBatch(["a"]),
    () => mute.chat(MESSAGES),
    () => mute.tokenizer,
    () => mute.generate([1])[Symbol.asyncIterator](),
    () => mute.generate([1]).toReadableStream(),
  ])
    expect(await failure(call)).toBe("throws TOKENIZER_MISSING");
  for (const call of [() => mute.generate([1]).text(), () => mute.score("ab"), () => mute.embed("ab")])
    expect(await failure(call)).toBe("rejects TOKENIZER_MISSING");
  await mute.dispose();
});

it("everything that the API gives is JSON: results, batches, scores, info, inspections, errors", async () => {
  const batch = model.generateBatch(["a", "b"], { n: 2, maxTokens: 2, seed: 2n ** 64n - 1n, logProbabilities: 2 });
  const errors: unknown[] = [];
  for (const call of [
    () => model.generate("a", { seed: 2n ** 70n }),
    () => model.generate("a", { logitBias: { 5: Number.NaN } }),
    () => model.generateBatch([{ prompt: "a", options: { seed: 2n ** 64n } }]),
    () => model.generate([2n ** 60n] as never),
    () => model.tokenizer.decode([-1]),
  ]) {
    try {
      call();
    } catch (error) {
      errors.push(error);
    }
  }
  const given = {
    result: await model.generate("a", { maxTokens: 2, seed: "18446744073709551615", logProbabilities: 3 }).result(),
    results: await batch.results(),
    model,
    info: model.info,
    tokenizer: model.tokenizer,
    session: model.session(),
    batch,
    generation: model.generate("a"),
    score: await model.score("ab cd"),
    perplexity: await model.perplexity("ab cd"),
    divergence: await model.divergence("ab cd", model),
    embedding: await model.embed("ab"),
    trace: await model.trace([1, 2], { taps: ["norm"] }),
    profile: await model.profile(async () => {}),
    inspection: await inspect(MODEL),
    errors,
  };
  expect(errors.length).toBe(5);
  for (const [name, value] of Object.entries(given)) expect(() => JSON.stringify(value), name).not.toThrow();
  const { result } = JSON.parse(JSON.stringify(given)) as typeof given;
  expect(result.seed).toBe("18446744073709551615");
  expect((await model.generate("a", { maxTokens: 2, seed: result.seed }).result()).ids).toEqual(result.ids);
  // Nor is a bigint in any corner of it.
  const corners = (value: unknown, seen = new Set<unknown>()): void => {
    expect(typeof value).not.toBe("bigint");
    if (typeof value !== "object" || value === null || seen.has(value) || ArrayBuffer.isView(value)) return;
    seen.add(value);
    for (const one of Object.values(value)) corners(one, seen);
  };
  corners(given);
});
