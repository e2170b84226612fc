import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { EngineError } from "../src/error.ts";
import { readConfig } from "../src/model/config/config.ts";
import { ropeDivisors } from "../src/model/config/rope.ts";
import { checkpoint, fault, folder, type Json } from "./configs.ts";

/** Llama 3.1 in small, and Mixtral, in both formats. */
const LLAMA: Json = {
  ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", vocab_size: 512, hidden_size: 64 },
  ...{ intermediate_size: 176, num_hidden_layers: 4, num_attention_heads: 8, num_key_value_heads: 2 },
  ...{ max_position_embeddings: 4096, rms_norm_eps: 1e-5, rope_theta: 500000, tie_word_embeddings: true },
  rope_scaling: { type: "linear", factor: 2 },
  ...{ bos_token_id: 505, eos_token_id: 506 },
};
const LLAMA_KEYS: Record<string, MetadataValue> = {
  "general.architecture": "llama",
  "llama.vocab_size": 512,
  "llama.embedding_length": 64,
  "llama.feed_forward_length": 176,
  "llama.block_count": 4,
  "llama.attention.head_count": 8,
  "llama.attention.head_count_kv": 2,
  "llama.context_length": 4096,
  "llama.attention.layer_norm_rms_epsilon": Math.fround(1e-5),
  "llama.rope.freq_base": 500000,
  "llama.rope.dimension_count": 8,
  "llama.rope.scaling.type": "linear",
  "llama.rope.scaling.factor": 2,
  "tokenizer.ggml.bos_token_id": 505,
  "tokenizer.ggml.eos_token_id": 506,
};
const MIXTRAL: Json = {
  ...{ ...LLAMA, architectures: ["MixtralForCausalLM"], model_type: "mixtral", num_local_experts: 4 },
  ...{ num_experts_per_tok: 2, sliding_window: null },
};
const MIXTRAL_KEYS = { ...LLAMA_KEYS, "llama.expert_count": 4, "llama.expert_used_count": 2 };

const llama = (changes: Json = {}, base = LLAMA) => readConfig(folder({ ...base, ...changes })).config;

function fromLlamaKeys(
  changes: Record<string, MetadataValue | undefined> = {},
  base = LLAMA_KEYS,
  names: string[] = [],
) {
  const shapes = Object.fromEntries([...names, "token_embd.weight"].map((name) => [name, [512, 64]]));
  const pairs = Object.entries({ ...base, ...changes }).filter(([, value]) => value !== undefined);
  const metadata = new Map(pairs as [string, MetadataValue][]);
  return readConfig({ ...checkpoint("gguf", shapes), metadata }).config;
}

describe("Llama and Mixtral", () => {
  const without = (base: Json, ...names: string[]) =>
    Object.fromEntries(Object.entries(base).filter(([name]) => !names.includes(name)));

  test("are the same in both formats", () => {
    expect(llama()).toEqual(fromLlamaKeys());
    expect(llama({}, MIXTRAL)).toEqual(fromLlamaKeys({}, MIXTRAL_KEYS));
  });

  test("have nothing of Llama 4: rope and full attention everywhere, no norm of q and k, no temperature", () => {
    const plain = { rope: true, chunked: false, qkNorm: false, temperature: false };
    expect(llama()).toMatchObject({ architecture: "llama", headSize: 8, denseWidth: 176, experts: 0, chunk: 0 });
    expect(llama().layers).toEqual(Array(4).fill({ ...plain, moe: false }));
    const mixtral = llama({}, MIXTRAL);
    expect(mixtral).toMatchObject({ architecture: "mixtral", expertWidth: 176, experts: 4, expertsUsed: 2 });
    expect(mixtral).toMatchObject({ router: "softmax", sharedExpert: false, temperatureScale: 0 });
    expect(mixtral.layers).toEqual(Array(4).fill({ ...plain, moe: true }));
  });

  test("a file's Llama 4 keys mean nothing to them", () => {
    const foreign = { use_qk_norm: true, moe_layers: [0], no_rope_layers: [0, 0, 0, 0], router: "sigmoid" };
    const more = { ...foreign, shared_expert: true, attention_chunk_size: 8, attn_temperature_tuning: true };
    expect(llama(more)).toEqual(llama());
    expect(llama(more, MIXTRAL)).toEqual(llama({}, MIXTRAL));
  });

  test("absent fields have the defaults of their classes", () => {
    const optional = ["max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "tie_word_embeddings"];
    const bare = (base: Json) => llama({}, without(base, ...optional, "num_key_value_heads", "sliding_window"));
    const eps = (value: number) => Math.fround(value);
    const common = { ropeScaling: null, tiedEmbeddings: false };
    const rope = { ropeTheta: 10000, normEps: eps(1e-6) };
    expect(bare(LLAMA)).toMatchObject({ ...common, ...rope, context: 2048, kvHeads: 8 });
    const ofMixtral = { ...common, context: 131072, ropeTheta: 1e6, normEps: eps(1e-5), kvHeads: 8 };
    expect(bare({ ...MIXTRAL, num_attention_heads: 16 })).toMatchObject(ofMixtral);
    expect(llama({ num_key_value_heads: null, num_attention_heads: 16 }, MIXTRAL).kvHeads).toBe(16);
    const few = without(MIXTRAL, "num_local_experts", "num_experts_per_tok");
    expect(llama({}, few)).toMatchObject({ experts: 8, expertsUsed: 2 });
  });

  test("Mistral is Llama where its window, 4096 if absent, is no shorter than the context", () => {
    const mistral = { ...LLAMA, architectures: ["MistralForCausalLM"], model_type: "mistral" };
    expect(llama({}, mistral)).toEqual(llama());
    expect(llama({ sliding_window: null, max_position_embeddings: 32768 }, mistral).context).toBe(32768);
    const error = fault(() => llama({ max_position_embeddings: 32768 }, mistral));
    expect([error.code, error.at?.field, error.actual]).toEqual(["CONFIG_UNSUPPORTED", "/sliding_window", 4096]);
  });

  test("rope_parameters, rope_scaling and GGUF say linear and llama3 scaling; a factor alone is linear", () => {
    expect(llama().ropeScaling).toEqual({ type: "linear", factor: 2 });
    expect([...ropeDivisors(llama())!]).toEqual([2, 2, 2, 2]);
    const v5 = { rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 500000 } };
    expect(llama({ ...v5, rope_theta: 1, rope_scaling: null })).toEqual(llama());
    const scaling = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const llama3 = { ...scaling, original_max_position_embeddings: 8192 };
    expect(llama({ rope_scaling: llama3 }).ropeScaling).toMatchObject({ type: "llama3", originalContext: 8192 });
    const [type, factor, old] = ["type", "factor"]
      .map((name) => `llama.rope.scaling.${name}`)
      .concat("llama.rope.scale_linear");
    expect(fromLlamaKeys({ [type!]: undefined })).toEqual(llama());
    expect(fromLlamaKeys({ [type!]: undefined, [factor!]: undefined, [old!]: 2 })).toEqual(llama());
    expect(fromLlamaKeys({ [type!]: "none" }).ropeScaling).toBeNull();
    expect(fromLlamaKeys({ [type!]: undefined, [factor!]: undefined }).ropeScaling).toBeNull();
  });

  test("GGUF: theta is 10000 if absent, expert_count 0 is no Mixtral, key_length is the head size, biases are where their tensors are", () => {
    expect(fromLlamaKeys({ "llama.rope.freq_base": undefined }).ropeTheta).toBe(10000);
    expect(fromLlamaKeys({ "llama.expert_count": 0 })).toEqual(llama());
    const wide = {
      "llama.attention.key_length": 16,
      "llama.attention.value_length": 16,
      "llama.rope.dimension_count": 16,
    };
    expect(fromLlamaKeys(wide)).toEqual(llama({ head_dim: 16 }));
    expect(fromLlamaKeys({ "llama.attention.head_count_kv": undefined }).kvHeads).toBe(8);
    const biases = (...names: string[]) => fromLlamaKeys({}, LLAMA_KEYS, names);
    expect(biases("blk.3.attn_output.bias")).toEqual(llama({ attention_bias: true }));
    expect(biases("blk.0.ffn_up.bias")).toEqual(llama({ mlp_bias: true }));
    const mixtral = fromLlamaKeys({}, MIXTRAL_KEYS, ["blk.0.attn_q.bias"]);
    expect(mixtral.attentionBias).toBe(false);
  });

  test.each<[string, string, Json, Json?]>([
    ["CONFIG_ARCH", "/architectures", { architectures: ["Llama4ForCausalLM"] }],
    ["CONFIG_ARCH", "/architectures", { architectures: ["LlamaForCausalLM"] }, MIXTRAL],
    ["CONFIG_MISSING", "/intermediate_size", { intermediate_size: null }],
    ["CONFIG_MISSING", "/intermediate_size", { intermediate_size: undefined }, MIXTRAL],
    ["CONFIG_RANGE", "/num_hidden_layers", { num_hidden_layers: 513 }],
    ["CONFIG_RANGE", "/rms_norm_eps", { rms_norm_eps: 0 }],
    ["CONFIG_RANGE", "/max_position_embeddings", { max_position_embeddings: 0 }],
    ["CONFIG_RANGE", "/attention_bias", { attention_bias: 1 }],
    ["CONFIG_HEADS", "/head_dim", { head_dim: 7 }],
    ["CONFIG_HEADS", "/num_key_value_heads", { num_key_value_heads: 3 }],
    ["CONFIG_MOE", "/num_local_experts", { num_local_experts: 0 }, MIXTRAL],
    ["CONFIG_MOE", "/num_local_experts", { num_local_experts: 1e6 }, MIXTRAL],
    ["CONFIG_MOE", "/num_experts_per_tok", { num_experts_per_tok: 5 }, MIXTRAL],
    ["CONFIG_MOE", "/num_experts_per_tok", { num_local_experts: 1, num_experts_per_tok: undefined }, MIXTRAL],
    ["CONFIG_HEADS", "/num_key_value_heads", { num_attention_heads: 4, num_key_value_heads: undefined }, MIXTRAL],
    ["CONFIG_ROPE", "/rope_theta", { rope_theta: 0 }],
    ["CONFIG_ROPE", "/rope_scaling/type", { rope_scaling: { type: "dynamic", factor: 2 } }],
    ["CONFIG_ROPE", "/rope_scaling/factor", { rope_scaling: { type: "linear", factor: 0 } }],
    ["CONFIG_ROPE", "/rope_parameters/partial_rotary_factor", { rope_parameters: { partial_rotary_factor: 0.5 } }],
    ["CONFIG_MISSING", "/rope_scaling/factor", { rope_scaling: { type: "linear" } }],
    ["CONFIG_TOKEN_ID", "/eos_token_id", { eos_token_id: 512 }],
    ["CONFIG_QUANT", "/quantization_config/quant_method", { quantization_config: { quant_method: "gptq" } }],
    ["CONFIG_UNSUPPORTED", "/hidden_act", { hidden_act: "gelu" }],
    ["CONFIG_UNSUPPORTED", "/attention_bias", { attention_bias: true }, MIXTRAL],
    ["CONFIG_UNSUPPORTED", "/sliding_window", { sliding_window: 4095 }, MIXTRAL],
    ["CONFIG_UNSUPPORTED", "/sliding_window", { sliding_window: "4096" }, MIXTRAL],
    ["MODEL_TOO_LARGE", "/hidden_size", { hidden_size: 2 ** 31 }],
  ])("%s at %s for %j", (code, field, changes, base) => {
    const error = fault(() => llama(changes, base));
    expect([error.code, error.at?.source, error.at?.field]).toEqual([code, "config", field]);
  });

  test.each<[string, string, Record<string, MetadataValue | undefined>, Record<string, MetadataValue>?]>([
    ["CONFIG_MISSING", "llama.context_length", { "llama.context_length": undefined }],
    [
      "CONFIG_MISSING",
      "llama.attention.layer_norm_rms_epsilon",
      { "llama.attention.layer_norm_rms_epsilon": undefined },
    ],
    ["CONFIG_MISSING", "llama.feed_forward_length", { "llama.feed_forward_length": undefined }],
    ["CONFIG_MISSING", "llama.expert_used_count", { "llama.expert_used_count": undefined }, MIXTRAL_KEYS],
    ["CONFIG_MOE", "llama.expert_count", { "llama.expert_count": -1 }, MIXTRAL_KEYS],
    ["CONFIG_MOE", "llama.expert_count", { "llama.expert_count": "4" }, MIXTRAL_KEYS],
    ["CONFIG_HEADS", "llama.attention.value_length", { "llama.attention.value_length": 16 }],
    ["CONFIG_ROPE", "llama.rope.dimension_count", { "llama.rope.dimension_count": 4 }],
    ["CONFIG_ROPE", "llama.rope.scaling.type", { "llama.rope.scaling.type": "yarn" }],
    ["CONFIG_ROPE", "llama.rope.scaling.factor", { "llama.rope.scaling.factor": undefined }],
    ["CONFIG_ROPE", "llama.rope.scaling.factor", { "llama.rope.scaling.factor": 0 }],
    ["CONFIG_ROPE", "llama.rope.scaling.attn_factor", { "llama.rope.scaling.attn_factor": 2 }],
    ["CONFIG_UNSUPPORTED", "llama.attention.causal", { "llama.attention.causal": false }],
    ["CONFIG_UNSUPPORTED", "llama.attention.sliding_window", { "llama.attention.sliding_window": 1024 }],
  ])("%s at %s for a GGUF file with %j", (code, field, changes, base) => {
    const error = fault(() => fromLlamaKeys(changes, base));
    expect([error.code, error.at?.source, error.at?.field]).toEqual([code, "gguf", field]);
  });

  const fields = [
    ...Object.keys(MIXTRAL),
    "head_dim",
    "attention_bias",
    "mlp_bias",
    "rope_parameters",
    "sliding_window",
  ];
  const values = fc.oneof(
    fc.jsonValue(),
    fc.integer(),
    fc.constantFrom(0, -1, 2 ** 31, 2 ** 53, Number.NaN, undefined),
  );
  const mutation = fc.dictionary(fc.constantFrom(...fields), values, { maxKeys: 3 });

  test("whatever stands in config.json or a GGUF key ends in a config or a typed error", () => {
    fc.assert(
      fc.property(mutation, fc.constantFrom(LLAMA, MIXTRAL), (changes, base) => {
        expectTyped(() => llama(changes, base));
      }),
      { numRuns: 3000 },
    );
    const keys = Object.keys(MIXTRAL_KEYS).concat("llama.attention.key_length", "llama.rope.scale_linear");
    const numbers = [fc.integer(), fc.double(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })];
    const lists = fc.constantFrom<MetadataValue>(Int32Array.of(2, 2, 2, 2), new Float32Array(3), ["a"], []);
    const key = fc.oneof(...numbers, fc.boolean(), fc.string(), lists);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), key, { maxKeys: 3 }), (changes) => {
        expectTyped(() => fromLlamaKeys(changes as Record<string, MetadataValue>, MIXTRAL_KEYS));
      }),
      { numRuns: 3000 },
    );
  });

  function expectTyped(run: () => unknown): void {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(EngineError);
    }
  }
});
