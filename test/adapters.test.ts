import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../dist/src/checkpoint/open.js";
import type { Model } from "../dist/src/index.js";
import type { StepPart } from "../dist/src/model/run/step.js";
import {
  baseModel,
  coarse,
  ggufAdapter,
  ggufPairs,
  type Low,
  type Module,
  merged,
  modelsOfTests,
  peftFolder,
  peftTensors,
  randomAdapter,
  toBf16,
} from "./adapters.ts";
import { errorOf } from "./error-code.ts";
import { hash, idsOf, openResident } from "./resident.ts";

const ids = idsOf(90, 300, 5);

const load = modelsOfTests();

async function logitsOf(model: Model, adapter?: number | string | null): Promise<Float32Array> {
  return (await model.trace(ids, { taps: ["logits"], adapter }))["logits"].data as Float32Array;
}

function spread(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

const largest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at])), 0);

describe("beside the weights as merged into them", () => {
  const plain = randomAdapter(1);
  const ranks = randomAdapter(2, {
    rankOf: (layer, module) => (module === "self_attn.q_proj" ? 9 : layer === 1 ? 2 : 4),
  });
  const rankPattern = { q_proj: 9, "model.layers.1.mlp.gate_proj": 2, ...onLayerOne() };
  const bf16 = randomAdapter(3, { rank: 5 });
  const cut = {
    ...bf16,
    pairs: new Map([...bf16.pairs].map(([place, { rank, a, b }]) => [place, { rank, a: toBf16(a), b: toBf16(b) }])),
  };
  const root = ({ rank }: Low) => 8 / Math.sqrt(rank);
  const alphas = ({ rank }: Low, _: number, module: Module) => (module.endsWith("up_proj") ? 3 : 8) / rank;
  const usual = ({ rank }: Low) => 8 / rank;
  it.each([
    ["alpha over rank", plain, 1, () => peftFolder(plain), usual],
    ["another scale", plain, -0.6, () => peftFolder(plain), usual],
    ["a GGUF adapter", plain, 1, () => ggufAdapter(plain), usual],
    ["rank-stabilised", plain, 1, () => peftFolder(plain, { use_rslora: true }), root],
    ["ranks by module", ranks, 1, () => peftFolder(ranks, { rank_pattern: rankPattern }), usual],
    ["alphas by module", plain, 1, () => peftFolder(plain, { alpha_pattern: { up_proj: 3 } }), alphas],
    ["bf16", cut, 1, () => peftFolder(cut, {}, peftTensors(cut, "BF16")), usual],
  ] as const)("%s", async (_, adapter, scale, source, factor) => {
    const beside = await load(baseModel(), { adapters: [{ source: source(), scale }] });
    const inside = await load(merged(adapter, (...of) => scale * factor(...of)));
    const [one, other, without] = [await logitsOf(beside), await logitsOf(inside), await logitsOf(beside, null)];
    expect(largest(one, other) / spread(other)).toBeLessThan(1e-4);
    expect(largest(one, without) / spread(other), "it changes something").toBeGreaterThan(0.1);
  });

  function onLayerOne() {
    const rest = ["self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"];
    return Object.fromEntries(rest.map((module) => [`layers.1.${module}`, 2]));
  }
});

it("every type that holds the values of an adapter gives the same bits", async () => {
  const fine = randomAdapter(5, { rank: 32, alpha: 24 });
  const pairs = [...fine.pairs].map(
    ([place, { rank, a, b }]) => [place, { rank, a: coarse(a), b: coarse(b) }] as const,
  );
  const adapter = { ...fine, pairs: new Map(pairs) };
  const of = (type: "f32" | "f16" | "bf16" | "q8_0") => ({
    source: ggufAdapter(adapter, [], ggufPairs(adapter), type),
    name: type,
  });
  const model = await load(baseModel(), { adapters: [of("f32"), of("f16"), of("bf16"), of("q8_0")] });
  const [first, ...rest] = await Promise.all(["f32", "f16", "bf16", "q8_0"].map((type) => logitsOf(model, type)));
  for (const other of rest) expect(hash(other)).toBe(hash(first));
});

it("both formats give the same bits", async () => {
  const adapter = randomAdapter(4, { rank: 6, alpha: 12 });
  const model = await load(baseModel(), {
    adapters: [{ source: peftFolder(adapter) }, { source: ggufAdapter(adapter), name: "gguf" }],
  });
  expect(hash(await logitsOf(model, "gguf"))).toBe(hash(await logitsOf(model, "peft")));
});

interface Running extends StepPart {
  readonly out: Float32Array;
}

describe("the bits of a row depend on its own ids and adapter alone", () => {
  // Different ranks and targets, so that tables have gaps and zeros.
  const first = randomAdapter(11, { rank: 3 });
  const second = randomAdapter(12, { rank: 10, modules: ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"] });
  const third = randomAdapter(13, { rank: 1, modules: ["self_attn.o_proj", "mlp.up_proj"] });
  const sources = [first, second, third].map((adapter, index) => ({
    source: ggufAdapter(adapter),
    name: `adapter ${index}`,
  }));
  const CHOICES = [0, 1, 2, null] as const;
  const textOf = (index: number) => idsOf(40 + 7 * index, 300, 20 + index);
  /** Logits behind the last id of a session, computed in pieces that end at `cuts`. */
  const run = async (model: Model, adapter: number | null, text: number[], cuts: number[] = []) => {
    await using session = model.session({ adapter });
    for (const cut of cuts) await session.sync(text.slice(0, cut));
    await session.sync(text);
    return hash(await session.logits());
  };

  it.each([
    ["f32", {}],
    ["q8_0", { quantize: "q8_0" }],
    ["q4_0, f32 activations", { quantize: "q4_0", activations: "f32" }],
  ] as const)("%s", async (_, options) => {
    const solo: string[] = [];
    for (const [index, choice] of CHOICES.entries()) {
      const adapters = choice === null ? [] : [sources[choice]];
      const alone = await load(baseModel(), { ...options, adapters });
      solo.push(await run(alone, choice === null ? null : 0, textOf(index)));
    }
    expect(new Set(solo).size).toBe(CHOICES.length);
    let { total: limit } = (await load(baseModel(), { ...options, adapters: sources })).info.memory;
    for (const threads of [0, 1, 2]) {
      for (const memories of [1, 2]) {
        const open = (memoryLimit?: number) =>
          load(baseModel(), { ...options, adapters: sources, threads, memoryLimit });
        let model = await open(memories === 1 ? undefined : limit);
        for (; model.info.memory.memories.length < memories; limit = Math.floor(limit * 0.98))
          model = await open(limit);
        expect(model.info.memory.memories).toHaveLength(memories);
        const mixed = await Promise.all(
          [...CHOICES, ...CHOICES].map((choice, at) => run(model, choice, textOf(at % CHOICES.length))),
        );
        expect(mixed, `${threads} threads, mixed`).toEqual([...solo, ...solo]);
        const seed = 31 + threads;
        const cuts = idsOf(6, 40, seed).sort((a, b) => a - b);
        const pieces = await Promise.all(CHOICES.map((choice, at) => run(model, choice, textOf(at), cuts)));
        expect(pieces, `${threads} threads, pieces of seed ${seed}`).toEqual(solo);
      }
    }
  });

  it("random steps of random parts in any order, planned to the byte", async () => {
    const seed = 1 + Math.floor(Math.random() * 1e6);
    const adapters = await Promise.all(sources.map(({ source }) => openCheckpoint(source)));
    const resident = await openResident({ checkpoint: baseModel(), adapters }, { context: 256 });
    try {
      const { vocab } = resident.config;
      const solo: Float32Array[] = [];
      const one = async (parts: Running[]) => {
        await resident.step(parts, (logits, row, part) => {
          let first = 0;
          for (let before = 0; before < part; before++) first += parts[before].inputs.length;
          parts[part].out.set(logits, (parts[part].position + row - first) * vocab);
        });
      };
      const begin = (at: number): Running => ({
        timeline: resident.cache.open(),
        position: 0,
        inputs: textOf(at),
        logits: textOf(at).length,
        adapter: CHOICES[at % CHOICES.length],
        out: new Float32Array(textOf(at).length * vocab),
      });
      for (let at = 0; at < 8; at++) {
        const part = begin(at);
        await one([part]);
        resident.cache.close(part.timeline);
        solo.push(part.out);
      }
      const random = idsOf(2000, 997, seed);
      const next = (below: number) => random.pop()! % below;
      const running = solo.map((_, at) => begin(at));
      const done = running.map(() => 0);
      for (let _steps = 0; done.some((count, at) => count < textOf(at).length); _steps++) {
        const parts = running.flatMap((part, at) => {
          const inputs = textOf(at).slice(done[at], done[at] + next(12));
          return inputs.length === 0
            ? []
            : [{ at, order: next(997), part: { ...part, position: done[at], inputs, logits: inputs.length } }];
        });
        parts.sort((a, b) => a.order - b.order);
        if (parts.length > 0) await one(parts.map(({ part }) => part));
        for (const { at, part } of parts) done[at] += part.inputs.length;
      }
      for (const [at, { out }] of running.entries()) expect(hash(out), `text ${at}, seed ${seed}`).toBe(hash(solo[at]));
    } finally {
      await resident.dispose();
    }
  });

  it("token by token beside others, and the unfused program", async () => {
    const model = await load(baseModel(), { adapters: sources, quantize: "q8_0", threads: 2 });
    const options = { maxTokens: 12, temperature: 0, logProbabilities: 3, stopIds: [] };
    const answers = await model
      .generateBatch(
        CHOICES.map((adapter, index) => ({
          prompt: textOf(index),
          options: { ...options, adapter, speculate: index % 2 === 0 ? ("lookup" as const) : (false as const) },
        })),
      )
      .results();
    for (const [index, adapter] of CHOICES.entries()) {
      const alone = await model.generate(textOf(index), { ...options, adapter }).result();
      expect(answers[index].ids).toEqual(alone.ids);
      expect(answers[index].logProbabilities).toEqual(alone.logProbabilities);
      const text = textOf(index);
      const { logits } = await model.trace(text, { taps: ["logits"], adapter });
      expect(hash((logits.data as Float32Array).slice(-300))).toBe(await run(model, adapter, text));
    }
  });

  it("a request without an adapter is one of a model without adapters, which runs the program it always ran", async () => {
    for (const quantize of [undefined, "q8_0"] as const) {
      const bare = await load(baseModel(), { quantize });
      const adapted = await load(baseModel(), { quantize, adapters: sources });
      expect(hash(await logitsOf(adapted, null))).toBe(hash(await logitsOf(bare)));
      expect((await adapted.score(ids, { adapter: null })).nll).toEqual((await bare.score(ids)).nll);
      expect(bare.info.adapters).toEqual([]);
      // embed, angles, 11 ops a layer, panel, matrix and peaks of the logits
      expect(bare.info.opsPerStep).toBe(5 + 11 * 3);
      expect(adapted.info.opsPerStep).toBeGreaterThan(bare.info.opsPerStep);
      // q k v, rope, attention, its output, gate and up, down
      expect(bare.info.barriersPerStep).toBe(2 + 6 * 3);
    }
  });
});

it("the first adapter is the default of every call; names, places and null choose", async () => {
  const [one, two] = [randomAdapter(21), randomAdapter(22)];
  const model = await load(baseModel(), {
    adapters: [
      { source: peftFolder(one), name: "one" },
      { source: peftFolder(two), name: "two" },
    ],
  });
  const calls: [string, (adapter?: string | number | null) => Promise<unknown>][] = [
    ["generate", async (adapter) => (await model.generate(ids, { ...greedy, adapter }).result()).ids],
    ["generateBatch", async (adapter) => (await model.generateBatch([ids], { ...greedy, adapter }).results())[0].ids],
    ["score", async (adapter) => [...(await model.score(ids, { adapter })).nll]],
    ["perplexity", async (adapter) => (await model.perplexity(ids, { adapter, window: 64 })).perplexity],
    ["embed", async (adapter) => [...(await model.embed(ids, { adapter }))]],
    ["trace", async (adapter) => hash(await logitsOf(model, adapter))],
    [
      "session",
      async (adapter) => {
        await using session = model.session({ adapter });
        await session.sync(ids);
        return [...(await session.logits())];
      },
    ],
  ];
  for (const [name, call] of calls) {
    const [absent, first, byName, second, third, none] = [
      await call(),
      await call(0),
      await call("one"),
      await call(1),
      await call("two"),
      await call(null),
    ];
    expect(absent, name).toEqual(first);
    expect(byName, name).toEqual(first);
    expect(third, name).toEqual(second);
    expect(second, name).not.toEqual(first);
    expect(none, name).not.toEqual(first);
    for (const wrong of ["three", 2, -1, 0.5, true, {}])
      expect(await errorOf(async () => await call(wrong as never)), name).toMatchObject({ code: "REQ_PARAM" });
  }
  const { kld } = (await model.divergence(ids, await load(baseModel()), { window: 64 })) as never;
  expect(kld).not.toBe(0);
});

const greedy = { maxTokens: 8, temperature: 0 };

it("what was computed with one adapter is a beginning for requests of the same one alone", async () => {
  const adapters = [
    { source: peftFolder(randomAdapter(23)), name: "one" },
    { source: peftFolder(randomAdapter(24)), name: "two" },
  ];
  const model = await load(baseModel(), { adapters });
  const fresh = await load(baseModel(), { adapters, prefixCache: false });
  for (const salt of [undefined, "0:", ":"]) {
    for (const adapter of ["one", "two", null, "one", null, "two"]) {
      const options = { maxTokens: 4, temperature: 0, logProbabilities: 2, adapter };
      const known = await model.generate(ids, { ...options, ...(salt !== undefined && { salt }) }).result();
      const alone = await fresh.generate(ids, options).result();
      expect(known.logProbabilities).toEqual(alone.logProbabilities);
    }
  }
  // Per salt two of three ask again.
  const { hits, misses } = model.cache.stats();
  expect([hits, misses]).toEqual([9, 9]);
});

it("says what was loaded, to the byte", async () => {
  const adapters = [
    { source: peftFolder(randomAdapter(31, { rank: 3 })), scale: 0.5 },
    { source: ggufAdapter(randomAdapter(32, { rank: 12, modules: ["self_attn.q_proj"] })), name: "q" },
  ];
  const bare = await load(baseModel());
  const { info } = await load(baseModel(), { adapters });
  // Groups of 8 outputs, as wide as the widest of the table: for q 12.
  const bytes = (rank: number, rows: number, cols: number) => 4 * (Math.ceil(rank / 8) * 8 * cols + rows * rank);
  const q = 3 * bytes(12, 64, 64);
  const rest = [
    bytes(3, 32, 64),
    bytes(3, 32, 64),
    bytes(3, 64, 64),
    bytes(3, 96, 64),
    bytes(3, 96, 64),
    bytes(3, 64, 96),
  ];
  const every = ["q", "k", "v", "o", "gate", "up", "down"];
  expect(info.adapters).toEqual([
    { name: "peft", scale: 0.5, rank: 3, targets: every, bytes: q + 3 * rest.reduce((sum, one) => sum + one) },
    { name: "q", scale: 1, rank: 12, targets: ["q"], bytes: q },
  ]);
  const added = info.adapters.reduce((sum, one) => sum + one.bytes, 0);
  expect(info.memory.weights).toBe(bare.info.memory.weights + added);
  const { memory } = info;
  expect(memory.weights + memory.cache + memory.activations).toBe(memory.total);
  expect(memory.total).toBe(memory.memories.reduce((sum, one) => sum + one, 0));
});
