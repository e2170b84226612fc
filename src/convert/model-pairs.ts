import type { WrittenValue } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { architectureOf, type Part } from "../model/config/architectures.ts";
import type { ModelConfig } from "../model/config/config.ts";
import { ropeDivisors } from "../model/config/rope.ts";
import type { FeedForward, Matrix, ModelWeights, Vector } from "../model/plan/weights.ts";
import { u32Pairs } from "./gguf-writer.ts";

/** A model from another kind of file as a GGUF file says it: hyper-parameters as pairs, weights under their names there. */

/** What `config-gguf.ts` reads back as this very configuration. */
export function configPairs(config: ModelConfig, name: string): [string, WrittenValue][] {
  const { gguf } = architectureOf(config.architecture);
  const pairs: [string, WrittenValue][] = [
    ["general.architecture", { text: gguf }],
    ["general.type", { text: "model" }],
    ["general.name", { text: name }],
  ];
  const u32 = (key: string, value: number) => pairs.push([`${gguf}.${key}`, { u32: value }]);
  const f32 = (key: string, value: number) => pairs.push([`${gguf}.${key}`, { f32: value }]);
  const sizes = {
    vocab_size: config.vocab,
    context_length: config.context,
    embedding_length: config.hidden,
    block_count: config.layers.length,
    "attention.head_count": config.heads,
    "attention.head_count_kv": config.kvHeads,
    "attention.key_length": config.headSize,
    "attention.value_length": config.headSize,
    "rope.dimension_count": config.headSize,
  };
  pairs.push(...u32Pairs(gguf, sizes));
  f32("rope.freq_base", config.ropeTheta);
  f32("attention.layer_norm_rms_epsilon", config.normEps);
  if (config.ropeScaling?.type === "linear") {
    pairs.push([`${gguf}.rope.scaling.type`, { text: "linear" }]);
    f32("rope.scaling.factor", config.ropeScaling.factor);
  }
  if (config.experts > 0) {
    u32("expert_count", config.experts);
    u32("expert_used_count", config.expertsUsed);
  }
  if (config.architecture === "llama4") {
    u32("feed_forward_length", config.denseWidth);
    u32("expert_feed_forward_length", config.expertWidth);
    llama4Pairs(config, u32, f32, pairs);
  } else u32("feed_forward_length", config.experts > 0 ? config.expertWidth : config.denseWidth);
  return pairs;
}

function llama4Pairs(
  { layers, chunk, temperatureFloor, temperatureScale }: ModelConfig,
  u32: (key: string, value: number) => void,
  f32: (key: string, value: number) => void,
  pairs: [string, WrittenValue][],
): void {
  const moe = layers.findIndex((layer) => layer.moe);
  u32("interleave_moe_layer_step", moe + 1);
  u32("attention.chunk_size", chunk);
  pairs.push(["llama4.attention.sliding_window_pattern", { bools: layers.map(({ chunked }) => chunked) }]);
  pairs.push(["llama4.use_qk_norm", { bool: layers.some(({ qkNorm }) => qkNorm) }]);
  u32("attention.temperature_length", temperatureScale === 0 ? 0 : temperatureFloor);
  if (temperatureScale !== 0) f32("attention.temperature_scale", temperatureScale);
  const interval = Array.from({ length: layers.length + 1 }, (_, n) => n + 1).find((n) =>
    layers.every(({ rope }, layer) => rope === ((layer + 1) % n !== 0)),
  );
  if (interval === undefined) {
    throw new EngineError("CONFIG_UNSUPPORTED", "GGUF has no key for layers that rotate in no regular interval", {
      at: { source: "config", file: "config.json", field: "/no_rope_layers" },
      limit: "every n-th layer without rope",
    });
  }
  u32("attention.nope_interval", interval);
}

/** A tensor of the new file: matrices one behind the other, or a vector. */
export interface NamedWeights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly matrices: readonly Matrix[];
  readonly vector: Vector | Float32Array | null;
}

export function namedWeights(weights: ModelWeights, config: ModelConfig): NamedWeights[] {
  const named: NamedWeights[] = [];
  const vector = (name: string, one: Vector | Float32Array) =>
    named.push({ name, shape: [one.length], matrices: [], vector: one });
  const matrix = (name: string, one: Matrix) => {
    named.push({ name: `${name}.weight`, shape: [one.rows, one.cols], matrices: [one], vector: null });
    if (one.bias) vector(`${name}.bias`, one.bias);
  };
  matrix("token_embd", weights.embedding);
  const divisors = config.ropeScaling?.type === "llama3" ? ropeDivisors(config) : null;
  if (divisors) vector("rope_freqs.weight", divisors);
  weights.layers.forEach((layer, index) => {
    const block = `blk.${index}.`;
    vector(`${block}attn_norm.weight`, layer.attentionNorm);
    matrix(`${block}attn_q`, layer.q);
    matrix(`${block}attn_k`, layer.k);
    matrix(`${block}attn_v`, layer.v);
    matrix(`${block}attn_output`, layer.o);
    vector(`${block}ffn_norm.weight`, layer.feedForwardNorm);
    if (layer.router) matrix(`${block}ffn_gate_inp`, layer.router);
    const parts = (branch: FeedForward | null, suffix: string) => {
      if (branch) for (const part of PARTS) matrix(`${block}ffn_${part}${suffix}`, branch[part]);
    };
    parts(layer.dense, "");
    if (layer.experts.length > 0) {
      for (const part of PARTS) {
        const matrices = layer.experts.map((expert) => expert[part]);
        const shape = [matrices.length, matrices[0].rows, matrices[0].cols];
        named.push({ name: `${block}ffn_${part}_exps.weight`, shape, matrices, vector: null });
      }
    }
    parts(layer.shared, "_shexp");
  });
  vector("output_norm.weight", weights.norm);
  if (weights.output) matrix("output", weights.output);
  return named;
}

const PARTS: readonly Part[] = ["gate", "up", "down"];
