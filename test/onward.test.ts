import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Scheduler } from "../dist/src/generate/scheduler.js";
import { createModel, type GenerateOptions, type GenerationResult, type Model } from "../dist/src/index.js";
import { errorOf } from "./error-code.ts";
import { idsOf, openResident } from "./resident.ts";
import { byteModel, layeredModel } from "./small-models.ts";
import { watchWorkers } from "./watched-workers.ts";

/** Steps that follow each other by themselves: what they give is what steps give that are asked for, and whoever wants something else is heard. */

const SEED = Number(process.env.SEED ?? 20261129);
const PAGE = 64;
const config = byteModel(64, { num_hidden_layers: 2, max_position_embeddings: 1024 });
/** A step of it takes some milliseconds. */
const slow = byteModel(512, { num_hidden_layers: 6, max_position_embeddings: 1024 });
const GREEDY = { temperature: 0, maxTokens: 150 };
let model: Model;
/** Its steps are asked for: the caller's own thread walks them. */
let asked: Model;
beforeAll(async () => {
  model = await createModel(config, { threads: 2, sequences: 8 });
  asked = await createModel(config, { threads: 0, sequences: 8 });
});
afterAll(() => Promise.all([model.dispose(), asked.dispose()]));

const bare = ({ timings: _, usage: { cachedTokens: __, ...usage }, ...rest }: GenerationResult) => ({ ...rest, usage });

/** Wakes of a worker, and steps that were told of. */
async function counted(work: () => Promise<unknown>): Promise<{ wakes: number; steps: number }> {
  const before = model.wakes;
  let steps = 0;
  const leave = model.activity.onStep(() => {
    steps++;
  });
  await work();
  await Promise.resolve();
  leave();
  const wakes = model.wakes.map((count, thread) => count - before[thread]);
  expect(new Set(wakes).size).toBe(1);
  return { steps, wakes: wakes[0] };
}

describe("a text whose ids are a matter of their logits alone", () => {
  it.each([
    ["greedy", {}],
    ["drawn from a nucleus", { temperature: 0.8, topP: 0.95, seed: 7 }],
    ["drawn from the likeliest", { temperature: 0.8, topK: 20, minP: 0.01, seed: 8 }],
  ])("wakes the workers once a page and for its ends, and tells of every step: %s", async (_, options) => {
    const { wakes, steps } = await counted(() => model.generate("ab", { ...GREEDY, ...options }).result());
    expect(steps).toBe(150);
    expect(wakes).toBeLessThanOrEqual(2 + Math.ceil(150 / PAGE));
  });

  it("shares its steps with others of its kind", async () => {
    const { wakes, steps } = await counted(() => model.generateBatch(["ab", "cd", "ef"], GREEDY).results());
    expect(steps).toBeLessThanOrEqual(151);
    expect(wakes).toBeLessThanOrEqual(2 + Math.ceil(150 / PAGE));
  });

  it.each([
    ["a penalty", { repetitionPenalty: 1.1 }],
    ["a bias", { logitBias: { 3: -1 } }],
    ["log-probabilities", { logProbabilities: true }],
    ["a processor", { logitsProcessor: (logits: Float32Array) => logits }],
    ["a grammar", { responseFormat: { type: "regex", pattern: "[a-z]{150}" } }],
  ] as [string, GenerateOptions][])("is asked for step by step where it has %s", async (_, options) => {
    const { wakes, steps } = await counted(() => model.generate("ab", { ...GREEDY, ...options }).result());
    expect(wakes).toBe(steps);
  });
});

it(`random texts, samplers and ends, alone and together, are those of steps that are asked for, seed ${SEED}`, async () => {
  const cut = { topP: fc.double({ min: 0.3, max: 1, noNaN: true }), minP: fc.constantFrom(0, 0.05) };
  const options = fc.record(
    {
      ...cut,
      temperature: fc.constantFrom(0, 0.5, 1, 2),
      topK: fc.constantFrom(0, 1, 20, 300),
      typicalP: fc.constantFrom(1, 0.7),
      topNSigma: fc.constantFrom(0, 1.5),
      xtc: fc.constantFrom(undefined, { probability: 0.5, threshold: 0.05 }),
      seed: fc.bigInt(0n, 2n ** 64n - 1n).map(String),
      maxTokens: fc.integer({ min: 9, max: 160 }),
      minTokens: fc.constantFrom(0, 0, 9),
      stop: fc.constantFrom([], ["a"], ["zz", "e "]),
      stopIds: fc.constantFrom([], [5], [10, 40, 90, 200, 255]),
      repetitionPenalty: fc.constantFrom(1, 1, 1, 1.2),
    },
    { requiredKeys: ["seed", "maxTokens", "temperature"] },
  );
  const texts = fc.array(fc.tuple(fc.string({ minLength: 1, maxLength: 80 }), options), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(texts, async (all) => {
      const of = (from: Model) =>
        Promise.all(
          all.map(([prompt, wanted]) =>
            from
              .generate(prompt, wanted as GenerateOptions)
              .result()
              .then(bare),
          ),
        );
      expect(await of(model)).toEqual(await of(asked));
    }),
    { seed: SEED, numRuns: 60 },
  );
});

it("of a wide vocabulary the weights of spans lead to the ids that all logits lead to", async () => {
  const wide = await createModel({ ...config, vocab_size: 5000 }, { threads: 2, sequences: 8 });
  const options = [0.05, 0.08, 0.12, 1].flatMap((temperature) =>
    [0.6, 0.95, 1].map((topP) => ({ temperature, topP, topK: 0, maxTokens: 70, seed: 5 })),
  );
  const processed = { logitsProcessor: (logits: Float32Array) => logits };
  const idsOfAll = async (more: GenerateOptions) => {
    const texts = options.map((one) => wide.generate([5, 1, 9], { ...one, ...more }).result());
    return (await Promise.all(texts)).map(({ ids }) => ids);
  };
  const expected = await idsOfAll(processed);
  expect(new Set(expected.map(String)).size).toBeGreaterThan(4);
  expect(await idsOfAll({})).toEqual(expected);
  // Asked for step by step, with spans in which a logit changed.
  const biased = { logitBias: { [expected[0][0]]: -1, 4999: 0.001 } };
  expect(await idsOfAll(biased)).toEqual(await idsOfAll({ ...biased, ...processed }));
  await wide.dispose();
});

it("more texts than go on by themselves are asked for, to the same ids", async () => {
  const many = await createModel(config, { threads: 2, sequences: 66 });
  const prompts = Array.from({ length: 66 }, (_, index) => `${index}`);
  const options = { temperature: 1, seed: 3, maxTokens: 4 };
  const answers = await many.generateBatch(prompts, options).results();
  for (const at of [0, 65]) expect(answers[at].ids).toEqual((await asked.generate(prompts[at], options).result()).ids);
  await many.dispose();
});

it("no step is computed behind an id that ends a text", async () => {
  const { ids } = await model.generate("ab", { ...GREEDY, maxTokens: 40 }).result();
  const last = ids[20];
  const { steps } = await counted(() => model.generate("ab", { ...GREEDY, stopIds: [last] }).result());
  expect(steps).toBe(ids.indexOf(last) + 1);
});

it("of a text that its owner ends on the way no more is known than its ids", async () => {
  const resident = await openResident({ config: layeredModel(), type: "q8_0" }, { threads: 2 });
  const scheduler = new Scheduler(resident);
  const drawing = { temperature: 0, topK: 0, topP: 1, minP: 0, typicalP: 1, topNSigma: 0, xtc: undefined, seed: 0n };
  const sequences = [scheduler.open(), scheduler.open()];
  const most = [5, 40];
  const drawn = await Promise.all(
    sequences.map(async (sequence, index) => {
      const ids = idsOf(10, 300, index + 1);
      const seen: number[] = [];
      const take = (id: number) => (seen.push(id) < most[index] ? id : null);
      const onLogits = (logits: Float32Array) => take(logits.indexOf(Math.max(...logits)));
      const unseen = () => ({ drawing, step: seen.length, most: 50, ends: [] });
      await scheduler.run(sequence, { ids, logitsFrom: 9, signal: undefined, unseen, onId: take, onLogits });
      return [...ids, ...seen.slice(0, -1)];
    }),
  );
  expect(sequences.map(({ ids }) => ids)).toEqual(drawn);
  expect(sequences.map(({ computed }) => computed)).toEqual(drawn.map(({ length }) => length));
  await resident.dispose();
});

it("a session goes on behind a stop string with the right bits, and knows no id that was computed past it", async () => {
  const whole = await model.generate("ab", { ...GREEDY, maxTokens: 40 }).result();
  const stop = whole.text.slice(12, 14);
  const after = async (from: Model) => {
    const session = from.session();
    const answer = await session.generate("ab", { ...GREEDY, stop }).result();
    const held = session.ids.length;
    await session.sync([...session.ids, 7]);
    const logits = await session.logits();
    await session.dispose();
    return { ids: answer.ids, held, logits };
  };
  expect(await after(model)).toEqual(await after(asked));
});

it("a slow reader holds it back a page ahead", async () => {
  const answer = model.generate("ab", { ...GREEDY, maxTokens: 400 });
  const pieces = answer[Symbol.asyncIterator]();
  for (let piece = 0; piece < 3; piece++) await pieces.next();
  await model.generate("zz", { temperature: 1, seed: 4, maxTokens: 500 }).result();
  expect(answer.partial.ids.length).toBeGreaterThanOrEqual(PAGE);
  expect(answer.partial.ids.length).toBeLessThan(PAGE + 24);
  await pieces.return?.();
});

describe("while steps follow each other", () => {
  it("whoever comes is in the next step, and whoever leaves does not keep the others", async () => {
    const other = await createModel(slow, { threads: 2 });
    const long = other.generate("ab", { ...GREEDY, maxTokens: 60 });
    const pieces = long[Symbol.asyncIterator]();
    while (long.partial.ids.length < 5) await pieces.next();
    const behind = long.partial.ids.length;
    expect((await other.generate("cd", { ...GREEDY, maxTokens: 1 }).result()).ids.length).toBe(1);
    expect(long.partial.ids.length - behind).toBeLessThan(30);
    const stop = new AbortController();
    const left = other.generate("ef", { ...GREEDY, signal: stop.signal });
    const first = left[Symbol.asyncIterator]();
    await first.next();
    stop.abort(new Error("enough"));
    await expect(left.result()).rejects.toThrow("enough");
    expect((await long.result()).ids).toEqual((await other.generate("ab", { ...GREEDY, maxTokens: 60 }).result()).ids);
    await other.dispose();
  });

  it("whoever comes before the first of them is computed is not behind all of them", async () => {
    const other = await createModel(slow, { threads: 2, prefixCache: false });
    for (let turns = 0; turns < 6; turns++) {
      let together = 0;
      const leave = other.activity.onStep(({ sequences }) => {
        together = Math.max(together, sequences);
      });
      const one = other.generate([5], { ...GREEDY, maxTokens: 30 }).result();
      for (let turn = 0; turn < turns; turn++) await null;
      await Promise.all([one, other.generate([9], { ...GREEDY, maxTokens: 30 }).result()]);
      leave();
      expect(together, `${turns} turns later`).toBe(2);
    }
    await other.dispose();
  });

  it("work between two steps has its turn behind each, not behind a page", async () => {
    const answer = model.generate("ab", { ...GREEDY, maxTokens: 600 });
    const pieces = answer[Symbol.asyncIterator]();
    while (answer.partial.ids.length < 5) await pieces.next();
    const done = answer.result();
    const at: number[] = [];
    const embed = async (_: unknown, index: number) => {
      await model.embed([index + 1, 2, 3]);
      at.push(answer.partial.ids.length);
    };
    await Promise.all(Array.from({ length: 6 }, embed));
    expect(at[5] - at[0]).toBeLessThan(PAGE);
    expect((await done).ids.length).toBe(600);
  });

  it("those of a text that is given up are told of as well", async () => {
    const stop = new AbortController();
    let ids = 0;
    const { steps } = await counted(async () => {
      const answer = model.generate("ab", { ...GREEDY, maxTokens: 900, signal: stop.signal });
      const reading = (async () => {
        for await (const _ of answer) if (answer.partial.ids.length >= 45) stop.abort(new Error("enough"));
      })();
      await expect(reading).rejects.toThrow("enough");
      ids = answer.partial.ids.length;
      await model.generate("x", { ...GREEDY, maxTokens: 1 }).result();
    });
    expect(ids).toBeGreaterThanOrEqual(45);
    expect(steps).toBeGreaterThanOrEqual(ids);
  });

  it("an abort ends them, and what comes next has the right bits", async () => {
    const other = await createModel(slow, { threads: 2 });
    const whole = await other.generate("ab", { ...GREEDY, maxTokens: 60 }).result();
    const stop = new AbortController();
    const answer = other.generate("ab", { ...GREEDY, maxTokens: 60, signal: stop.signal });
    let read = 0;
    const reading = (async () => {
      for await (const _ of answer) if (++read === 3) stop.abort(new Error("changed my mind"));
    })();
    await expect(reading).rejects.toThrow("changed my mind");
    expect(answer.partial.ids.length).toBeLessThan(60);
    expect((await other.generate("ab", { ...GREEDY, maxTokens: 60 }).result()).ids).toEqual(whole.ids);
    await other.dispose();
  });

  it.each([0, 1])("the death of worker %i fails them with WORKER_EXIT, and nothing hangs", async (thread) => {
    const { workers, leave } = watchWorkers();
    const other = await createModel(slow, { threads: 2 });
    leave();
    const answer = other.generate("ab", { ...GREEDY, maxTokens: 60 });
    for await (const _ of answer) {
      void workers[thread].terminate();
      break;
    }
    const { code } = await errorOf(() => other.generate("ab", GREEDY).result());
    expect(code).toBe("WORKER_EXIT");
    await other.dispose();
  });
});
