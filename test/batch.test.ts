import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BatchFailure, type BatchPrompt, createModel, EngineError, type Model } from "../dist/src/index.js";
import { codeOf, errorOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { byteModel } from "./small-models.ts";

/** Many prompts of one call: taken as there is room, each answer its solo one, mistakes named by their place. */

const SMALL = byteModel(16, { max_position_embeddings: 128 });
const OPTIONS = { maxTokens: 6, logitBias: { 257: -100 } };
let model: Model;
beforeAll(async () => {
  model = await createModel(SMALL, { threads: 0 });
});
afterAll(() => model.dispose());

const prompts = (count: number) => Array.from({ length: count }, (_, index) => idsOf(1 + (index % 5), 256, index));

/** Prompts as a generator that counts what was taken and whether it was closed. */
function counted(all: Iterable<BatchPrompt>, sync = false) {
  const state = { taken: 0, closed: false };
  function* inTurn() {
    try {
      for (const prompt of all) {
        state.taken++;
        yield prompt;
      }
    } finally {
      state.closed = true;
    }
  }
  const later = async function* () {
    yield* inTurn();
  };
  return { state, prompts: sync ? inTurn() : later() };
}

describe("prompts", () => {
  it("of an array, a generator and an async generator give the same results, each its solo one to the bit", async () => {
    const all = prompts(70);
    const options = { ...OPTIONS, seed: 5, logProbabilities: 2 };
    const results = await model.generateBatch(all, options).results();
    for (const index of [0, 33, 69]) {
      const { timings, usage, ...solo } = await model.generate(all[index], options).result();
      const { timings: _, usage: __, ...result } = results[index];
      expect(timings.promptMs).toBeGreaterThanOrEqual(0);
      expect(results[index].usage).toEqual({ ...usage, cachedTokens: 0 });
      expect(result).toEqual(solo);
    }
    const ids = results.map((result) => result.ids);
    for (const sync of [true, false]) {
      const again = await model.generateBatch(counted(all, sync).prompts, options).results();
      expect(again.map((result) => result.ids)).toEqual(ids);
    }
    expect((await model.generateBatch(new Set(["a", "b"]), options).results()).length).toBe(2);
    expect(await model.generateBatch([], options).results()).toEqual([]);
  });

  it("are taken as there is room: never many more than run together", async () => {
    const { state, prompts: given } = counted(prompts(300));
    let ended = 0;
    let most = 0;
    for await (const _ of model.generateBatch(given, OPTIONS).completed()) most = Math.max(most, state.taken - ++ended);
    expect(ended).toBe(300);
    expect(most).toBeLessThanOrEqual(2 * 64 + 64 + 1);
  });

  it("are not taken while nobody reads what came", async () => {
    const { state, prompts: given } = counted(prompts(2000), true);
    const reader = model.generateBatch(given, OPTIONS).completed();
    await reader.next();
    while (state.taken < 192) await new Promise(setImmediate);
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    expect(state.taken).toBeLessThanOrEqual(2 * 64 + 64 + 1);
    await reader.return!();
  });

  it.each([
    ["text", "ab"],
    ["nothing", null],
    ["a typed array of ids", Uint32Array.of(1, 2)],
    ["an object that is no list", { length: 2 }],
    ["a number", 5],
  ])("that are %s are refused", async (_, given) => {
    expect((await errorOf(() => model.generateBatch(given as never))).at?.field).toBe("prompts");
  });

  it("share their first step", async () => {
    const threaded = await createModel(SMALL, { threads: 1 });
    const before = threaded.wakes[0];
    await threaded.generateBatch(prompts(8), { ...OPTIONS, maxTokens: 10 }).results();
    expect(threaded.wakes[0] - before).toBeLessThanOrEqual(10);
    await threaded.dispose();
  });
});

describe("seeds", () => {
  const hot = { ...OPTIONS, temperature: 2, topP: 1 };

  it("absent: equal prompts differ, each repeatable alone by the seed of its result", async () => {
    const results = await model.generateBatch(["ab", "ab", "ab"], hot).results();
    expect(new Set(results.map(({ text }) => text)).size).toBe(3);
    const seeds = results.map(({ seed }) => Number(seed));
    expect(seeds.map((seed) => seed - seeds[0])).toEqual([0, 1, 2]);
    for (const { seed, ids } of results)
      expect((await model.generate("ab", { ...hot, seed }).result()).ids).toEqual(ids);
  });

  it("given: every prompt uses it, sample k of n that plus k, beyond 2^53 as text", async () => {
    const seed = "9007199254740991";
    const results = await model.generateBatch(["ab", "ab"], { ...hot, seed, n: 2 }).results();
    expect(results.map((result) => result.seed)).toEqual([
      2 ** 53 - 1,
      "9007199254740992",
      2 ** 53 - 1,
      "9007199254740992",
    ]);
    expect(results[0].ids).toEqual(results[2].ids);
    expect(results[0].ids).not.toEqual(results[1].ids);
    const alone = await model.generate("ab", { ...hot, seed: results[1].seed }).result();
    expect(alone.ids).toEqual(results[1].ids);
  });

  it("of a prompt's own options win; -1 draws for it again", async () => {
    const given = ["ab", { prompt: "ab", options: { seed: 9 } }, { prompt: "ab", options: { seed: -1 } }];
    const results = await model.generateBatch(given, { ...hot, seed: 5 }).results();
    expect(results.slice(0, 2).map(({ seed }) => seed)).toEqual([5, 9]);
    expect([5, 9, -1]).not.toContain(results[2].seed);
  });
});

describe("n samples", () => {
  it("stand beside each other, and pieces and outcomes say which", async () => {
    const batch = model.generateBatch(["ab", "cd"], { ...OPTIONS, n: 3 });
    const texts = new Map<string, string>();
    for await (const { index, sample, text } of batch)
      texts.set(`${index}.${sample}`, (texts.get(`${index}.${sample}`) ?? "") + text);
    const results = await batch.results();
    expect(results.map(({ text }) => text)).toEqual(
      ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"].map((place) => texts.get(place) ?? ""),
    );
    const places: number[] = [];
    for await (const { index, sample, result } of batch.completed()) {
      expect(result).toBe(results[index * 3 + sample]);
      places.push(index * 3 + sample);
    }
    expect(places.sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it.each([0, -1, 1.5, "2", null])("n: %s is refused", async (n) => {
    expect((await errorOf(() => model.generateBatch(["a"], { n } as never))).at?.field).toBe("n");
  });
});

describe("options of one prompt", () => {
  it("win over those of the batch, the others stay", async () => {
    const given = [{ prompt: "ab", options: { maxTokens: 2 } }, { prompt: "ab" }, "ab"];
    const results = await model.generateBatch(given, { ...OPTIONS, temperature: 0 }).results();
    expect(results.map(({ ids }) => ids.length)).toEqual([2, 6, 6]);
    expect(results[0].ids).toEqual(results[1].ids.slice(0, 2));
  });

  it("with a signal of its own end it alone", async () => {
    const failures: BatchFailure[] = [];
    const reason = new Error("not this one");
    const given = ["a", { prompt: "b", options: { signal: AbortSignal.abort(reason) } }, "c"];
    const onError = (failure: BatchFailure) => failures.push(failure);
    const results = await model.generateBatch(given, { ...OPTIONS, onError }).results();
    expect(results.map((result) => result?.ids.length ?? null)).toEqual([6, null, 6]);
    expect(failures).toEqual([{ index: 1, sample: 0, error: reason }]);
  });
});

describe("a mistake", () => {
  const bad: [string, unknown, string][] = [
    ["an id out of range", [1, 260], "REQ_TOKEN_ID"],
    ["no prompt", undefined, "REQ_PARAM"],
    ["no ids", [], "REQ_EMPTY_PROMPT"],
    ["no text", "", "REQ_EMPTY_PROMPT"],
    ["half a surrogate pair", "a\ud800", "PROMPT_UNICODE"],
    ["a long text", "a".repeat(200), "CONTEXT_LENGTH"],
    ["many ids", Array(128).fill(1), "CONTEXT_LENGTH"],
    ["an option out of range", { prompt: "a", options: { temperature: 5 } }, "REQ_PARAM"],
    ["n of its own", { prompt: "a", options: { n: 2 } }, "REQ_UNSUPPORTED_PARAM"],
    ["a field too many", { prompt: "a", seed: 5 }, "REQ_UNSUPPORTED_PARAM"],
  ];

  it.each(bad)("of %s in an array is thrown at once, with its index", async (_, item, code) => {
    const given = Array.from({ length: 20 }, (_, index) => (index === 17 ? item : "ab"));
    const error = await errorOf(() => model.generateBatch(given as never));
    expect([error.code, error.message.includes("prompts[17]")]).toEqual([code, true]);
  });

  it.each(bad)(
    "of %s from a generator ends the batch with its index, and closes the generator",
    async (_, item, code) => {
      const given = counted(Array.from({ length: 20 }, (_, index) => (index === 17 ? item : "ab")) as never, true);
      const batch = model.generateBatch(given.prompts, OPTIONS);
      const error = await errorOf(() => batch.results());
      expect([error.code, error.message.includes("prompts[17]")]).toEqual([code, true]);
      expect(given.state).toEqual({ taken: 18, closed: true });
    },
  );

  it("is told to onError, and the others go on", async () => {
    const failures: [number, number | undefined, string][] = [];
    const onError = async ({ index, sample, error }: BatchFailure) => {
      failures.push([index, sample, (error as EngineError).code]);
    };
    const given = [...bad.map(([, item]) => item), "ab"] as never;
    const results = await model.generateBatch(given, { ...OPTIONS, n: 2, onError }).results();
    expect(failures).toEqual(bad.map(([, , code], index) => [index, undefined, code]));
    expect(results.map((result) => result !== null)).toEqual([...Array(2 * bad.length).fill(false), true, true]);
  });

  it("of onError itself, of the generator or of what is under way ends the batch", async () => {
    const mine = new Error("mine");
    const thrower = () => {
      throw mine;
    };
    await expect(model.generateBatch([""], { ...OPTIONS, onError: thrower }).results()).rejects.toBe(mine);
    const broken = (function* () {
      yield "a";
      throw mine;
    })();
    await expect(model.generateBatch(broken, OPTIONS).results()).rejects.toBe(mine);
    const left = { prompt: "b", options: { signal: AbortSignal.abort(mine) } };
    await expect(model.generateBatch(["a", left], OPTIONS).results()).rejects.toBe(mine);
  });

  it("in the options of the batch is thrown at once", async () => {
    for (const options of [{ temperature: 5 }, { onError: "collect" }, { tempurature: 1 }, null])
      expect(await errorOf(() => model.generateBatch([], options as never))).toBeInstanceOf(EngineError);
  });
});

describe("the end", () => {
  it("comes to all with the signal, also while a source gives nothing", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const silent = (async function* () {
      yield "ab";
      await new Promise(() => {});
    })();
    const batch = model.generateBatch(silent, { ...OPTIONS, signal: controller.signal });
    const failed = batch.results().catch((error: unknown) => error);
    for await (const { result } of batch.completed()) {
      expect(result.ids.length).toBe(6);
      setImmediate(() => controller.abort(reason));
      break;
    }
    expect(await failed).toBe(reason);
    const never = model.generateBatch(["a"], { ...OPTIONS, signal: AbortSignal.abort(reason) });
    await expect(never.results()).rejects.toBe(reason);
  });

  it("comes to all when the last reader leaves, not before", async () => {
    const { state, prompts: given } = counted(prompts(500));
    const batch = model.generateBatch(given, { ...OPTIONS, maxTokens: 100 });
    for await (const _ of batch) break;
    expect(await codeOf(() => batch.results())).toBe("GENERATION_LEFT");
    expect([state.closed, state.taken < 500]).toEqual([true, true]);
    const other = model.generateBatch(prompts(40), OPTIONS);
    const results = other.results();
    for await (const _ of other) break;
    expect((await results).length).toBe(40);
    expect((await model.generate("a", OPTIONS).result()).ids.length).toBe(6);
  });

  it("of a model ends its batch once, not once a prompt", async () => {
    const other = await createModel(SMALL, { threads: 0 });
    let told = 0;
    const { state, prompts: given } = counted(prompts(500));
    const batch = other.generateBatch(given, { ...OPTIONS, maxTokens: 100, onError: () => told++ });
    const code = codeOf(() => batch.results());
    await batch.completed().next();
    await other.dispose();
    expect([await code, told]).toEqual(["DISPOSED", 0]);
    expect(state.taken).toBeLessThan(500);
  });
});

it("a batch that is too large to be kept says so to whoever comes late", async () => {
  const batch = model.generateBatch(prompts(1100), { ...OPTIONS, maxTokens: 1 });
  let ended = 0;
  for await (const _ of batch.completed()) ended++;
  expect(ended).toBe(1100);
  expect(await codeOf(() => batch.results())).toBe("BATCH_READ");
});

it("without a tokenizer a batch of ids has results and no text", async () => {
  const other = await createModel({ ...SMALL, vocab_size: 100 }, { threads: 0 });
  const batch = other.generateBatch([[1], [2]], { maxTokens: 3 });
  expect(await codeOf(() => batch[Symbol.asyncIterator]())).toBe("TOKENIZER_MISSING");
  expect((await batch.results()).map(({ ids }) => ids.length)).toEqual([3, 3]);
  await other.dispose();
});
