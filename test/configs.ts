/** Checkpoints of hyper-parameters and shapes alone, and the error that reading one ends in. */
import type { Checkpoint, StoredTensor } from "../src/checkpoint/checkpoint.ts";
import { EngineError } from "../src/error.ts";

export type Json = Record<string, unknown>;

export function checkpoint(format: Checkpoint["format"], shapes: Record<string, number[]>): Checkpoint {
  const tensors = Object.entries(shapes).map(([name, shape]) => [
    name,
    { name, type: "f32", shape } as unknown as StoredTensor,
  ]);
  const empty = { metadata: new Map(), json: new Map(), chatTemplate: undefined, warnings: [] };
  return {
    format,
    name: "tiny",
    tensors: new Map(tensors as [string, StoredTensor][]),
    ...empty,
    close: async () => {},
  };
}

export function folder(config: unknown, generation?: unknown): Checkpoint {
  const json = new Map([["config.json", config]]);
  if (generation !== undefined) json.set("generation_config.json", generation);
  return { ...checkpoint("safetensors", { "model.embed_tokens.weight": [512, 64] }), json };
}

export function fault(run: () => unknown): EngineError {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
