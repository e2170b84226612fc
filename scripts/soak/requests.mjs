import { join } from "node:path";

/** Requests of every kind that applications make, by name; each makes its own mess and leaves nothing. `env`: model, random, folder, signal. */

const WORDS =
  "Once upon a time there was an owl named Luna who lived in the old oak and told stories to the moon".split(" ");
const text = (random) => Array.from({ length: 3 + random.below(20) }, () => random.pick(WORDS)).join(" ");
const short = (random) => ({ maxTokens: 1 + random.below(10), seed: random.below(1000) });
const messages = (random) => [
  { role: "system", content: "You tell stories." },
  { role: "user", content: text(random) },
];
const schema = (random) => ({
  type: "object",
  properties: { name: { type: "string", maxLength: 4 + random.below(4) }, age: { type: "integer" } },
  required: ["name"],
});
const TOOL = { description: "The weather", parameters: { type: "object", properties: { city: { type: "string" } } } };
/** Ends that a request of this kind is meant to have. */
const unless =
  (...codes) =>
  (error) => {
    if (!codes.includes(error?.code ?? error)) throw error;
  };

export const REQUESTS = {
  generate: ({ model, random, signal }) => model.generate(text(random), { ...short(random), signal }).result(),
  samplers: ({ model, random }) =>
    model
      .generate(text(random), {
        ...short(random),
        topK: 20,
        minP: 0.01,
        typicalP: 0.9,
        dry: { multiplier: 0.8 },
        xtc: { probability: 0.3 },
      })
      .text(),
  async stream({ model, random, signal }) {
    for await (const _ of model.generate(text(random), { ...short(random), signal, logProbabilities: 3 }));
  },
  async left({ model, random }) {
    for await (const _ of model.generate(text(random), { maxTokens: 40 })) break;
  },
  async dropped({ model, random }) {
    // Neither read to its end nor left: its pages are for whoever needs them.
    const pieces = model
      .generate(text(random), { maxTokens: 100, ignoreEos: true, deadline: 20_000 })
      [Symbol.asyncIterator]();
    await pieces.next();
    await pieces.return();
  },
  chat: ({ model, random, signal }) => model.chat(messages(random), { ...short(random), signal }).result(),
  batch: ({ model, random }) =>
    model.generateBatch([text(random), text(random), "Once"], { ...short(random), n: 2 }).results(),
  json: ({ model, random }) =>
    model
      .generate(text(random), { ...short(random), responseFormat: { type: "json_schema", schema: schema(random) } })
      .result(),
  regex: ({ model, random }) =>
    model
      .generate(text(random), {
        ...short(random),
        responseFormat: { type: "regex", pattern: `[a-z]{1,${1 + random.below(30)}}` },
      })
      .result(),
  tools: ({ model, random }) =>
    model.chat(messages(random), { ...short(random), tools: [{ name: "weather", ...TOOL }] }).result(),
  runTools: ({ model, random }) =>
    model.runTools(messages(random), {
      ...short(random),
      maxRounds: 2,
      tools: { weather: { ...TOOL, run: () => "sun" } },
    }),
  lookup: ({ model, random, signal }) =>
    model.generate(text(random).repeat(2), { ...short(random), speculate: "lookup", signal }).result(),
  adapter: ({ model, random }) =>
    model
      .generate(text(random), {
        ...short(random),
        adapter: random.below(2) === 0 ? null : "small",
        salt: `tenant ${random.below(50)}`,
      })
      .result(),
  embed: ({ model, random, signal }) => model.embed(text(random), { signal }),
  score: ({ model, random }) => model.score(text(random), { prompt: "Once" }),
  async session({ model, random }) {
    const session = model.session();
    const ids = model.tokenizer.encode(text(random));
    await session.sync(ids);
    await session.rewind(random.below(ids.length));
    await session.logits().catch(unless("SESSION_EMPTY"));
    await session.sync(ids);
    await session.dispose();
  },
  async abort({ model, random }) {
    const controller = new AbortController();
    const answer = model.generate(text(random).repeat(3), {
      maxTokens: 60,
      ignoreEos: true,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort("enough"), random.below(40));
    await answer.result().catch(unless("enough"));
  },
  deadline: ({ model, random }) =>
    model
      .generate(text(random), { maxTokens: 60, deadline: 1 + random.below(30) })
      .result()
      .catch(unless("DEADLINE")),
  thrown: ({ model, random }) =>
    model
      .generate(text(random), {
        ...short(random),
        logitsProcessor: () => {
          throw "mine";
        },
      })
      .result()
      .catch(unless("mine")),
  async refused({ model }) {
    try {
      model.generate("Once", { maxTokens: -1 });
    } catch (error) {
      unless("REQ_PARAM")(error);
    }
  },
  async prefix({ model, random, folder }) {
    const ids = Array.from({ length: 64 + random.below(70) }, () => random.below(500));
    const path = join(folder, `${random.below(4)}-${random.below(2 ** 30)}.prefix`);
    await model.cache.save(ids, path);
    await model.cache.load(path);
    if (random.below(4) === 0) model.cache.clear();
  },
};
