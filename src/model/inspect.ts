import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { packedBytes } from "../runtime/packed.ts";
import { blocksOf, pageLayerBytes } from "./cache.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { matricesOf } from "./layout.ts";
import { planModel } from "./sizes.ts";
import { type Matrix, type ModelWeights, mapWeights } from "./weights.ts";

/** What is in a checkpoint and what it would need, without loading a tensor. */
export interface Inspection {
  readonly name: string;
  readonly format: Checkpoint["format"];
  readonly config: ModelConfig;
  readonly parameters: { readonly total: number; readonly active: number };
  /** By stored type: tensors, elements, bytes. */
  readonly types: Readonly<Record<string, { tensors: number; elements: number; bytes: number }>>;
  readonly tensors: readonly { name: string; type: string; shape: readonly number[]; bytes: number }[];
  readonly fileBytes: number;
  /** One letter a layer: d dense, m mixture; upper case where attention sees everything (NoPE or full). */
  readonly layerMap: string;
  readonly memory: {
    readonly weights: number;
    /** Bytes of cache for 1,024 positions, by kind of layer and cache type. */
    readonly cachePer1024: Readonly<Record<"f32" | "q8", { full: number; chunked: number }>>;
    /** Everything at the default context, f32 cache, two threads. */
    readonly total: number;
    readonly context: number;
  };
  readonly warnings: readonly string[];
}

export function inspectCheckpoint(checkpoint: Checkpoint): Inspection {
  const { config, warnings } = readConfig(checkpoint);
  const mapped = mapWeights(checkpoint, config);
  const { weights } = mapped;
  const plan = planModel(config, weights, {
    wide: false,
    dotAdd: false,
    context: undefined,
    cache: "f32",
    activations: "q8",
    threads: 2,
    maxMemory: undefined,
    memoryLimit: undefined,
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
  const all = allMatrices(weights);
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
    tensors,
    fileBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    layerMap: config.layers.map(({ moe, chunked }) => (chunked ? (moe ? "m" : "d") : moe ? "M" : "D")).join(""),
    memory: {
      weights: all.reduce((sum, { type, rows, cols }) => sum + packedBytes(type, rows, cols), 0),
      cachePer1024: { f32: cache("f32"), q8: cache("q8") },
      total: plan.bytes,
      context: plan.sizes.context,
    },
    warnings: [...checkpoint.warnings, ...warnings, ...mapped.warnings, ...plan.warnings],
  };
}

function allMatrices(weights: ModelWeights): Matrix[] {
  return [weights.embedding, ...(weights.output ? [weights.output] : []), ...weights.layers.flatMap(matricesOf)];
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
