import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createModel, type GenerateOptions, type LogitsProcessor, loadModel, type Model } from "../dist/src/index.js";
import { codeOf, errorOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { MODEL } from "./runtimes.ts";
import { byteModel, layeredModel } from "./small-models.ts";

const logitsProcessor: LogitsProcessor = (logits, ids) => {
  logits[ids.at(-1)!] -= 2;
};

/** A second model guesses: nothing changes but the time. */

const config = layeredModel({ attention_chunk_size: 70, max_position_embeddings: 512, eos_token_id: [3] });
/** A draft has smaller weights than the model, by which it is judged until it is measured. */
const open = (seed: number, type: "f32" | "q8_0", more: object = {}) =>
  createModel({ ...config, ...more }, { threads: 1, type, seed });
const bare = ({ timings, usage, ...rest }: Awaited<ReturnType<ReturnType<Model["generate"]>["result"]>>) => ({
  ...rest,
  tokens: usage.completionTokens,
});

describe("ids with a draft are those without", () => {
  const models: Record<string, Model> = {};
  beforeAll(async () => {
    models["own"] = await open(5, "f32", { num_hidden_layers: 12 });
    models["smaller"] = await open(6, "q8_0", { num_hidden_layers: 1 });
    models["of short context"] = await open(6, "q8_0", { num_hidden_layers: 1, max_position_embeddings: 64 });
  });
  afterAll(async () => {
    for (const model of Object.values(models)) await model.dispose();
  });

  it.each(["smaller", "of short context"])(
    "of every sampler, alone and in a batch, by a draft that is %s",
    async (name) => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      let [drafted, accepted] = [0, 0];
      const { own } = models;
      const speculate = { draft: models[name] };
      for (const [at, options] of (
        [
          { temperature: 0 },
          { temperature: 1.5, topK: 5, minP: 0.01, maxTokens: 30 },
          { temperature: 0.8, repetitionPenalty: 1.2, frequencyPenalty: 0.5, presencePenalty: 0.1 },
          {
            temperature: 0.7,
            typicalP: 0.9,
            topNSigma: 2,
            xtc: { probability: 0.5, threshold: 0.01 },
            logProbabilities: 2,
          },
          { temperature: 0.6, minTokens: 20, logitBias: { 3: 5 }, stopIds: [1, 2] },
          { temperature: 1, dry: { multiplier: 1, allowedLength: 1, sequenceBreakers: [] } },
          { temperature: 1, logitsProcessor },
          { temperature: 1, responseFormat: { type: "regex", pattern: "[a-z ]{5,60}" } },
          // Both can write but one text.
          { temperature: 1, responseFormat: { type: "regex", pattern: "(abcdefgh){10}" } },
        ] as GenerateOptions[]
      ).entries()) {
        const prompts = Array.from({ length: 5 }, (_, index) => idsOf(5 + 15 * index, 300, seed + 10 * at + index));
        const asked = { maxTokens: 90, ...options, seed: seed + at };
        const plain = await own.generateBatch(prompts, asked).results();
        own.cache.clear();
        const guessed = await own.generateBatch(prompts, { ...asked, speculate }).results();
        const solo = await own.generate(prompts[1], { ...asked, speculate }).result();
        expect(guessed.map(bare), `seed ${seed}, ${JSON.stringify(options)}`).toEqual(plain.map(bare));
        expect(bare(solo), `seed ${seed}`).toEqual(bare(plain[1]));
        for (const { usage } of [...guessed, solo]) {
          drafted += usage.draftedTokens;
          accepted += usage.acceptedTokens;
          expect(usage.acceptedTokens).toBeLessThanOrEqual(Math.min(usage.draftedTokens, usage.completionTokens));
        }
      }
      expect(drafted, `seed ${seed}`).toBeGreaterThan(0);
      expect(accepted, `seed ${seed}`).toBeGreaterThan(0);
    },
  );
});

describe("two loads of one file", () => {
  let model: Model;
  let draft: Model;
  beforeAll(async () => {
    model = await loadModel(MODEL, { threads: 0, context: 512 });
    draft = await loadModel(MODEL, { threads: 0, context: 512, cache: "q8" });
  });
  afterAll(async () => {
    await model.dispose();
    await draft.dispose();
  });

  it("answer chats, formats and text alike, also drawn: both draw with the same numbers", async () => {
    const person = {
      type: "object",
      properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 1, maximum: 99 } },
      required: ["name", "age"],
    };
    for (const options of [
      { temperature: 1 },
      { temperature: 0.8, stop: ["the"] },
      { temperature: 1, responseFormat: { type: "json_schema", schema: person } as const },
    ]) {
      const asked = { maxTokens: 60, seed: 3, ...options };
      const plain = await model.generate("Once upon a time", asked).result();
      const guessed = await model.generate("Once upon a time", { ...asked, speculate: { draft } }).result();
      expect(bare(guessed)).toEqual(bare(plain));
      const { draftedTokens, acceptedTokens } = guessed.usage;
      if (draftedTokens > 4) expect(acceptedTokens).toBeGreaterThan(0.5 * draftedTokens);
    }
    const messages = [{ role: "user", content: "Tell me a story." }] as const;
    const [plain, guessed] = await Promise.all(
      [false as const, { draft }].map((speculate) =>
        model.chat(messages, { maxTokens: 40, temperature: 0, speculate }).result(),
      ),
    );
    expect(bare({ ...guessed, seed: plain.seed })).toEqual(bare(plain));
  });
});

describe("a draft", () => {
  let model: Model;
  let draft: Model;
  beforeEach(async () => {
    model = await open(1, "f32");
    draft = await open(2, "q8_0");
  });
  afterEach(async () => {
    await model.dispose();
    await draft.dispose();
  });
  const prompt = idsOf(20, 300, 1);
  const long: GenerateOptions = { maxTokens: 400, ignoreEos: true, seed: 1 };

  it("of another vocabulary, the model itself, or what is no model is refused by the call", async () => {
    const smaller = await createModel({ ...config, vocab_size: 299 }, { threads: 0 });
    const ask = (speculate: unknown) => codeOf(() => model.generate(prompt, { speculate } as GenerateOptions));
    expect(await ask({ draft: smaller })).toBe("DRAFT_VOCAB");
    await smaller.dispose();
    // As many ids, of other tokens.
    const words = await loadModel(MODEL, { threads: 0 });
    const bytes = await createModel(byteModel(32, { vocab_size: words.config.vocab }), { threads: 0 });
    const error = await errorOf(() => words.generate([1], { speculate: { draft: bytes } }));
    expect([error.code, error.at?.field]).toEqual(["DRAFT_VOCAB", "speculate.draft"]);
    await words.dispose();
    await bytes.dispose();
    for (const speculate of [{ draft: model }, { draft: {} }, { draft: undefined }, {}, "draft", true, [draft], null])
      expect(await ask(speculate)).toBe("REQ_PARAM");
    expect(await ask({ draft, tokens: 4 })).toBe("REQ_UNSUPPORTED_PARAM");
    expect(await ask({ draft })).toBe(undefined);
  });

  it("that was disposed is a typed error: of the call, of an answer on its way, of a batch", async () => {
    const answer = model.generate(prompt, { ...long, speculate: { draft } });
    const batch = model.generateBatch([prompt, prompt], { ...long, speculate: { draft } });
    const [one, all] = [errorOf(() => answer.result()), errorOf(() => batch.results())];
    for await (const _ of model.generate(prompt, { maxTokens: 10 })) break;
    await draft.dispose();
    expect((await one).code).toBe("DRAFT_DISPOSED");
    expect((await one).partial?.ids.length).toBeLessThan(400);
    expect((await all).code).toBe("DRAFT_DISPOSED");
    expect(await codeOf(() => model.generate(prompt, { speculate: { draft } }))).toBe("DRAFT_DISPOSED");
    expect((await model.generate(prompt, { maxTokens: 5 }).result()).usage.draftedTokens).toBe(0);
  });

  it("of a model that is disposed lets go, and goes on", async () => {
    const answer = model.generate(prompt, { ...long, speculate: { draft } });
    const ended = errorOf(() => answer.result());
    await model.generate(prompt, { maxTokens: 10 }).result();
    await model.dispose();
    expect((await ended).code).toBe("DISPOSED");
    expect((await draft.generate(prompt, { maxTokens: 5, ignoreEos: true }).result()).ids.length).toBe(5);
  });

  it("that waits for guesses of the model that it guesses for is an error, not a wait for ever; later it may", async () => {
    const one = model.generate(prompt, { ...long, speculate: { draft } }).result();
    const other = draft.generate(prompt, { ...long, speculate: { draft: model } });
    expect(await codeOf(() => other.result())).toBe("DRAFT_CIRCLE");
    await one;
    const again = await draft.generate(prompt, { ...long, speculate: { draft: model } }).result();
    expect(again.usage.completionTokens).toBe(400);
  });

  it("serves others meanwhile, and an abort is heard at once", async () => {
    const controller = new AbortController();
    const answer = model.generate(prompt, { ...long, speculate: { draft }, signal: controller.signal }).result();
    const aborted = codeOf(() => answer);
    const served = await draft.generateBatch([prompt, idsOf(9, 300, 4)], { maxTokens: 20, ignoreEos: true }).results();
    controller.abort("enough");
    expect(await aborted).toBe("enough");
    expect(served.map(({ ids }) => ids.length)).toEqual([20, 20]);
  });
});
