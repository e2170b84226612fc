import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../dist/src/checkpoint/checkpoint.js";
import { openCheckpoint } from "../dist/src/checkpoint/open.js";
import { createModel, inspect, loadModel } from "../dist/src/index.js";
import { type Defaults, readDefaults } from "../src/engine/generation-config.ts";
import { generationPairs, readStoredGeneration } from "../src/model/config/stored-generation.ts";
import { MODEL } from "./runtimes.ts";
import { checkpoint, type Json, tokenizer } from "./storyteller.ts";

/** What a checkpoint recommends is the default of its calls; what of it cannot be honoured is said. */

const LIMITS = { vocab: 2048, context: 512 };

const folder = (generation: Json): Defaults =>
  readDefaults(
    readStoredGeneration(checkpoint({ json: new Map([["generation_config.json", generation]]) })),
    LIMITS,
    tokenizer,
  );

const gguf = (values: Json): Defaults =>
  readDefaults(
    readStoredGeneration(
      checkpoint({
        format: "gguf",
        metadata: new Map(Object.entries(values).map(([name, value]) => [`general.sampling.${name}`, value as number])),
      }),
    ),
    LIMITS,
    tokenizer,
  );

describe("a generation_config.json", () => {
  it("gives temperature, top-k, top-p, min-p, typical-p, penalty, length, stops and forbidden ids", () => {
    const { options, shown, warnings } = folder({
      do_sample: true,
      temperature: 0.7,
      top_k: 40,
      top_p: 0.8,
      min_p: 0.05,
      typical_p: 0.95,
      repetition_penalty: 1.1,
      max_new_tokens: 100,
      min_new_tokens: 5,
      stop_strings: ["User:", "<|eot|>"],
      suppress_tokens: [5, 6],
      bad_words_ids: [[7]],
    });
    expect(options).toMatchObject({
      temperature: 0.7,
      topK: 40,
      topP: 0.8,
      minP: 0.05,
      typicalP: 0.95,
      repetitionPenalty: 1.1,
      maxTokens: 100,
      minTokens: 5,
      stop: ["User:", "<|eot|>"],
      logitBias: new Map([5, 6, 7].map((id) => [id, -100])),
    });
    expect(shown.topK).toEqual({ value: 40, from: "generation_config.json: top_k" });
    expect(shown.logitBias.value).toEqual({ 5: -100, 6: -100, 7: -100 });
    expect(warnings).toEqual([]);
  });

  it("without do_sample samples where it gives a temperature, and as by default where it gives none", () => {
    expect(folder({ temperature: 0.9 }).options).toMatchObject({ temperature: 0.9, topP: 0.9 });
    const { options, shown, warnings } = folder({ bos_token_id: 1, eos_token_id: [2, 3], transformers_version: "5" });
    expect(options).toMatchObject({ temperature: 0.6, topP: 0.9, topK: 0, maxTokens: Number.POSITIVE_INFINITY });
    expect(Object.values(shown).every(({ from }) => from === "default")).toBe(true);
    expect(warnings).toEqual([]);
  });

  it("with do_sample false is greedy, whatever temperature stands beside it", () => {
    for (const temperature of [undefined, 0.7, 9]) {
      const { options, shown } = folder({ do_sample: false, temperature });
      expect(options.temperature).toBe(0);
      expect(shown.temperature.from).toBe("generation_config.json: do_sample");
    }
  });

  it("with null says nothing", () => {
    const nothing = {
      temperature: null,
      top_k: null,
      min_p: null,
      max_new_tokens: null,
      typical_p: null,
      do_sample: null,
    };
    expect(folder(nothing)).toEqual(folder({}));
  });

  it.each([
    ["temperature", 5, "temperature", 0.6],
    ["temperature", "0.7", "temperature", 0.6],
    ["top_p", 0, "topP", 0.9],
    ["top_k", 2.5, "topK", 0],
    ["repetition_penalty", -1, "repetitionPenalty", 1],
    ["min_new_tokens", -1, "minTokens", 0],
    ["max_new_tokens", 0, "maxTokens", Number.POSITIVE_INFINITY],
    ["stop_strings", ["a<|eot|>"], "stop", []],
    ["stop_strings", 5, "stop", []],
    ["suppress_tokens", [5, 2048], "logitBias", new Map()],
    ["suppress_tokens", 5, "logitBias", new Map()],
    ["do_sample", "no", "temperature", 0.6],
  ])("%s of %j is left out with a warning that names it", (name, value, option, expected) => {
    const { options, warnings } = folder({ [name as string]: value });
    expect(options[option as "stop"]).toEqual(expected);
    expect(warnings).toEqual([expect.stringContaining(`generation_config.json: ${name}`)]);
  });

  it.each([
    ["eta_cutoff", 0.1, 0],
    ["no_repeat_ngram_size", 3, 0],
    ["num_beams", 4, 1],
    ["min_length", 5, 0],
    ["epsilon_cutoff", 0.1, 0],
    ["encoder_repetition_penalty", 1.2, 1],
    ["begin_suppress_tokens", [1], []],
    ["guidance_scale", 1.5, 1],
    ["num_return_sequences", 2, 1],
    ["max_length", 100, 512],
    ["max_time", 5, null],
    ["penalty_alpha", 0.6, 0],
    ["token_healing", true, false],
  ])("%s of %j is not honoured, and said; %j has no effect and is not", (name, value, neutral) => {
    expect(folder({ [name]: value }).warnings).toEqual([expect.stringContaining(`generation_config.json: ${name}`)]);
    expect(folder({ [name]: neutral }).warnings).toEqual([]);
  });

  it("warns of nothing that has no effect where the likeliest token is taken", () => {
    expect(folder({ do_sample: false, eta_cutoff: 0.9 }).warnings).toEqual([]);
  });

  it("with max_new_tokens does not count by max_length", () => {
    expect(folder({ max_length: 20, max_new_tokens: 30 }).warnings).toEqual([]);
  });

  it("with words of several ids forbids the others, and says so", () => {
    const { options, warnings } = folder({ bad_words_ids: [[5], [6, 7]] });
    expect(options.logitBias).toEqual(new Map([[5, -100]]));
    expect(warnings.length).toBe(1);
  });

  it("with keys that nobody knows names a few of them, printable", () => {
    const { warnings } = folder({ "a\u001b[2J": 1, ...Object.fromEntries([..."bcdefgh"].map((name) => [name, 1])) });
    expect(warnings).toEqual([expect.stringMatching(/a\\u001b\[2J.* and 3 more/)]);
  });

  it.each([[[1, 2]], ["text"], [5], [null]])("that is %j says nothing", (file) => {
    expect(folder(file)).toEqual(folder({}));
  });

  it("of hundreds of thousands of entries is read in time that grows with them, not with their square", () => {
    const read = (count: number): number => {
      const many = Array.from({ length: count }, (_, id) => id);
      const began = process.cpuUsage();
      const { options, warnings } = folder({
        suppress_tokens: many,
        bad_words_ids: many.map((id) => [id, id]),
        stop_strings: many.map(String),
        ...Object.fromEntries(many.map((id) => [`key ${id}`, id])),
      });
      const { user } = process.cpuUsage(began);
      expect(options).toEqual(folder({}).options);
      expect(warnings.every((warning) => warning.length < 400)).toBe(true);
      return user;
    };
    read(2 ** 12);
    expect(read(2 ** 18) / read(2 ** 15)).toBeLessThan(32); // 8, or 64
  });

  it("of hostile names changes nothing", () => {
    const file = JSON.parse('{"__proto__": {"temperature": 0}, "constructor": 1, "toString": 2, "hasOwnProperty": 3}');
    expect(folder(file).options).toEqual(folder({}).options);
    expect(gguf(file).options).toEqual(folder({}).options);
  });
});

describe("general.sampling of a GGUF file", () => {
  it("gives the same as the JSON it was made of: f32 read as what was written", () => {
    const json = folder({ temperature: 0.7, top_k: 20, top_p: 0.95, min_p: 0.01, repetition_penalty: 1.05 });
    const written = {
      temp: Math.fround(0.7),
      top_k: 20,
      top_p: Math.fround(0.95),
      min_p: Math.fround(0.01),
      penalty_repeat: Math.fround(1.05),
    };
    const read = gguf(written);
    expect(read.options).toEqual(json.options);
    expect(read.shown.repetitionPenalty).toEqual({ value: 1.05, from: "general.sampling.penalty_repeat" });
    expect(read.warnings).toEqual([]);
    expect(gguf({ ...written, top_k: 20n }).options).toEqual(json.options);
  });

  it("is greedy at temperatures up to 0, and has no penalty over no ids", () => {
    expect(gguf({ temp: -1 }).options.temperature).toBe(0);
    expect(gguf({ temp: 0 }).options.temperature).toBe(0);
    expect(gguf({ penalty_repeat: 1.5, penalty_last_n: 0 }).options.repetitionPenalty).toBe(1);
  });

  it.each([
    [{ xtc_probability: 0.5, xtc_threshold: 0.7 }, "xtc_probability"],
    [{ mirostat: 2, mirostat_tau: 5, mirostat_eta: 0.1 }, "mirostat"],
    [{ sequence: "top_k;temperature" }, "sequence"],
    [{ penalty_repeat: 1.1, penalty_last_n: 64 }, "penalty_last_n"],
    [{ dry_multiplier: 0.8 }, "dry_multiplier"],
    [{ top_p: Number.NaN }, "top_p"],
  ])("%j is more than the engine does, and said", (values, name) => {
    expect(gguf(values).warnings).toEqual([expect.stringContaining(`general.sampling.${name}`)]);
  });

  it("gives XTC its probability and threshold", () => {
    const { options, shown, warnings } = gguf({ xtc_probability: 0.5, xtc_threshold: Math.fround(0.15) });
    expect(options.xtc).toEqual({ probability: 0.5, threshold: 0.15 });
    expect(shown.xtc).toEqual({ value: options.xtc, from: "general.sampling.xtc_probability" });
    expect(warnings).toEqual([]);
    expect(gguf({ xtc_probability: 0.5 }).options.xtc).toEqual({ probability: 0.5, threshold: 0.1 });
    expect(gguf({}).shown.xtc).toEqual({ value: null, from: "default" });
  });

  it("that changes nothing is not spoken of", () => {
    const neutral = { xtc_probability: 0, mirostat: 0, mirostat_tau: 5, penalty_last_n: 64, penalty_repeat: 1 };
    expect(gguf(neutral).warnings).toEqual([]);
  });
});

it("a folder written as a GGUF file recommends the same there, and what has no key is named", () => {
  const written = (file: Json) => {
    const stored = readStoredGeneration(checkpoint({ json: new Map([["generation_config.json", file]]) }));
    const { pairs, warnings } = generationPairs(stored);
    const values = pairs.map(([key, value]) => [
      key.replace("general.sampling.", ""),
      "f32" in value ? Math.fround(value.f32) : (value as { u32: number }).u32,
    ]);
    return { read: gguf(Object.fromEntries(values)), warnings };
  };
  const file = { temperature: 0.7, top_k: 20, top_p: 0.95, min_p: 0.01, repetition_penalty: 1.05 };
  for (const more of [{}, { do_sample: true }, { do_sample: false }]) {
    const { read, warnings } = written({ ...file, ...more });
    expect(read.options).toEqual(folder({ ...file, ...more }).options);
    expect([read.warnings, warnings]).toEqual([[], []]);
  }
  expect(written({ eos_token_id: 5, top_k: -1 }).read).toEqual(folder({}));
  expect(written({ max_new_tokens: 5, stop_strings: ["a"], typical_p: 0.9 }).warnings.length).toBe(3);
});

it("a checkpoint that is not asked gives the engine's defaults", () => {
  expect(readDefaults(null, LIMITS, tokenizer)).toEqual(folder({}));
});

it("without a tokenizer stop strings are left out with a warning, for ids must still be taken", () => {
  const stored = readStoredGeneration(
    checkpoint({ json: new Map([["generation_config.json", { stop_strings: "a" }]]) }),
  );
  const { options, warnings } = readDefaults(stored, LIMITS, null);
  expect([options.stop, warnings.length]).toEqual([[], 1]);
});

describe("a loaded model", () => {
  const GREEDY = { temp: 0, top_k: 20, penalty_last_n: 64, mirostat: 2 };

  async function recommending(values: Json): Promise<Checkpoint> {
    const stored = await openCheckpoint(MODEL);
    const pairs = Object.entries(values).map(([name, value]) => [`general.sampling.${name}`, value as number] as const);
    return { ...stored, metadata: new Map([...stored.metadata, ...pairs]) };
  }

  it("generates as its file recommends, as a call says, and as the engine does where it is told to", async () => {
    const model = await loadModel(await recommending(GREEDY), { threads: 0 });
    const greedy = (await model.generate("Once", { maxTokens: 8 }).result()).ids;
    expect(greedy).toEqual((await model.generate("Once", { maxTokens: 8, temperature: 0 }).result()).ids);
    const hot = { maxTokens: 8, temperature: 1.5, seed: 3 };
    const drawn = (await model.generate("Once", hot).result()).ids;
    expect(drawn).not.toEqual(greedy);
    expect(model.info.generationConfig.temperature).toEqual({ value: 0, from: "general.sampling.temp" });
    expect(model.info.generationConfig.topP).toEqual({ value: 0.9, from: "default" });
    const [answer] = await model.generateBatch(["Once"], { maxTokens: 8 }).results();
    expect(answer.ids).toEqual(greedy);
    await model.dispose();
    const plain = await loadModel(await recommending(GREEDY), { threads: 0, generationConfig: false });
    expect(plain.info.generationConfig.temperature).toEqual({ value: 0.6, from: "default" });
    expect(plain.info.warnings).toEqual([]);
    expect((await plain.generate("Once", { ...hot, topK: 20 }).result()).ids).toEqual(drawn);
    await plain.dispose();
  });

  it("and inspect tell the same of it", async () => {
    const values = { ...GREEDY, temp: 0.5 };
    const model = await loadModel(await recommending(values), { threads: 0 });
    const inspected = await inspect(await recommending(values));
    expect(inspected.generationConfig).toEqual(model.info.generationConfig);
    const warning = "general.sampling.mirostat (2) is not supported: answers are as without it";
    expect([model.info.warnings, inspected.warnings]).toEqual([[warning], [warning]]);
    await model.dispose();
  });

  it("made without a file has the engine's defaults, and the option is a boolean", async () => {
    const config = { vocab_size: 260, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, head_dim: 16 };
    const small = {
      ...config,
      intermediate_size: 16,
      moe_layers: [],
      intermediate_size_mlp: 16,
      num_key_value_heads: 1,
    };
    const model = await createModel(small, { threads: 0, context: 32 });
    expect(model.info.generationConfig.temperature).toEqual({ value: 0.6, from: "default" });
    await model.dispose();
    await expect(loadModel(MODEL, { generationConfig: "no" } as never)).rejects.toMatchObject({ code: "OPTION_RANGE" });
  });
});
