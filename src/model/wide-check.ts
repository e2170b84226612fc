import { STORED_BLOCKS, type StoredType } from "../checkpoint/checkpoint.ts";
import type { Build } from "../host/build.ts";
import { addsDots } from "../runtime/dots.ts";
import { type Kernels, openKernels } from "../runtime/module.ts";
import { formOf } from "../runtime/packed.ts";
import type { CacheType } from "./cache.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { formsOf } from "./layout.ts";
import { type CreateConfig, randomModelCheckpoint } from "./random.ts";
import { allFloat, ResidentModel } from "./resident.ts";
import { integerTileRows, type ModelPlan, planModel, type SizeOptions } from "./sizes.ts";
import { type ModelWeights, mapWeights } from "./weights.ts";

/**
 * Proof before use that V8's pairing of vectors changed no bit: small random models of the same weight types, activations and
 * cache run through the paired kernels, and the digest of all their logits must be the one that 128-bit code gives.
 *
 * They hold every op (dense layers and mixtures, attention full and in chunks, QK norm, a shared expert), every tile height, and
 * steps of one row, of few and of many.
 */

interface WideCheck {
  readonly types: ReadonlySet<StoredType>;
  readonly activations: "q8" | "f32";
  readonly cache: CacheType;
  /** Float matrices fuse multiply and add. */
  readonly fused: boolean;
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

/** FNV-1a over the logits' bits, by what the kernels met. Written by `digestOf` on a narrow host; a test does so again. */
export const NARROW_DIGESTS: Readonly<Record<string, number>> = {
  "f32 apart, cache f32": 0x525850e5,
  "f32 apart, cache q8": 0x88c28324,
  "f16 apart, cache f32": 0xec0ea78c,
  "f16 apart, cache q8": 0x50e16afe,
  "bf16 apart, cache f32": 0xb8eda97f,
  "bf16 apart, cache q8": 0x0b76f26f,
  "q8_0 q8, cache f32": 0x89de7d24,
  "q8_0 q8, cache q8": 0x92abc3c2,
  "q8_0 f32, cache f32": 0xc67b5cab,
  "q8_0 f32, cache q8": 0x7df5abc3,
  "q4_0 q8, cache f32": 0xfe7ab41e,
  "q4_0 q8, cache q8": 0x5e8d71ef,
  "q4_0 f32, cache f32": 0x24355502,
  "q4_0 f32, cache q8": 0x4fe7c102,
  "q4_1 q8, cache f32": 0x9f9ae312,
  "q4_1 q8, cache q8": 0xc1687809,
  "q4_1 f32, cache f32": 0x61f275a0,
  "q4_1 f32, cache q8": 0x8ee0a05b,
  "q5_0 q8, cache f32": 0x5f9e9ccf,
  "q5_0 q8, cache q8": 0xd064bb92,
  "q5_0 f32, cache f32": 0xc87759bb,
  "q5_0 f32, cache q8": 0x31bc4cce,
  "q5_1 f32, cache f32": 0x572a4ebf,
  "q5_1 f32, cache q8": 0x4eaf2c62,
  "q2_k f32, cache f32": 0x56865fe8,
  "q2_k f32, cache q8": 0x8b97492b,
  "q3_k f32, cache f32": 0x077a955f,
  "q3_k f32, cache q8": 0x01fc27e7,
  "q4_k q8, cache f32": 0x61340c10,
  "q4_k q8, cache q8": 0x98c559b8,
  "q4_k f32, cache f32": 0xbd526f86,
  "q4_k f32, cache q8": 0xdeab90f2,
  "q5_k q8, cache f32": 0xe7d428f1,
  "q5_k q8, cache q8": 0xbcc42479,
  "q5_k f32, cache f32": 0x661006dd,
  "q5_k f32, cache q8": 0x7a4dcd81,
  "q6_k q8, cache f32": 0xba710cf4,
  "q6_k q8, cache q8": 0x75164cf8,
  "q6_k f32, cache f32": 0xc1514444,
  "q6_k f32, cache q8": 0x670b4991,
  "iq4_nl q8, cache f32": 0x359316e4,
  "iq4_nl q8, cache q8": 0x5ccfe422,
  "iq4_nl f32, cache f32": 0xb296ee41,
  "iq4_nl f32, cache q8": 0xf34ec09d,
  "mxfp4 f32, cache f32": 0x937bd9ac,
  "mxfp4 f32, cache q8": 0x2cb094ca,
  "tq1_0 f32, cache f32": 0x30fa6458,
  "tq1_0 f32, cache q8": 0xa773cc32,
  "tq2_0 f32, cache f32": 0x970d9ed8,
  "tq2_0 f32, cache q8": 0xe70933cb,
  "f32 fused, cache f32": 0xf644be5a,
  "f32 fused, cache q8": 0xb2615b47,
  "f16 fused, cache f32": 0x551c2b4f,
  "f16 fused, cache q8": 0x98e27dcc,
  "bf16 fused, cache f32": 0xb7554a2f,
  "bf16 fused, cache q8": 0x991a1f97,
};

/** The kernels, wide where that was wished for and proves to change no bit, and the plan of a model laid out for them. */
export async function planKernels(
  config: ModelConfig,
  weights: ModelWeights,
  options: Omit<SizeOptions, "wide" | "dotAdd"> & {
    readonly wide: boolean;
    readonly build: Build | undefined;
    readonly signal?: AbortSignal;
  },
): Promise<{ kernels: Kernels; plan: ModelPlan }> {
  const open = async (wide: boolean) => {
    const kernels = await openKernels(options.build, wide, options.signal);
    const dotAdd = chooseDots(kernels, weights, options.activations);
    return { kernels, plan: planModel(config, weights, { ...options, wide: kernels.wide.on, dotAdd }) };
  };
  const wide = await open(options.wide);
  if (!wide.kernels.wide.on) return wide;
  const { activations, cache } = options;
  const types = new Set(wide.plan.layouts.flatMap(({ matrices }) => matrices.map(({ to }) => to.type)));
  const fused = wide.kernels.build === "relaxed" && allFloat(wide.plan.layouts);
  const difference = await findWideDifference(wide.kernels, { types, activations, cache, fused });
  if (difference === undefined) return wide;
  const narrow = await open(false);
  const reason = `paired vectors gave other bits than single ones (${difference})`;
  return { ...narrow, kernels: { ...narrow.kernels, wide: { on: false, reason } } };
}

/** Measured only where the model has 4-bit tiles. */
function chooseDots({ module, wide }: Kernels, weights: ModelWeights, activations: "q8" | "f32"): boolean {
  return formsOf(weights, activations).has("q8 quads") && addsDots(module, integerTileRows(wide.on));
}

/** undefined: every digest is the narrow one; else what differed. */
async function findWideDifference(kernels: Kernels, check: WideCheck): Promise<string | undefined> {
  for (const type of check.types) {
    const name = digestName(type, check);
    if ((await digestOf(kernels, type, check)) !== NARROW_DIGESTS[name]) return name;
  }
  return undefined;
}

export function digestName(type: StoredType, { activations, cache, fused }: Omit<WideCheck, "types">): string {
  const float = type === "f32" || type === "f16" || type === "bf16";
  const met = formOf(type, activations) === "f32" ? "f32" : "q8";
  return `${type} ${float ? (fused ? "fused" : "apart") : met}, cache ${cache}`;
}

export async function digestOf(kernels: Kernels, type: StoredType, check: Omit<WideCheck, "types">): Promise<number> {
  const checkpoint = randomModelCheckpoint(STORED_BLOCKS[type].elements === 256 ? LARGE_CONFIG : CONFIG, 1, type);
  const { config } = readConfig(checkpoint);
  const { weights } = mapWeights(checkpoint, config);
  const plan = planModel(config, weights, {
    context: undefined,
    cache: check.cache,
    activations: check.activations,
    threads: 0,
    wide: kernels.wide.on,
    dotAdd: chooseDots(kernels, weights, check.activations),
    maxMemory: undefined,
    memoryLimit: undefined,
  });
  const { sizes, layouts } = plan;
  const resident = await ResidentModel.load({
    kernels,
    config,
    weights,
    sizes,
    layouts,
    threads: 0,
    fused: check.fused,
  });
  let digest = 0x811c9dc5;
  const timeline = resident.cache.open();
  let position = 0;
  for (const rows of STEPS) {
    const inputs = Array.from({ length: rows }, (_, row) => ((position + row) * 29) % CONFIG.vocab_size);
    await resident.step([{ timeline, position, inputs, logits: "all" }], (logits) => {
      for (const bits of new Uint32Array(logits.buffer, logits.byteOffset, logits.length))
        digest = Math.imul(digest ^ bits, 0x01000193);
    });
    position += rows;
  }
  await resident.dispose();
  return digest >>> 0;
}
