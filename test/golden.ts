/**
 * Reference tensors of tiny models, made by transformers; the comparison is in divergence.ts.
 *
 * What each case exercises, how it is stored and what the taps mean: test/golden/README.md. Model files are written
 * to a temporary folder when a test first asks for their path, and removed when the process ends.
 */
import { join } from "node:path";
import { networkOrder } from "./divergence.ts";
import { materialise, once } from "./golden-files.ts";
import { readPack } from "./golden-pack.ts";
import { llamaTensors } from "./hf-llama.ts";
import {
  type Gguf,
  hfTensors,
  readGguf,
  roundToBf16,
  shardSafetensors,
  splitGguf,
  type Tensor,
  type Tensors,
  writeGguf,
  writeSafetensors,
} from "./layouts.ts";

export {
  type Divergence,
  firstArgmaxDifference,
  firstDivergence,
  networkOrder,
  type Tap,
  type Taps,
  TOLERANCE,
  type Tolerance,
} from "./divergence.ts";

export const CASES = [
  "text-a-scout",
  "text-b-maverick",
  "text-b-bf16",
  "text-c-top2",
  "text-d-guard",
  "text-e-8192",
  "text-f-edges",
] as const;
/** Of other architectures: `embed`, `layers.L.out` of all layers but the last, `norm` and `logits` alone. */
export const LLAMA_CASES = ["dense-llama3", "mixtral"] as const;
export type CaseName = (typeof CASES)[number] | (typeof LLAMA_CASES)[number];

/** The keys of Llama 4's config.json that the mathematics reads (HF `text_config` names); the file holds more. */
export interface Llama4Json {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly intermediate_size_mlp: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly num_local_experts: number;
  readonly num_experts_per_tok: number;
  readonly moe_layers: readonly number[];
  /** 1: the layer uses rope. */
  readonly no_rope_layers: readonly number[];
  readonly layer_types: readonly ("chunked_attention" | "full_attention")[];
  readonly attention_chunk_size: number | null;
  readonly use_qk_norm: boolean;
  readonly attn_temperature_tuning: boolean;
  readonly floor_scale: number;
  readonly attn_scale: number;
  readonly rms_norm_eps: number;
  readonly rope_parameters: RopeJson;
  readonly [more: string]: unknown;
}
export type RopeJson =
  | { readonly rope_type: "default"; readonly rope_theta: number }
  | {
      readonly rope_type: "llama3";
      readonly rope_theta: number;
      readonly factor: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
      readonly original_max_position_embeddings: number;
    };

/** Greedy continuations by transformers: 40 ids after a prompt of 20. */
export interface GenerateJson {
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
  /** Not of the other architectures. */
  readonly "greedy_repetition_penalty_1.1"?: readonly number[];
}

export interface GoldenCase {
  readonly name: CaseName;
  readonly config: Llama4Json;
  readonly inputIds: readonly number[];
  /** In network order, `logits` last. */
  readonly taps: ReadonlyMap<string, Tensor>;
  /** The metadata and tensors of the GGUF file. */
  readonly gguf: Gguf;
  /** null for text-b-bf16. */
  readonly generate: GenerateJson | null;
  /** text-e-8192 alone: 8,300 ids and the logits at a few positions around 8192. */
  readonly long: { inputIds: readonly number[]; positions: readonly number[]; logits: Tensor } | null;
  /** By GGUF name, row-major: matrices [out, in], experts [experts, out, in]. */
  readonly weights: Tensors;
  /** SHA-256 of the original model files, by path under the folder of the case; `linearised/`, `sharded/`, `split/` for text-a. */
  readonly sha256: Readonly<Record<string, string>>;
  /** model-f32.gguf; model-bf16.gguf for text-b-bf16. */
  ggufPath(): string;
  /** A folder with config.json and model.safetensors, experts fused as Llama 4 has them (BF16 for text-b-bf16). */
  hfPath(): string;
  /** A folder whose model.safetensors has a matrix per expert. */
  linearisedPath(): string;
  /** A folder of safetensors shards of at most 500 kB with their index. */
  shardedPath(): string;
  /** The first of the GGUF shards of 50 tensors each; it holds the metadata and no tensor. */
  splitPath(): string;
}

const opened = new Map<CaseName, GoldenCase>();

export function goldenCase(name: CaseName): GoldenCase {
  const known = opened.get(name);
  if (known) return known;
  const golden = open(name);
  opened.set(name, golden);
  return golden;
}

function open(name: CaseName): GoldenCase {
  const pack = readPack(name);
  const isBf16 = pack.header.weights !== undefined;
  const file = isBf16 ? readPack(pack.header.weights!).gguf() : pack.gguf();
  const gguf = isBf16 ? roundedToBf16(readGguf(file)) : readGguf(file);
  const type = isBf16 ? "bf16" : "f32";

  const { "config.json": config, "generate.json": generate, "generation_config.json": generation } = pack.header.texts;
  const configs = {
    "config.json": config,
    ...(generation === undefined ? {} : { "generation_config.json": generation }),
  };
  const folder = (kind: string, files: () => Iterable<[string, string | Buffer]>) =>
    once(() => materialise(`${name}/${kind}`, [...Object.entries(configs), ...files()]));
  const isLlama = (LLAMA_CASES as readonly string[]).includes(name);
  const hf = folder("hf", () => {
    const tensors = isLlama ? llamaTensors(gguf.tensors, JSON.parse(config)) : hfTensors(gguf.tensors, "fused");
    return [["model.safetensors", writeSafetensors(tensors, type)]];
  });
  const linearised = folder("linearised", () => [
    ["model.safetensors", writeSafetensors(hfTensors(gguf.tensors, "single"), type)],
  ]);
  const sharded = folder("sharded", () => shardSafetensors(hfTensors(gguf.tensors, "fused"), 500_000));
  const split = once(() => {
    const shards = splitGguf(gguf, 50);
    return join(materialise(`${name}/split`, shards), [...shards.keys()][0]);
  });
  const whole = once(() => {
    const fileName = `model-${type}.gguf`;
    return join(materialise(name, [[fileName, isBf16 ? writeGguf(gguf, "bf16") : file]]), fileName);
  });

  return {
    name,
    config: JSON.parse(config),
    inputIds: pack.ids("input_ids"),
    taps: new Map(networkOrder(pack.names()).map((tap) => [tap, pack.tensor(tap)])),
    generate: generate === undefined ? null : JSON.parse(generate),
    long: pack.has("long.logits")
      ? {
          inputIds: pack.ids("long.input_ids"),
          positions: pack.ids("long.positions"),
          logits: pack.tensor("long.logits"),
        }
      : null,
    weights: gguf.tensors,
    gguf,
    sha256: pack.header.sha256,
    ggufPath: whole,
    hfPath: hf,
    linearisedPath: linearised,
    shardedPath: sharded,
    splitPath: split,
  };
}

function roundedToBf16(gguf: Gguf): Gguf {
  const rounded = [...gguf.tensors].map(
    ([name, { shape, data }]) => [name, { shape, data: roundToBf16(data) }] as const,
  );
  return { ...gguf, tensors: new Map(rounded) };
}
