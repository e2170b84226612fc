import { describe, expect, test } from "vitest";
import type { Checkpoint, MetadataValue, StoredTensor } from "../src/checkpoint/checkpoint.ts";
import { type ModelConfig, readConfig } from "../src/model/config/config.ts";
import { checkpoint, fault, folder, type Json } from "./configs.ts";

/** Shaped like Scout, with sizes that differ from each other; as transformers 5 writes it. */
const TEXT: Json = {
  ...{ architectures: ["Llama4ForCausalLM"], model_type: "llama4_text", vocab_size: 512, hidden_size: 64 },
  ...{ intermediate_size: 40, intermediate_size_mlp: 96, num_hidden_layers: 8, num_attention_heads: 8 },
  ...{ num_key_value_heads: 2, head_dim: 12, max_position_embeddings: 32768, rms_norm_eps: 1e-5 },
  rope_parameters: {
    ...{ rope_type: "llama3", rope_theta: 500000, factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
    original_max_position_embeddings: 64,
  },
  ...{ interleave_moe_layer_step: 2, moe_layers: [1, 3, 5, 7], num_local_experts: 4, num_experts_per_tok: 1 },
  ...{ no_rope_layers: [1, 1, 1, 0, 1, 1, 1, 0], attention_chunk_size: 16, use_qk_norm: true },
  ...{ attn_temperature_tuning: true, floor_scale: 8, attn_scale: 0.1, bos_token_id: 505, eos_token_id: 506 },
};

/** The same model as a GGUF file says it. */
const KEYS: Record<string, MetadataValue> = {
  "general.architecture": "llama4",
  "llama4.vocab_size": 512,
  "llama4.embedding_length": 64,
  "llama4.expert_feed_forward_length": 40,
  "llama4.feed_forward_length": 96,
  "llama4.block_count": 8,
  "llama4.attention.head_count": 8,
  "llama4.attention.head_count_kv": 2,
  "llama4.attention.key_length": 12,
  "llama4.attention.value_length": 12,
  "llama4.context_length": 32768,
  "llama4.attention.layer_norm_rms_epsilon": Math.fround(1e-5),
  "llama4.rope.freq_base": 500000,
  "llama4.rope.dimension_count": 12,
  "llama4.expert_count": 4,
  "llama4.expert_used_count": 1,
  "llama4.interleave_moe_layer_step": 2,
  "llama4.attention.chunk_size": 16,
  "llama4.use_qk_norm": true,
  "llama4.attention.temperature_length": 8,
  "llama4.attention.temperature_scale": Math.fround(0.1),
  "llama4.attention.nope_interval": 4,
  "tokenizer.ggml.bos_token_id": 505,
  "tokenizer.ggml.eos_token_id": 506,
};

const MIXED = [1, 3, 5, 7];

function gguf(changes: Record<string, MetadataValue | undefined> = {}, moe = MIXED): Checkpoint {
  const shapes: Record<string, number[]> = { "token_embd.weight": [512, 64], "output.weight": [512, 64] };
  for (const layer of moe) shapes[`blk.${layer}.ffn_gate_inp.weight`] = [4, 64];
  const pairs = Object.entries({ ...KEYS, ...changes }).filter(([, value]) => value !== undefined);
  return { ...checkpoint("gguf", shapes), metadata: new Map(pairs as [string, MetadataValue][]) };
}

function hf(changes: Json = {}): ModelConfig {
  return readConfig(folder({ ...TEXT, ...changes })).config;
}

function fromKeys(changes: Record<string, MetadataValue | undefined> = {}, moe = MIXED): ModelConfig {
  return readConfig(gguf(changes, moe)).config;
}

function without(...names: string[]): Json {
  return Object.fromEntries(Object.entries(TEXT).filter(([name]) => !names.includes(name)));
}

const flags = (config: ModelConfig, name: "rope" | "chunked" | "qkNorm" | "temperature" | "moe") =>
  config.layers.map((layer) => (layer[name] ? 1 : 0)).join("");

describe("one model, two formats", () => {
  test("GGUF and HF give equal configs, but for what GGUF keeps in a tensor", () => {
    expect({ ...hf(), ropeScaling: null }).toEqual(fromKeys());
  });

  test("numbers are rounded to f32", () => {
    const config = hf({ rope_parameters: { ...(TEXT["rope_parameters"] as Json), factor: 1.1, rope_theta: 10000.1 } });
    expect(config.normEps).toBe(Math.fround(1e-5));
    expect(config.temperatureScale).toBe(Math.fround(0.1));
    expect(config.ropeTheta).toBe(Math.fround(10000.1));
    expect(config.ropeScaling?.factor).toBe(Math.fround(1.1));
  });

  test("a model without mixtures has no experts, whatever the numbers say", () => {
    const config = hf({ moe_layers: [] });
    expect(config).toMatchObject({ experts: 0, expertsUsed: 0, sharedExpert: false });
    expect({ ...config, ropeScaling: null }).toEqual(fromKeys({}, []));
  });
});

describe("HF config.json", () => {
  test("text_config may be nested, and paths say so", () => {
    const { architectures: _, ...text } = TEXT;
    const nested = { architectures: ["Llama4ForConditionalGeneration"], model_type: "llama4", text_config: text };
    expect(readConfig(folder(nested)).config).toEqual(hf());
    const bad = { ...nested, text_config: { ...text, num_hidden_layers: 0 } };
    expect(fault(() => readConfig(folder(bad))).at?.field).toBe("/text_config/num_hidden_layers");
    const { text_config: __, ...empty } = nested;
    const missing = fault(() => readConfig(folder(empty)));
    expect([missing.code, missing.at?.field]).toEqual(["CONFIG_MISSING", "/text_config"]);
  });

  test("rope_scaling with `type` and rope_theta outside is rope_parameters", () => {
    const { rope_theta, rope_type, ...scaling } = TEXT["rope_parameters"] as Json;
    const old = { ...without("rope_parameters"), rope_theta, rope_scaling: { ...scaling, type: rope_type } };
    expect(readConfig(folder(old)).config).toEqual(hf());
  });

  test("moe_layers null derives from the step, [] means none, 0 steps means none", () => {
    expect(flags(hf({ moe_layers: null }), "moe")).toBe("01010101");
    expect(flags(hf({ moe_layers: null, interleave_moe_layer_step: 3 }), "moe")).toBe("00100100");
    expect(flags(hf({ moe_layers: [], interleave_moe_layer_step: 1 }), "moe")).toBe("00000000");
    expect(flags(hf({ moe_layers: null, interleave_moe_layer_step: 0 }), "moe")).toBe("00000000");
    expect(flags(hf({ moe_layers: [6, 0] }), "moe")).toBe("10000010");
  });

  test("no_rope_layers null and [] both derive from the interval; 1 means rope", () => {
    for (const none of [null, []]) expect(flags(hf({ no_rope_layers: none }), "rope")).toBe("11101110");
    expect(flags(hf({ no_rope_layers: [], no_rope_layer_interval: 3 }), "rope")).toBe("11011011");
    expect(flags(hf({ no_rope_layers: [0, 1, 1, 1, 1, 1, 1, 1] }), "rope")).toBe("01111111");
  });

  test("rope layers are chunked and normed, the others see all and have a temperature", () => {
    expect(flags(hf(), "chunked")).toBe("11101110");
    expect(flags(hf(), "qkNorm")).toBe("11101110");
    expect(flags(hf(), "temperature")).toBe("00010001");
    expect(flags(hf({ use_qk_norm: false }), "qkNorm")).toBe("00000000");
  });

  test("layer_types decides the mask only, and a null chunk beats it", () => {
    const types = ["full_attention", ...Array(7).fill("chunked_attention")];
    expect(flags(hf({ layer_types: types }), "chunked")).toBe("01111111");
    expect(flags(hf({ layer_types: types }), "rope")).toBe("11101110");
    expect(hf({ layer_types: types, attention_chunk_size: null })).toMatchObject({ chunk: 0 });
    expect(flags(hf({ attention_chunk_size: null }), "chunked")).toBe("00000000");
  });

  test("any truthy attn_temperature_tuning is on, absent is on; off gives a factor of exactly 1", () => {
    expect(hf({ attn_temperature_tuning: 4 })).toEqual(hf());
    expect(readConfig(folder(without("attn_temperature_tuning"))).config).toEqual(hf());
    for (const off of [false, 0, null]) {
      const config = hf({ attn_temperature_tuning: off, floor_scale: 0 });
      expect(flags(config, "temperature")).toBe("00000000");
      expect(config).toMatchObject({ temperatureFloor: 1, temperatureScale: 0 });
    }
  });

  test("absent optional fields have the defaults of Llama4TextConfig", () => {
    const names = ["rope_parameters", "no_rope_layers", "attention_chunk_size", "use_qk_norm", "floor_scale"];
    const rest = without(...names, "attn_scale", "moe_layers", "interleave_moe_layer_step", "num_experts_per_tok");
    const config = readConfig(folder(rest)).config;
    expect(config).toMatchObject({ chunk: 8192, ropeTheta: 500000, ropeScaling: null, temperatureFloor: 8192 });
    expect([flags(config, "moe"), flags(config, "rope"), flags(config, "qkNorm")]).toEqual([
      "11111111",
      "11101110",
      "11101110",
    ]);
  });

  test("head_dim and num_key_value_heads may be null", () => {
    expect(hf({ head_dim: null, num_key_value_heads: null })).toMatchObject({ headSize: 8, kvHeads: 8 });
  });

  test("Llama 4 routes by sigmoid beside a shared expert; our own fields say otherwise", () => {
    expect(hf()).toMatchObject({ router: "sigmoid", sharedExpert: true });
    expect(hf({ router: "softmax", shared_expert: false })).toMatchObject({ router: "softmax", sharedExpert: false });
  });

  test("the end ids of generation_config.json win, and one id is a list of one", () => {
    expect(hf().eos).toEqual([506]);
    expect(hf({ eos_token_id: [506, 510, 506] }).eos).toEqual([506, 510]);
    expect(readConfig(folder(TEXT, { eos_token_id: [1, 2] })).config.eos).toEqual([1, 2]);
    expect(readConfig(folder(TEXT, { eos_token_id: null })).config.eos).toEqual([506]);
    expect(readConfig(folder(without("eos_token_id"))).warnings.join()).toMatch(/eos_token_id/);
  });

  test("auto_map is named in a warning and not followed", () => {
    const { config, warnings } = readConfig(folder({ ...TEXT, auto_map: { AutoModel: "evil.Model" } }));
    expect(config).toEqual(hf());
    expect(warnings.join()).toMatch(/auto_map/);
  });
});

describe("GGUF keys", () => {
  const optional = [
    "llama4.attention.chunk_size",
    "llama4.use_qk_norm",
    "llama4.attention.temperature_length",
    "llama4.attention.temperature_scale",
    "llama4.attention.nope_interval",
  ];
  const bare = Object.fromEntries(optional.map((name) => [name, undefined]));

  test("without optional keys a file means what llama.cpp hard-wires", () => {
    const config = fromKeys(bare);
    expect(config).toMatchObject({ chunk: 8192, temperatureFloor: 8192, temperatureScale: Math.fround(0.1) });
    expect(flags(config, "rope")).toBe("11101110");
    expect(flags(config, "qkNorm")).toBe("11101110");
    expect(flags(fromKeys({ ...bare, "llama4.expert_count": 128 }), "qkNorm")).toBe("00000000");
    expect(flags(fromKeys({ "llama4.expert_count": 128 }), "qkNorm")).toBe("11101110");
  });

  test("0 turns chunks and temperature off", () => {
    const config = fromKeys({ "llama4.attention.chunk_size": 0, "llama4.attention.temperature_length": 0 });
    expect(config).toMatchObject({ chunk: 0, temperatureFloor: 1, temperatureScale: 0 });
    expect(flags(config, "chunked") + flags(config, "temperature")).toBe("0".repeat(16));
  });

  test("sliding_window 0 means full attention and rope everywhere, other windows mean nothing", () => {
    const config = fromKeys({ ...bare, "llama4.attention.sliding_window": 0 });
    expect(flags(config, "rope") + flags(config, "chunked")).toBe("1111111100000000");
    expect(fromKeys({ "llama4.attention.sliding_window": 99 })).toEqual(fromKeys());
  });

  test("sliding_window_pattern decides the mask only", () => {
    const config = fromKeys({ "llama4.attention.sliding_window_pattern": 2 });
    expect([flags(config, "chunked"), flags(config, "rope")]).toEqual(["10101010", "11101110"]);
    const listed = fromKeys({ "llama4.attention.sliding_window_pattern": Array(7).fill(true).concat(false) });
    expect(flags(listed, "chunked")).toBe("11111110");
  });

  test("any integer width is read, head counts per layer if they are all equal", () => {
    const heads = { "llama4.attention.head_count": new Int32Array(8).fill(8) };
    expect(fromKeys({ "llama4.block_count": 8n, "llama4.expert_count": 4n, ...heads })).toEqual(fromKeys());
    const mixed = { "llama4.attention.head_count_kv": Int32Array.of(2, 2, 2, 2, 2, 2, 2, 4) };
    expect(fault(() => fromKeys(mixed)).code).toBe("CONFIG_HEADS");
    expect(fault(() => fromKeys({ "llama4.attention.head_count_kv": new Int32Array(3) })).code).toBe("CONFIG_LAYERS");
  });

  test("a layer is a mixture where it has a router; expert_count 0 or absent is fine without one", () => {
    expect(flags(fromKeys({}, [0, 7]), "moe")).toBe("10000001");
    expect(fromKeys({ "llama4.expert_count": 0 }, [])).toEqual(fromKeys({ "llama4.expert_count": undefined }, []));
    expect(fault(() => fromKeys({ "llama4.expert_count": 0 })).code).toBe("CONFIG_MOE");
  });

  test("every end id counts once; the embedding is tied where there is no output", () => {
    const ends = { "tokenizer.ggml.eot_token_id": 510, "tokenizer.ggml.eom_token_id": 506 };
    expect(fromKeys(ends).eos).toEqual([506, 510]);
    const file = gguf();
    (file.tensors as Map<string, StoredTensor>).delete("output.weight");
    expect([fromKeys().tiedEmbeddings, readConfig(file).config.tiedEmbeddings]).toEqual([false, true]);
  });

  test("a weight of a type that cannot be read is there: neither tied nor dense for it", () => {
    const file = gguf();
    const stored = file.tensors as Map<string, StoredTensor>;
    const odd = [...stored.keys()].filter((name) => name === "output.weight" || name.endsWith("ffn_gate_inp.weight"));
    expect(odd.length).toBeGreaterThan(1);
    for (const name of odd) stored.delete(name);
    const unread = new Map(odd.map((name) => [name, "IQ2_S"]));
    expect(readConfig({ ...file, unread }).config).toEqual(fromKeys());
  });

  test("an absent vocab_size is the number of tokens", () => {
    const tokens = Array.from({ length: 512 }, (_, id) => `t${id}`);
    expect(fromKeys({ "llama4.vocab_size": undefined, "tokenizer.ggml.tokens": tokens }).vocab).toBe(512);
  });

  const refused: Record<string, Record<string, (MetadataValue | undefined)[]>> = {
    GGUF_ARCH: { "general.architecture": [undefined, 4, "qwen3"] },
    CONFIG_MISSING: {
      "llama4.block_count": [undefined],
      "llama4.rope.freq_base": [undefined],
      "llama4.attention.layer_norm_rms_epsilon": [undefined],
    },
    CONFIG_RANGE: {
      "llama4.block_count": [2 ** 32 - 1, 2n ** 63n],
      "llama4.attention.nope_interval": [0],
      "llama4.attention.sliding_window_pattern": [-1],
      "llama4.use_qk_norm": ["yes"],
    },
    CONFIG_LAYERS: { "llama4.attention.sliding_window_pattern": [[true]] },
    CONFIG_HEADS: { "llama4.attention.value_length": [16], "llama4.attention.key_length": [7] },
    CONFIG_ROPE: { "llama4.rope.dimension_count": [6], "llama4.rope.scaling.type": ["yarn"] },
    CONFIG_MOE: { "llama4.expert_used_count": [5] },
    CONFIG_TOKEN_ID: { "tokenizer.ggml.eot_token_id": [512] },
  };
  const rows = Object.entries(refused).flatMap(([code, keys]) =>
    Object.entries(keys).flatMap(([name, values]) => values.map((value) => [code, name, value] as const)),
  );

  test.each(rows)("%s for %s = %s names the key", (code, name, value) => {
    const error = fault(() => fromKeys({ [name]: value }));
    expect([error.code, error.at?.source, error.at?.field]).toEqual([code, "gguf", name]);
  });
});

describe("hostile configurations", () => {
  const rope = TEXT["rope_parameters"] as Json;
  /** Code -> field -> values that it refuses; `rope.x` is a field of `rope_parameters`. */
  const refused: Record<string, Record<string, unknown[]>> = {
    CONFIG_ARCH: {
      model_type: ["qwen3", undefined, ["llama4_text"]],
      architectures: [undefined, [], ["LlamaForCausalLM"], "llama4"],
    },
    CONFIG_MISSING: { hidden_size: [undefined], num_local_experts: [null], "rope.factor": [null] },
    CONFIG_RANGE: {
      num_hidden_layers: [0, -1, 1.5, 513, 1e9, "48", true, [8]],
      rms_norm_eps: [0, -1e-5, 1e-60, Number.POSITIVE_INFINITY, "nan"],
      ...{ attention_chunk_size: [0], floor_scale: [0], attn_scale: [0], use_qk_norm: ["yes"] },
      ...{ interleave_moe_layer_step: [-1], no_rope_layer_interval: [0], max_position_embeddings: [0, 1.5] },
    },
    CONFIG_HEADS: { num_attention_heads: [0], num_key_value_heads: [3, 16], head_dim: [13, 0] },
    CONFIG_MOE: { num_local_experts: [0, 1e6], num_experts_per_tok: [0, 5], router: ["top"] },
    CONFIG_LAYERS: {
      moe_layers: [[1, 3, 1], 1],
      "moe_layers/1": [[1, 8]],
      no_rope_layers: [[1, 1]],
      "no_rope_layers/0": [Array(8).fill(2)],
      layer_types: [["full_attention"]],
      "layer_types/0": [Array(8).fill("sliding_attention")],
    },
    CONFIG_ROPE: {
      "rope.rope_theta": [0, -1, 1e39],
      "rope.rope_type": ["yarn"],
      "rope.factor": [0],
      "rope.high_freq_factor": [0.5],
      "rope.original_max_position_embeddings": [0],
      "rope.full_attention": [{}],
    },
    CONFIG_TOKEN_ID: {
      bos_token_id: [512, "1"],
      "eos_token_id/1": [[1, -2]],
      eos_token_id: [512, Array(5000).fill(1)],
    },
    CONFIG_QUANT: { quantization_config: ["fp8"] },
    CONFIG_UNSUPPORTED: { attention_bias: [true], hidden_act: ["gelu"] },
    MODEL_TOO_LARGE: { hidden_size: [2 ** 31] },
  };
  const rows = Object.entries(refused).flatMap(([code, fields]) =>
    Object.entries(fields).flatMap(([field, values]) => values.map((value) => [code, field, value] as const)),
  );

  test.each(rows)("%s for %s = %j names the field", (code, field, value) => {
    const name = field.replace(/\/\d+$/, "");
    // Derived layers, so that the fields they are derived from count.
    const derived = { moe_layers: null, no_rope_layers: null };
    const inner = { rope_parameters: { ...rope, [name.replace("rope.", "")]: value } };
    const error = fault(() => hf({ ...derived, ...(name.startsWith("rope.") ? inner : { [name]: value }) }));
    expect([error.code, error.at?.field]).toEqual([code, `/${field.replace("rope.", "rope_parameters/")}`]);
  });

  test("a head size that is derived and no integer is CONFIG_HEADS, a dense width that is needed CONFIG_MISSING", () => {
    expect(fault(() => hf({ head_dim: null, num_attention_heads: 6 })).code).toBe("CONFIG_HEADS");
    expect(fault(() => hf({ intermediate_size_mlp: null })).code).toBe("CONFIG_MISSING");
    const old = { rope_parameters: null, rope_scaling: { type: "yarn" } };
    expect(fault(() => hf(old)).at?.field).toBe("/rope_scaling/type");
  });

  test("a config.json that is no object, or not there, is CONFIG_MISSING", () => {
    for (const config of [undefined, null, [], "llama4"]) {
      expect(fault(() => readConfig(folder(config))).code).toBe("CONFIG_MISSING");
    }
  });

  test("limits and findings are in the error", () => {
    const error = fault(() => hf({ num_hidden_layers: 513 }));
    expect([error.limit, error.actual]).toEqual(["an integer in 1..512", 513]);
    expect(error.message).toMatch(/CONFIG_RANGE.*got 513, expected an integer in 1\.\.512.*\/num_hidden_layers/);
  });

  test("vocabulary, embedding rows and tokens are told apart, and fewer tokens are only a warning", () => {
    const tokens = (count: number) => Array.from({ length: count }, () => "x");
    const error = fault(() => fromKeys({ "tokenizer.ggml.tokens": tokens(600) }));
    expect([error.code, error.actual]).toEqual(["CONFIG_VOCAB", 600]);
    expect(readConfig(gguf({ "tokenizer.ggml.tokens": tokens(500) })).warnings.join()).toMatch(/500 tokens/);
  });

  test("the embedding's rows count, whatever vocab_size says", () => {
    for (const vocab_size of [511, 513, null, "x"]) {
      const { config, warnings } = readConfig(folder({ ...TEXT, vocab_size }));
      expect([config.vocab, warnings.join()]).toEqual([512, expect.stringMatching(/vocab_size/)]);
    }
    expect(readConfig(folder(TEXT)).warnings).toEqual([]);
  });

  test("ids of -1, also without its sign, are none", () => {
    for (const none of [-1, 2 ** 32 - 1]) {
      const { config } = readConfig(folder({ ...TEXT, bos_token_id: none, eos_token_id: [none, 506] }));
      expect([config.bos, config.eos]).toEqual([null, [506]]);
    }
  });
});
