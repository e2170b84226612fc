import type { Checkpoint, WrittenValue } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import type { Matrix, Vector } from "../model/plan/weights.ts";
import type { Vision } from "../model/run/kernels.ts";
import { GGUF_THETA, PATCH_KEY, type VisionConfig } from "../model/vision/config.ts";
import { DEFAULT_TOKENS, MAX_TILES_KEY, type PictureConfig, type PictureTokens } from "../model/vision/processor.ts";
import { GGUF_VISION, LAYER_PARTS, matricesOfVision, type Norm, type VisionWeights } from "../model/vision/weights.ts";
import { isFloat, type StoredType, WEIGHT_TYPES } from "../weight-types.ts";
import { u32Pairs, writePair } from "./gguf-writer.ts";
import type { NamedWeights } from "./model-pairs.ts";
import { namedOutputs, storedOutputs, storedPairs, typePairs } from "./quantize-checkpoint.ts";
import type { PlannedFile } from "./write-files.ts";

/** The vision tower of a model as a GGUF file of its own, in 16 or 8 bits: fewer cost more than they save, a tower is small. */

export const TOWER_TYPES = ["f16", "bf16", "q8_0"] as const;
export type TowerType = (typeof TOWER_TYPES)[number];

/** `wanted`: undefined, 16 bits: those that are stored, f16 for f32. What is quantised in the file stays what it is. */
export async function planTower(
  checkpoint: Checkpoint,
  { config, weights }: Vision,
  pictures: PictureConfig | null,
  wanted: TowerType | undefined,
): Promise<PlannedFile & { readonly warnings: readonly string[] }> {
  const misfits = new Map<string, number>();
  const typeOf = ({ stored: { type }, cols }: Matrix): StoredType => {
    const half = type === "bf16" ? "bf16" : "f16";
    if (!isFloat(type)) return checkpoint.format === "gguf" ? type : half;
    const { elements } = WEIGHT_TYPES[wanted ?? half];
    if (cols % elements === 0) return wanted ?? half;
    const given = `${half}, since rows of ${cols} are no whole blocks of ${wanted} (${elements} values)`;
    misfits.set(given, (misfits.get(given) ?? 0) + 1);
    return half;
  };
  const own = checkpoint.format === "gguf";
  const outputs = own
    ? storedOutputs(checkpoint, matricesOfVision(weights), typeOf)
    : namedOutputs(namedVision(weights, config), typeOf);
  const pairs = own
    ? await storedPairs(checkpoint)
    : visionPairs(config, weights, pictures, checkpoint.name).map(([key, value]) => writePair(key, value));
  const warnings = [...misfits].map(
    ([given, count]) => `quantize: ${count === 1 ? "1 matrix" : `${count} matrices`} of the tower as ${given}`,
  );
  if (!pictures)
    warnings.push(
      "quantize: the folder has no preprocessor_config.json: the tower's file leaves tiles at their defaults",
    );
  return { pairs: [...pairs, ...typePairs(outputs, false)], outputs, warnings };
}

/** What `readGgufVision` and `readPictureConfig` read back as this very configuration. */
function visionPairs(
  config: VisionConfig,
  { projector }: VisionWeights,
  pictures: PictureConfig | null,
  name: string,
): [string, WrittenValue][] {
  if (config.ropeTheta !== GGUF_THETA) throw unsaid("/vision_config/rope_theta", config.ropeTheta, `${GGUF_THETA}`);
  const pairs: [string, WrittenValue][] = [
    ["general.architecture", { text: "clip" }],
    ["general.type", { text: "mmproj" }],
    ["general.name", { text: name }],
    ["clip.has_vision_encoder", { bool: true }],
    ["clip.projector_type", { text: "llama4" }],
    ["clip.use_gelu", { bool: true }],
  ];
  const sizes = {
    image_size: config.tileSize,
    patch_size: config.patchSize,
    embedding_length: config.hidden,
    feed_forward_length: config.width,
    block_count: config.layers,
    "attention.head_count": config.heads,
    projection_dim: projector.rows,
    "projector.scale_factor": 2,
  };
  pairs.push(...u32Pairs("clip.vision", sizes));
  pairs.push(["clip.vision.attention.layer_norm_epsilon", { f32: config.eps }]);
  pairs.push([PATCH_KEY, { u32: config.patchId }]);
  return pictures ? [...pairs, ...picturePairs(pictures)] : pairs;
}

function picturePairs({ processor, tokens }: PictureConfig): [string, WrittenValue][] {
  const { maxTiles, toMaxCanvas, rescale, mean, deviation } = processor;
  if (toMaxCanvas) throw unsaid("/resize_to_max_canvas", toMaxCanvas, "false");
  if (Math.fround(rescale) !== Math.fround(1 / 255)) throw unsaid("/rescale_factor", rescale, "1/255");
  for (const [part, name] of Object.entries(DEFAULT_TOKENS)) {
    const given = tokens[part as keyof PictureTokens];
    if (given !== name) throw unsaid(`/${part}`, given, name);
  }
  return [
    [MAX_TILES_KEY, { u32: maxTiles }],
    ["clip.vision.image_mean", { f32s: Float32Array.from(mean) }],
    ["clip.vision.image_std", { f32s: Float32Array.from(deviation) }],
  ];
}

function unsaid(field: string, actual: number | boolean | string, limit: string): EngineError {
  return new EngineError("CONFIG_UNSUPPORTED", "GGUF has no key for this of a vision tower", {
    at: { source: "config", file: "config.json", field },
    ...{ actual: `${actual}`, limit },
  });
}

function namedVision(weights: VisionWeights, { tokens, hidden }: VisionConfig): NamedWeights[] {
  const names = GGUF_VISION;
  const named: NamedWeights[] = [];
  const vector = (name: string, one: Vector, shape = [one.length]) => {
    named.push({ name, shape, matrices: [], vector: one });
  };
  const matrix = (name: string, one: Matrix) => {
    named.push({ name, shape: [one.rows, one.cols], matrices: [one], vector: null });
    if (one.bias) vector(name.replace(/weight$/, "bias"), one.bias);
  };
  const norm = (name: string, one: Norm) => {
    vector(`${name}.weight`, one.weight);
    vector(`${name}.bias`, one.bias);
  };
  matrix(names.patch, weights.patch);
  vector(names.classRow, weights.classRow);
  vector(names.positions, weights.positions, [tokens, hidden]);
  norm(names.normPre, weights.normPre);
  norm(names.normPost, weights.normPost);
  weights.layers.forEach((layer, index) => {
    const block = names.layer(index);
    norm(block + names.attentionNorm, layer.attentionNorm);
    norm(block + names.feedForwardNorm, layer.feedForwardNorm);
    for (const part of LAYER_PARTS) matrix(block + names[part], layer[part]);
  });
  weights.adapter.forEach((one, index) => {
    matrix(names.adapter[index], one);
  });
  matrix(names.projector, weights.projector);
  return named;
}
