/**
 * vision-v: a tiny multimodal Llama 4 with random weights, and every intermediate tensor of three prompts by transformers. As the folder
 * that it was, and as a GGUF file of the text with its mmproj file.
 */
import { join } from "node:path";
import { materialise, once } from "./golden-files.ts";
import { readPack } from "./golden-pack.ts";
import { type Tensor, type Tensors, writeSafetensors } from "./layouts.ts";
import * as gguf from "./write-gguf.ts";

export const PROMPTS = ["one", "two", "grid"] as const;

export interface VisionPrompt {
  readonly ids: readonly number[];
  readonly pixelValues: Tensor;
  /** All but the pixels, `logits` last. */
  readonly taps: ReadonlyMap<string, Tensor>;
  /** Greedy ids behind the prompt. */
  readonly greedy: readonly number[];
}

const pack = once(() => readPack("vision-v"));

export const visionPrompt = (prompt: (typeof PROMPTS)[number]): VisionPrompt => {
  const { header, tensor, ids } = pack();
  const prefix = `${prompt}/`;
  const names = Object.keys(header.tensors).filter((name) => name.startsWith(prefix));
  const taps = names
    .map((name) => name.slice(prefix.length))
    .filter((name) => name !== "input_ids" && name !== "pixel_values")
    .sort((a, b) => Number(a === "logits") - Number(b === "logits"));
  return {
    ids: ids(`${prefix}input_ids`),
    pixelValues: tensor(`${prefix}pixel_values`),
    taps: new Map(taps.map((tap) => [tap, tensor(prefix + tap)])),
    greedy: JSON.parse(header.texts["generate.json"])[prompt].greedy,
  };
};

/** By their released names. */
export const visionTensors = once((): Tensors => {
  const { header, tensor } = pack();
  const names = Object.keys(header.tensors).filter((name) => name.startsWith("model/"));
  return new Map(names.map((name) => [name.slice("model/".length), tensor(name)]));
});

/** The folder that transformers read. */
export const visionFolder = once((): string => {
  const { texts } = pack().header;
  return materialise("vision-v/hf", [
    ["config.json", texts["config.json"]],
    ["generation_config.json", texts["generation_config.json"]],
    ["model.safetensors", writeSafetensors(visionTensors())],
  ]);
});

/** The text, and its tower beside it or in a folder of its own. */
export const visionFiles = once((): { text: string; tower: string } => {
  const { texts } = pack().header;
  const { text_config: text, vision_config, image_token_index: patch } = JSON.parse(texts["config.json"]);
  const folder = materialise("vision-v/gguf", [
    ["model.gguf", Buffer.from(textFile(visionTensors(), text))],
    ["tower/mmproj-model.gguf", Buffer.from(towerFile(visionTensors(), { ...vision_config, patch }))],
  ]);
  return { text: join(folder, "model.gguf"), tower: join(folder, "tower/mmproj-model.gguf") };
});

const { u32, f32, bool } = gguf.VALUE_TYPES;
const u32Pair = (key: string, value: number) => gguf.pair(key, u32, gguf.u32(value));
const f32Pair = (key: string, value: number) => gguf.pair(key, f32, gguf.f32(value));
const boolPair = (key: string, value: boolean) => gguf.pair(key, bool, Uint8Array.of(Number(value)));

const file = (pairs: Uint8Array[], tensors: Iterable<readonly [string, Tensor]>): Uint8Array =>
  gguf.writeGguf({
    pairs,
    tensors: [...tensors].map(([name, { shape, data }]) => ({
      name,
      ne: [...shape].reverse(),
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
  });

function textFile(tensors: Tensors, config: Record<string, never>): Uint8Array {
  const flags = (config["layer_types"] as string[]).map((type) => Number(type === "chunked_attention"));
  const pattern = gguf.array(bool, flags.length, Uint8Array.from(flags));
  const sizes = {
    vocab_size: "vocab_size",
    block_count: "num_hidden_layers",
    context_length: "max_position_embeddings",
    embedding_length: "hidden_size",
    feed_forward_length: "intermediate_size_mlp",
    expert_feed_forward_length: "intermediate_size",
    expert_count: "num_local_experts",
    expert_used_count: "num_experts_per_tok",
    interleave_moe_layer_step: "interleave_moe_layer_step",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.value_length": "head_dim",
    "rope.dimension_count": "head_dim",
    "attention.chunk_size": "attention_chunk_size",
    "attention.temperature_length": "floor_scale",
  };
  const pairs = [
    gguf.textPair("general.architecture", "llama4"),
    ...Object.entries(sizes).map(([key, name]) => u32Pair(`llama4.${key}`, config[name])),
    f32Pair("llama4.attention.layer_norm_rms_epsilon", 1e-5),
    f32Pair("llama4.rope.freq_base", config["rope_parameters"]["rope_theta"]),
    f32Pair("llama4.attention.temperature_scale", 0.1),
    boolPair("llama4.use_qk_norm", true),
    gguf.pair("llama4.attention.sliding_window_pattern", gguf.VALUE_TYPES.array, pattern),
    u32Pair("tokenizer.ggml.bos_token_id", 505),
    u32Pair("tokenizer.ggml.eos_token_id", 506),
  ];
  return file(pairs, [...textTensors(tensors), ["rope_freqs.weight", ropeDivisors(config)]]);
}

const TEXT_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^lm_head\./, "output."],
  [/^model\.embed_tokens\./, "token_embd."],
  [/^model\.norm\./, "output_norm."],
  [/^model\.layers\.(\d+)\./, "blk.$1."],
  [/input_layernorm/, "attn_norm"],
  [/self_attn\.o_proj/, "attn_output"],
  [/self_attn\.(.)_proj/, "attn_$1"],
  [/post_attention_layernorm/, "ffn_norm"],
  [/feed_forward\.router/, "ffn_gate_inp"],
  [/feed_forward\.shared_expert\.(gate|up|down)_proj/, "ffn_$1_shexp"],
  [/feed_forward\.(gate|up|down)_proj/, "ffn_$1"],
];

function* textTensors(tensors: Tensors): Generator<readonly [string, Tensor]> {
  for (const [name, tensor] of tensors) {
    if (!name.startsWith("language_model.")) continue;
    const plain = name.slice("language_model.".length);
    const layer = /layers\.(\d+)\./.exec(plain)?.[1];
    if (plain.endsWith("experts.down_proj")) yield [`blk.${layer}.ffn_down_exps.weight`, turned(tensor, 0, 1)];
    else if (plain.endsWith("experts.gate_up_proj")) {
      yield [`blk.${layer}.ffn_gate_exps.weight`, turned(tensor, 0, 2)];
      yield [`blk.${layer}.ffn_up_exps.weight`, turned(tensor, 1, 2)];
    } else yield [TEXT_NAMES.reduce((to, [from, into]) => to.replace(from, into), plain), tensor];
  }
}

/** [experts, in, parts x out] -> part `part` as [experts, out, in]. */
function turned({ shape: [experts, inputs, all], data }: Tensor, part: number, parts: number): Tensor {
  const outputs = all / parts;
  const to = new Float32Array(experts * outputs * inputs);
  for (let i = 0; i < to.length; i++) {
    const [expert, output, input] = [Math.floor(i / inputs / outputs), Math.floor(i / inputs) % outputs, i % inputs];
    to[i] = data[(expert * inputs + input) * all + part * outputs + output];
  }
  return { shape: [experts, outputs, inputs], data: to };
}

/** low = high: long wavelengths are divided by the factor, the others are not. */
function ropeDivisors(config: Record<string, never>): Tensor {
  const { factor, original_max_position_embeddings: original, rope_theta: theta } = config["rope_parameters"];
  const pairs = config["head_dim"] / 2;
  const wavelength = (pair: number) => 2 * Math.PI * (theta as number) ** (pair / pairs);
  const data = Float32Array.from({ length: pairs }, (_, pair) => (wavelength(pair) < original ? 1 : factor));
  return { shape: [pairs], data };
}

const TOWER_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^vision_model\.patch_embedding\.linear/, "v.patch_embd"],
  [/^vision_model\.class_embedding/, "v.class_embd"],
  [/^vision_model\.positional_embedding_vlm/, "v.position_embd.weight"],
  [/^vision_model\.layernorm_(pre|post)/, "v.$1_ln"],
  [/^vision_model\.model\.layers\.(\d+)\./, "v.blk.$1."],
  [/^vision_model\.vision_adapter\.mlp\.fc(\d)/, "mm.model.mlp.$1"],
  [/^multi_modal_projector\.linear_1/, "mm.model.fc"],
  [/input_layernorm/, "ln1"],
  [/post_attention_layernorm/, "ln2"],
  [/self_attn\.o_proj/, "attn_out"],
  [/self_attn\.(.)_proj/, "attn_$1"],
  [/mlp\.fc1/, "ffn_up"],
  [/mlp\.fc2/, "ffn_down"],
];

function towerFile(tensors: Tensors, config: Record<string, never>): Uint8Array {
  const pairs = [
    gguf.textPair("general.architecture", "clip"),
    gguf.textPair("clip.projector_type", "llama4"),
    boolPair("clip.has_vision_encoder", true),
    boolPair("clip.use_gelu", true),
    u32Pair("clip.vision.image_size", config["image_size"]),
    u32Pair("clip.vision.patch_size", config["patch_size"]),
    u32Pair("clip.vision.embedding_length", config["hidden_size"]),
    u32Pair("clip.vision.feed_forward_length", config["intermediate_size"]),
    u32Pair("clip.vision.block_count", config["num_hidden_layers"]),
    u32Pair("clip.vision.attention.head_count", config["num_attention_heads"]),
    f32Pair("clip.vision.attention.layer_norm_epsilon", 1e-5),
    u32Pair("clip.vision.projector.scale_factor", 2),
    u32Pair("clip.vision.patch_token_id", config["patch"]),
  ];
  const named = [...tensors]
    .filter(([name]) => !name.startsWith("language_model."))
    .map(([name, tensor]) => [TOWER_NAMES.reduce((to, [from, into]) => to.replace(from, into), name), tensor] as const);
  return file(pairs, named);
}
