import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type ModelConfig, readConfig } from "../model/config/config.ts";
import { ropeDivisors } from "../model/config/rope.ts";
import { matricesOf } from "../model/plan/layout.ts";
import { blocksOf, pageLayerBytes } from "../model/plan/pages.ts";
import { planModel } from "../model/plan/sizes.ts";
import { type Matrix, type ModelWeights, mapWeights } from "../model/plan/weights.ts";
import { towerBytes, type Vision } from "../model/run/kernels.ts";
import { readVector } from "../model/run/load.ts";
import type { VisionConfig } from "../model/vision/config.ts";
import { planTower, type TowerPlan } from "../model/vision/tower.ts";
import { matricesOfVision } from "../model/vision/weights.ts";
import { type ClassSum, sumByClass } from "./tensor-classes.ts";
import { ownTower, readTower } from "./vision.ts";

/** What is in a checkpoint and what it would need, without loading it. */
export interface ModelInspection {
  readonly name: string;
  readonly format: Checkpoint["format"];
  readonly config: ModelConfig;
  readonly parameters: { readonly total: number; readonly active: number };
  /** By stored type: tensors, elements, bytes. */
  readonly types: Readonly<Record<string, { tensors: number; elements: number; bytes: number }>>;
  /** By what they are for and stored type, in the order of the forward pass. */
  readonly classes: readonly Readonly<ClassSum>[];
  readonly tensors: readonly { name: string; type: string; shape: readonly number[]; bytes: number }[];
  readonly fileBytes: number;
  /** One letter a layer: d dense, m mixture; upper case where attention sees everything (NoPE or full). */
  readonly layerMap: string;
  /** The tower that reads pictures, in the checkpoint or beside it; null: there is none. */
  readonly vision: VisionInspection | null;
  readonly memory: {
    readonly weights: number;
    /** Bytes of cache for 1,024 positions, by kind of layer and cache type. */
    readonly cachePer1024: Readonly<Record<"f32" | "q8", { full: number; chunked: number }>>;
    /** At the default context, f32 cache, two threads: the cache, and whatever is neither cache nor matrix. */
    readonly cache: number;
    readonly activations: number;
    /** Weights, cache and activations. */
    readonly total: number;
    readonly context: number;
  };
  readonly warnings: readonly string[];
}

/** The tower that a model sees with. */
export interface VisionInspection {
  /** Where it is: the checkpoint itself, or the file beside it. */
  readonly name: string;
  readonly config: VisionConfig;
  readonly parameters: number;
  /** Types of its matrices, as stored. */
  readonly types: readonly string[];
  /** Positions that a tile takes in the context. */
  readonly positionsPerTile: number;
  /** Bytes of its memory: packed weights, and all of it with the activations of so many tiles at a time. */
  readonly memory: { readonly weights: number; readonly total: number; readonly tiles: number };
}

function describeVision({ config, weights }: Vision, { name }: Checkpoint, plan: TowerPlan): VisionInspection {
  const { vectors, sizes } = plan.layout;
  const matrices = matricesOfVision(weights);
  const numbers = vectors.reduce((sum, { vector }) => sum + vector.length, 0);
  return {
    name,
    config,
    parameters: matrices.reduce((sum, { rows, cols }) => sum + rows * cols, numbers),
    types: [...new Set(matrices.map(({ stored }) => stored.type))],
    positionsPerTile: config.rows,
    memory: { ...towerBytes(plan), tiles: sizes.tiles },
  };
}

export async function inspectCheckpoint(
  checkpoint: Checkpoint,
  search = ownTower(checkpoint),
): Promise<ModelInspection> {
  const { config, warnings } = readConfig(checkpoint);
  const { vision, warnings: ofVision } = readTower(search, checkpoint, config);
  const mapped = mapWeights(checkpoint, config, vision !== null);
  const { weights } = mapped;
  const assumed = { wide: false, dot: "saturating", activations: "q16", threads: 2 } as const;
  const tower = vision && planTower(vision.config, vision.weights, config, assumed);
  const plan = planModel(config, weights, {
    ...assumed,
    context: undefined,
    cache: "f32",
    maxMemory: undefined,
    memoryLimit: undefined,
    tower: tower && towerBytes(tower),
  });
  const tensors = [...checkpoint.tensors.values()].map(({ name, type, shape, bytes }) => ({
    name,
    type,
    shape,
    bytes,
  }));
  const types: Record<string, { tensors: number; elements: number; bytes: number }> = Object.create(null);
  for (const { type, shape, bytes } of tensors) {
    types[type] ??= { tensors: 0, elements: 0, bytes: 0 };
    types[type].tensors++;
    types[type].elements += shape.reduce((product, size) => product * size, 1);
    types[type].bytes += bytes;
  }
  const cache = (type: "f32" | "q8") => {
    const layers = (chunked: boolean) => config.layers.filter((layer) => layer.chunked === chunked).length;
    const page = pageLayerBytes(config, type) * blocksOf(1024);
    return { full: page * layers(false), chunked: page * layers(true) };
  };
  return {
    name: checkpoint.name,
    format: checkpoint.format,
    config,
    parameters: {
      total: tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
      active: activeParameters(config, weights),
    },
    types,
    classes: sumByClass(tensors),
    tensors,
    fileBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    vision: vision && tower && describeVision(vision, search.tower!.checkpoint, tower),
    layerMap: config.layers.map(({ moe, chunked }) => (chunked ? (moe ? "m" : "d") : moe ? "M" : "D")).join(""),
    memory: {
      weights: plan.memory.weights,
      cachePer1024: { f32: cache("f32"), q8: cache("q8") },
      cache: plan.memory.cache,
      activations: plan.memory.activations,
      total: plan.memory.total,
      context: plan.sizes.context,
    },
    warnings: [
      ...checkpoint.warnings,
      ...warnings,
      ...mapped.warnings,
      ...ofVision,
      ...plan.warnings,
      ...(await oldScaling(config, weights)),
    ],
  };
}

/** Of Scout, as its corrected release has them: long wavelengths are divided by 16, the others not. */
const SCOUT_EXPERTS = 16;
const SCOUT_DIVISORS = [1, 16];
const FLOAT_TYPES: readonly string[] = ["f32", "f16", "bf16"];

/** The first files of Llama 4 Scout held the converter's scaling, factor 8 with a blend (llama-models PR 322). Trusted, but said. */
async function oldScaling(config: ModelConfig, { ropeDivisors: stored }: ModelWeights): Promise<string[]> {
  if (config.architecture !== "llama4" || config.experts !== SCOUT_EXPERTS) return [];
  if (stored && !FLOAT_TYPES.includes(stored.stored.type)) return [];
  // A few hundred bytes.
  const divisors = stored ? await readVector(stored) : ropeDivisors(config);
  const odd = divisors?.find((divisor) => !SCOUT_DIVISORS.includes(divisor));
  if (odd === undefined) return [];
  const value = Number(odd.toPrecision(4));
  return [
    `rope factors of ${value}, where a corrected Llama 4 Scout has 1 and 16: files older than 2025-04-10 are worse at long texts`,
  ];
}

/** Parameters that one token reads: one embedding row counts as the whole matrix only where it is the output too. */
function activeParameters(config: ModelConfig, weights: ModelWeights): number {
  const size = ({ rows, cols, bias }: Matrix) => rows * cols + (bias ? rows : 0);
  let active = size(weights.output ?? weights.embedding) + config.hidden * (1 + 2 * weights.layers.length);
  for (const layer of weights.layers) {
    const expert = layer.experts[0];
    const routed = expert ? config.expertsUsed * (size(expert.gate) + size(expert.up) + size(expert.down)) : 0;
    const every = layer.experts.reduce((sum, { gate, up, down }) => sum + size(gate) + size(up) + size(down), 0);
    active += matricesOf(layer).reduce((sum, matrix) => sum + size(matrix), 0) - every + routed;
  }
  return active;
}
