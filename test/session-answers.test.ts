import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type GenerateOptions, type Model, type Session } from "../dist/src/index.js";
import { codeOf, errorOf } from "./error-code.ts";
import { Random } from "./kernels.ts";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** Answers of a session: those of `model.generate` of the same ids, whatever happened before and whoever else is there. */

const SEED = Number(process.env.SEED ?? 20261128);

const models = new Map<string, Model>();
async function modelOf(threads: number, cache: "f32" | "q8", prefixCache: false | undefined): Promise<Model> {
  const key = `${threads} ${cache} ${prefixCache}`;
  const made =
    models.get(key) ??
    (await createModel(layeredModel({ attention_chunk_size: 70, eos_token_id: [] }), {
      ...{ threads, cache, context: 512, sequences: 4, seed: 3, type: "q8_0" },
      ...(prefixCache === false ? { prefixCache } : {}),
    }));
  models.set(key, made);
  return made;
}
let model: Model;
beforeAll(async () => {
  model = await modelOf(1, "f32", undefined);
});
afterAll(async () => {
  for (const made of models.values()) await made.dispose();
});

const VOCAB = 256;
const OPTIONS: readonly GenerateOptions[] = [
  { temperature: 0 },
  { temperature: 0, speculate: "lookup" },
  { temperature: 1.2, topK: 30 },
  { repetitionPenalty: 1.4, stopIds: [...Array(20).keys()] },
  { dry: { multiplier: 1 }, frequencyPenalty: 0.5, logProbabilities: 2 },
  { responseFormat: { type: "regex", pattern: "[a-z ]{1,30}" } },
];

/** One session's life: random edits and answers, each answer beside that of a model that never saw the session. */
async function live(own: Model, alone: Model, random: Random, turns: number): Promise<void> {
  const session = own.session();
  const pick = (below: number) => random.integer(0, below);
  for (let turn = 0; turn < turns; turn++) {
    const held = session.ids;
    const kind = pick(8);
    const some = idsOf(1 + pick(60), VOCAB, 1000 + pick(1000));
    if (kind === 0) await session.rewind(pick(held.length + 1));
    else if (kind === 1) await session.sync([...held.slice(0, pick(held.length + 1)), ...some].slice(0, 400));
    else if (kind === 2 && held.length > 0) {
      const fresh = alone.session();
      await fresh.sync(held);
      expect(await session.logits()).toEqual(await fresh.logits());
      await fresh.dispose();
    } else {
      if (held.length > 380) await session.rewind(20);
      const from = session.ids;
      const more = from.length > 0 && pick(3) === 0 ? [] : some;
      const options = { ...OPTIONS[pick(OPTIONS.length)], seed: pick(1000), maxTokens: 1 + pick(40) };
      const stop = new AbortController();
      const answer = session.generate(more, { ...options, signal: stop.signal });
      const leave = pick(4) === 0 ? pick(12) : null;
      let read = 0;
      const result = answer.result().catch((error: unknown) => error);
      if (leave !== null) {
        try {
          for await (const _ of answer) if (read++ >= leave) stop.abort("enough");
        } catch {}
      }
      const outcome = await result;
      const { ids } = answer.partial;
      const whole = await alone.generate([...from, ...more], options).result();
      expect(ids).toEqual(whole.ids.slice(0, ids.length));
      const aborted = outcome === "enough";
      if (!aborted) expect(outcome).toMatchObject({ ids: whole.ids, logProbabilities: whole.logProbabilities });
      expect(session.ids).toEqual(aborted && ids.length === 0 ? from : [...from, ...more, ...ids]);
    }
  }
  await session.dispose();
}

it.each([
  [0, "f32", undefined],
  [1, "q8", undefined],
  [2, "f32", undefined],
  [1, "f32", false],
] as const)(`random lives, %i threads, %s cache, prefixes %s, seed ${SEED}`, async (threads, cache, prefixCache) => {
  const own = await modelOf(threads, cache, prefixCache);
  const alone = await createModel(layeredModel({ attention_chunk_size: 70, eos_token_id: [] }), {
    ...{ threads: 1, cache, context: 512, seed: 3, type: "q8_0", prefixCache: false },
  });
  await Promise.all(
    Array.from({ length: 6 }, (_, index) => live(own, alone, new Random(SEED + 7 * index + threads), 8)),
  );
  await alone.dispose();
});

describe("a session", () => {
  const held = idsOf(80, VOCAB);
  /** Bytes alone: each id has a text, none ends the answer. */
  const logitBias = Object.fromEntries(Array.from({ length: 44 }, (_, index) => [256 + index, -100]));
  const asked = { temperature: 0, maxTokens: 20, logitBias };
  async function withIds<Result>(use: (session: Session) => Promise<Result>): Promise<Result> {
    await using session = model.session();
    await session.sync(held);
    return await use(session);
  }

  it("computes only what is new: what it held is known", async () => {
    await withIds(async (session) => {
      const first = await session.generate([7], asked).result();
      const again = await session.generate([9], asked).result();
      expect([first.usage.cachedTokens, first.usage.promptTokens]).toEqual([80, 81]);
      // The last id of an answer is drawn, not computed.
      expect([again.usage.cachedTokens, again.usage.promptTokens]).toEqual([100, 102]);
    });
  });

  it("takes text: the first with a begin as the file says, later as what goes on; nothing goes on from where it stands", async () => {
    await using session = model.session();
    const text = await session.generate("ab", asked).text();
    expect(session.ids.slice(0, 2)).toEqual([97, 98]);
    expect(text).toBe(await model.generate("ab", asked).text());
    const before = session.ids;
    await session.generate("cd", asked).result();
    expect(session.ids.slice(0, before.length + 2)).toEqual([...before, 99, 100]);
    const more = session.ids;
    expect((await session.generate("", asked).result()).ids).toEqual((await model.generate(more, asked).result()).ids);
    expect(await codeOf(() => model.session().generate())).toBe("REQ_EMPTY_PROMPT");
  });

  it("refuses whatever is asked while its answer is computed, and takes it afterwards", async () => {
    await withIds(async (session) => {
      const answer = session.generate([7], { ...asked, maxTokens: 60 });
      const running = answer.result();
      const refused = [
        () => session.sync([1]),
        () => session.logits(),
        () => session.rewind(1),
        () => session.generate([1]),
        () => session.chat([{ role: "user", content: "a" }]),
      ];
      for (const call of refused) expect(await codeOf(call)).toBe("SESSION_BUSY");
      expect(session.ids).toEqual(held);
      const { ids } = await running;
      expect(session.ids).toEqual([...held, 7, ...ids]);
      await session.rewind(3);
      expect(session.ids).toEqual(held.slice(0, 3));
      const waits = session.sync([1, 2]);
      expect(await codeOf(() => session.generate([1]))).toBe("SESSION_BUSY");
      await waits;
    });
  });

  it("tells the second of two answers that the first was there before", async () => {
    await withIds(async (session) => {
      const [one, two, three] = [7, 8, 9].map((id) => session.generate([id], asked));
      const running = one.result();
      expect(await codeOf(() => two.result())).toBe("SESSION_BUSY");
      await running;
      expect(await codeOf(() => three.result())).toBe("SESSION_MOVED");
      expect(session.ids.length).toBe(80 + 1 + 20);
    });
  });

  it("holds what it held where an answer ends before its first id, else what was drawn by then", async () => {
    await withIds(async (session) => {
      for (const fault of [0, 5]) {
        const logitsProcessor = (logits: Float32Array, ids: ArrayLike<number>) => {
          if (ids.length === 81 + fault) throw new Error("mine");
          return logits;
        };
        const failed = session.generate([7], { ...asked, logitsProcessor });
        await expect(failed.result()).rejects.toThrow("mine");
        const { ids } = failed.partial;
        expect(ids.length).toBe(fault);
        expect(session.ids).toEqual(fault === 0 ? held : [...held, 7, ...ids]);
      }
      const late = await errorOf(() => session.generate([1], { ...asked, deadline: 1, maxTokens: 300 }).result());
      expect(late.code).toBe("DEADLINE");
      const { ids } = session;
      const fresh = model.session();
      await fresh.sync(ids);
      expect(await session.logits()).toEqual(await fresh.logits());
      await fresh.dispose();
    });
  });

  it("that is disposed ends its answer, which keeps what there was", async () => {
    const session = model.session();
    const answer = session.generate([7], { ...asked, maxTokens: 400 });
    let seen = 0;
    const error = await errorOf(async () => {
      for await (const _ of answer) if (seen++ === 3) await session.dispose();
    });
    expect([error.code, answer.partial.ids.length > 0]).toEqual(["DISPOSED", true]);
    expect(await codeOf(() => session.generate([1]))).toBe("DISPOSED");
    expect(model.cache.stats().pages).toBeGreaterThan(0);
  });

  it("has one salt and one adapter: its answers name neither; unknown options are refused", async () => {
    await withIds(async (session) => {
      for (const option of [{ salt: "a" }, { adapter: null }, { temprature: 1 }])
        expect(await codeOf(() => session.generate([1], option as GenerateOptions))).toBe("REQ_UNSUPPORTED_PARAM");
    });
  });

  it("is one of any number: a hundred answer at once, in steps of four", async () => {
    const sessions = Array.from({ length: 100 }, () => model.session());
    const texts = await Promise.all(
      sessions.map((session, index) => session.generate([index, 1, 2], { ...asked, maxTokens: 8 }).result()),
    );
    for (const index of [0, 41, 99])
      expect(texts[index].ids).toEqual((await model.generate([index, 1, 2], { ...asked, maxTokens: 8 }).result()).ids);
    await Promise.all(sessions.map((session) => session.dispose()));
  });
});
