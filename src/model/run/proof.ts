import { formOf } from "../../runtime/forms.ts";
import type { Kernels } from "../../runtime/module.ts";
import { type ActivationType, isFloat, type StoredType, WEIGHT_TYPES, weightType } from "../../weight-types.ts";
import { readConfig } from "../config/config.ts";
import { type CreateConfig, randomModelCheckpoint } from "../config/random.ts";
import type { CacheType } from "../plan/pages.ts";
import { planModel } from "../plan/sizes.ts";
import { mapWeights } from "../plan/weights.ts";
import { ResidentModel } from "./resident.ts";

/**
 * Proof before use that V8's pairing of vectors changed no bit: small random models of the same weight types, activations and
 * cache run through the paired kernels, and the digest of all their logits must be the one that 128-bit code gives.
 *
 * They hold every op (dense layers and mixtures, attention full and in chunks, QK norm, a shared expert), every tile height, and
 * steps of one row, of few and of many.
 */

export interface WideCheck {
  readonly activations: ActivationType;
  readonly cache: CacheType;
  /** Float matrices fuse multiply and add. */
  readonly fused: boolean;
  /** Types that are packed apart. */
  readonly apart?: readonly StoredType[];
}

/** Two layers, a group and a bit of outputs, heads and groups of several sizes. */
const CONFIG: CreateConfig = {
  vocab_size: 72,
  hidden_size: 96,
  intermediate_size: 64,
  intermediate_size_mlp: 128,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 16,
  num_local_experts: 3,
  num_experts_per_tok: 1,
  moe_layers: [1],
  no_rope_layers: [1, 0],
  attention_chunk_size: 70,
  max_position_embeddings: 256,
  shared_expert: true,
};
/** Rows of whole blocks of 256. */
const LARGE_CONFIG: CreateConfig = {
  ...CONFIG,
  hidden_size: 256,
  intermediate_size: 256,
  intermediate_size_mlp: 512,
  num_attention_heads: 16,
  num_key_value_heads: 4,
};
/** Rows of each step; together past a chunk and a page. */
const STEPS = [1, 2, 3, 4, 5, 6, 7, 64, 1];

/** undefined: every digest is the narrow one; else what differed. What a type meets in several parts of a model is proven once. */
export async function findWideDifference(
  kernels: Kernels,
  parts: readonly (WideCheck & { readonly types: ReadonlySet<StoredType> })[],
): Promise<string | undefined> {
  const proven = new Set<string>();
  for (const { types, ...check } of parts) {
    for (const type of types) {
      const met = metName(type, check);
      const name = `${type} ${met}`;
      if (proven.has(name)) continue;
      if ((await digestOf(kernels, type, check)) !== weightType(type).digests?.[met]) return name;
      proven.add(name);
    }
  }
  return undefined;
}

/** What the weights of a type meet, as the table of types names it beside a digest. */
export function metName(type: StoredType, { activations, cache, fused }: WideCheck): string {
  const form = formOf(type, { activations, dot: "saturating" });
  const met = form === "f32" ? "f32" : form === "q16 pairs" ? "q16" : "q8";
  return `${isFloat(type) ? (fused ? "fused" : "apart") : met}, cache ${cache}`;
}

/** FNV-1a over the bits of all logits. */
export async function digestOf(kernels: Kernels, type: StoredType, check: WideCheck): Promise<number> {
  const checkpoint = randomModelCheckpoint(WEIGHT_TYPES[type].elements === 256 ? LARGE_CONFIG : CONFIG, 1, type);
  const { config } = readConfig(checkpoint);
  const { weights } = mapWeights(checkpoint, config);
  const plan = planModel(config, weights, {
    context: undefined,
    cache: check.cache,
    activations: check.activations,
    threads: 0,
    wide: kernels.wide.on,
    dot: kernels.dot,
    fused: check.fused,
    apart: check.apart,
    ahead: true, // pages of an 8-bit cache are read before they are wanted: no bit depends on it
    maxMemory: undefined,
    memoryLimit: undefined,
  });
  const resident = await ResidentModel.load({ kernels, config, weights, plan, threads: 0 });
  let digest = 0x811c9dc5;
  const timeline = resident.cache.open();
  let position = 0;
  for (const rows of STEPS) {
    const inputs = Array.from({ length: rows }, (_, row) => ((position + row) * 29) % CONFIG.vocab_size);
    await resident.step([{ timeline, position, inputs, logits: inputs.length }], (logits) => {
      for (const bits of new Uint32Array(logits.buffer, logits.byteOffset, logits.length))
        digest = Math.imul(digest ^ bits, 0x01000193);
    });
    position += rows;
  }
  await resident.dispose();
  return digest >>> 0;
}
