import { afterEach, describe, expect, it } from "vitest";
import { goldenCase } from "./golden.ts";
import { allLogits, hash, idsOf, openResident, type Source, type Wish } from "./resident.ts";

/**
 * One promise: the bits of a row's logits depend on the model and the ids before it, on nothing else.
 *
 * Models: golden text-a (f32; top-1, chunk 16) and random ones with quantised matrices (dense and top-2 layers, chunk 24, so
 * that chunks and pages of 64 positions do not coincide).
 */

const CHUNK = 24;
const quantised = {
  vocab_size: 300,
  hidden_size: 64,
  intermediate_size: 64,
  intermediate_size_mlp: 96,
  num_hidden_layers: 6,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  head_dim: 12,
  num_local_experts: 4,
  num_experts_per_tok: 2,
  interleave_moe_layer_step: 2,
  attention_chunk_size: CHUNK,
  floor_scale: 8,
  shared_expert: true,
};
const MODELS: [string, Source, number][] = [
  ["text-a f32", { path: goldenCase("text-a-scout").ggufPath() }, 16],
  ["random q8_0", { config: quantised, type: "q8_0" }, CHUNK],
  ["random q4_0", { config: quantised, type: "q4_0" }, CHUNK],
  ["random bf16", { config: quantised, type: "bf16" }, CHUNK],
  [
    "random f16, softmax router",
    {
      config: {
        ...quantised,
        router: "softmax",
        shared_expert: false,
        attention_chunk_size: null,
        layer_types: Array(6).fill("full_attention"),
      },
      type: "f16",
    },
    64,
  ],
];
const ids = idsOf(150, 300);
/** Cuts before every id: token by token. */
const everyRow = ids.map((_, index) => index);
/** Pieces of 1 to 9 rows, over and again: with and without what every thread does for itself. */
const few = ids.map((_, index) => index).filter((index) => [0, 1, 3, 6, 10, 15, 21, 28, 36].includes(index % 45));

let resident: Awaited<ReturnType<typeof openResident>>;
afterEach(() => resident?.dispose());

async function open(source: Source, wish: Wish = {}) {
  await resident?.dispose();
  resident = await openResident(source, wish);
  return resident;
}

describe.each(MODELS)("%s", (_, source, chunk) => {
  describe.each(["f32", "q8"] as const)("%s cache", (cache) => {
    it("one prefill = token by token = odd pieces = after rewind = the unfused program", async () => {
      const model = await open(source, { cache });
      const whole = hash(await allLogits(model, ids));
      expect(hash(await allLogits(model, ids, everyRow))).toBe(whole);
      for (const piece of [7, chunk - 1, chunk, chunk + 1]) {
        const cuts = Array.from({ length: Math.floor(ids.length / piece) }, (_, index) => (index + 1) * piece);
        expect(hash(await allLogits(model, ids, cuts)), `pieces of ${piece}`).toBe(whole);
      }
      const { vocab } = model.config;
      const timeline = model.cache.open();
      const rewound = new Float32Array(ids.length * vocab);
      const from = async (position: number) =>
        model.step(
          [{ timeline, position, inputs: ids.slice(position), logits: ids.length - position }],
          (logits, row) => {
            rewound.set(logits, (position + row) * vocab);
          },
        );
      await from(0);
      for (const length of [149, 70, 30]) {
        const kept = model.cache.truncate(timeline, length);
        rewound.fill(0, kept * vocab);
        await from(kept);
        expect(hash(rewound), `rewound to ${length}`).toBe(whole);
      }
      model.cache.close(timeline);
      const traced = await model.trace(ids, (name) => name === "logits");
      expect(hash(traced.get("logits")!.data)).toBe(whole);
      expect(model.cache.freePages).toEqual(model.sizes.pages);
    });

    it("threads 0 to 4 and layers over 1, 2 and 3 memories", async () => {
      const whole = hash(await allLogits(await open(source, { cache, threads: 1 }), ids));
      for (const threads of [0, 2, 3, 4]) {
        const model = await open(source, { cache, threads });
        expect(hash(await allLogits(model, ids)), `${threads} threads`).toBe(whole);
        expect(hash(await allLogits(model, ids, few)), `${threads} threads, few rows`).toBe(whole);
      }
      for (const memories of [2, 3]) {
        for (const threads of [0, 2]) {
          // A large context makes the layers outweigh the logits, so that a limit exists that cuts them in three.
          const model = await open(source, { cache, threads, memories, context: 16384 });
          expect(model.memoryBytes.length).toBe(memories);
          expect(hash(await allLogits(model, ids, [5, 80, 81])), `${memories} memories`).toBe(whole);
          expect(hash((await model.trace(ids, (name) => name === "logits")).get("logits")!.data)).toBe(whole);
        }
      }
    });
  });

  it("a step that mixes decode, prefill and embedding rows of several sequences gives each its solo bits", async () => {
    const model = await open(source);
    const { hidden, vocab } = model.config;
    const rowOf = async (id: number) => (await model.trace([id], (name) => name === "embed")).get("embed")!.data;
    const others = [idsOf(40, 300, 2), idsOf(97, 300, 3), idsOf(10, 300, 4)];
    const solo: Float32Array[] = [];
    for (const one of [ids, ...others]) solo.push(await allLogits(model, one));
    const timelines = [0, 1, 2, 3].map(() => model.cache.open());
    // 0 decodes its last id; 1 prefills from the middle; 2 starts; 3 enters as embedding rows.
    await model.step([{ timeline: timelines[0], position: 0, inputs: ids.slice(0, 149), logits: 0 }], () => {});
    await model.step([{ timeline: timelines[1], position: 0, inputs: others[0].slice(0, 11), logits: 0 }], () => {});
    const embedded: Float32Array[] = [];
    for (const id of others[2]) embedded.push(await rowOf(id));
    expect(embedded[0].length).toBe(hidden);
    const got: Float32Array[][] = [[], [], [], []];
    await model.step(
      [
        { timeline: timelines[1], position: 11, inputs: others[0].slice(11), logits: others[0].length - 11 },
        { timeline: timelines[0], position: 149, inputs: [ids[149]], logits: 1 },
        { timeline: timelines[3], position: 0, inputs: embedded, logits: embedded.length },
        { timeline: timelines[2], position: 0, inputs: others[1], logits: others[1].length },
      ],
      (logits, _row, part) => got[[1, 0, 3, 2][part]].push(logits.slice()),
    );
    const flat = (parts: Float32Array[]) => hash(Float32Array.from(parts.flatMap((part) => [...part])));
    expect(flat(got[0])).toBe(hash(solo[0].subarray(149 * vocab)));
    expect(flat(got[1])).toBe(hash(solo[1].subarray(11 * vocab)));
    expect(flat(got[2])).toBe(hash(solo[2]));
    expect(flat(got[3])).toBe(hash(solo[3]));
  });
});

it.each(MODELS.filter(([name]) => /q[48]_0/.test(name)))(
  "%s: simd and relaxed builds are bit-identical, both caches, both activations",
  async (_, source) => {
    for (const wish of [{}, { cache: "q8" }, { activations: "f32" }] as Wish[]) {
      const simd = hash(await allLogits(await open(source, { ...wish, build: "simd" }), ids));
      const relaxed = hash(await allLogits(await open(source, { ...wish, build: "relaxed" }), ids));
      expect(relaxed, JSON.stringify(wish)).toBe(simd);
    }
  },
);

it.each(MODELS.filter(([name]) => !/q[48]_0/.test(name)))(
  "%s, relaxed build (fused): one prefill = token by token = the unfused program",
  async (_, source) => {
    const model = await open(source, { build: "relaxed" });
    const whole = hash(await allLogits(model, ids));
    expect(hash(await allLogits(model, ids, everyRow))).toBe(whole);
    expect(hash((await model.trace(ids, (name) => name === "logits")).get("logits")!.data)).toBe(whole);
  },
);

it("pages behind a chunk are given back, and rewinding behind them computes the chunk again", async () => {
  const model = await open({ config: { ...quantised, attention_chunk_size: 64 }, type: "q8_0" });
  const long = idsOf(300, 300);
  const whole = await allLogits(model, long);
  const timeline = model.cache.open();
  await model.step([{ timeline, position: 0, inputs: long, logits: 0 }], () => {});
  model.cache.release(timeline, long.length);
  expect(timeline.released).toBe(4);
  expect(model.cache.freePages.chunked).toBe(model.sizes.pages.chunked - 1);
  // Position 150 lies in the chunk that starts at 128, whose pages are gone.
  expect(model.cache.truncate(timeline, 150)).toBe(128);
  const { vocab } = model.config;
  const again = new Float32Array(172 * vocab);
  await model.step([{ timeline, position: 128, inputs: long.slice(128), logits: long.length - 128 }], (logits, row) =>
    again.set(logits, row * vocab),
  );
  expect(hash(again)).toBe(hash(whole.slice(128 * vocab)));
  model.cache.close(timeline);
  expect(model.cache.freePages).toEqual(model.sizes.pages);
});

it("every step is one wake of every worker", async () => {
  const model = await open(MODELS[0][1], { threads: 3 });
  const before = model.threads.wakes;
  await allLogits(model, ids, [10, 11, 12, 13]);
  expect(model.threads.wakes.map((wakes, thread) => wakes - before[thread])).toEqual([5, 5, 5]);
});
