import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PEFT, readAdapterSettings } from "../model/config/adapter.ts";
import { adapterModules } from "../model/plan/adapter.ts";

/** What is in an adapter, without the model that it belongs to; names in it come from the file. */
export interface AdapterInspection {
  readonly name: string;
  readonly format: "peft" | "gguf";
  /** What the file says it was made for: a name or an architecture. */
  readonly base: string | undefined;
  readonly alpha: number;
  /** From the least to the largest of its matrices. */
  readonly ranks: readonly number[];
  /** What it changes, as the file calls it, without the layer: `self_attn.q_proj`, `attn_q`. */
  readonly targets: readonly string[];
  readonly layers: number;
  readonly parameters: number;
  /** Of tensors in the file. */
  readonly fileBytes: number;
  readonly warnings: readonly string[];
}

/** Throws what no model could load: an adapter that asks for what is not computed here. Shapes are the model's to judge. */
export function describeAdapter(checkpoint: Checkpoint): AdapterInspection {
  const { alpha } = readAdapterSettings(checkpoint);
  const modules = adapterModules(checkpoint);
  const names = [...modules.keys()].map(
    (module) => /^(?:model\.layers|blk)\.(\d+)\.(.+)$/s.exec(module) ?? [module, "", module],
  );
  const tensors = [...checkpoint.tensors.values()];
  const gguf = checkpoint.format === "gguf";
  const config = checkpoint.json.get(PEFT) as Record<string, unknown> | undefined;
  const base = gguf ? checkpoint.metadata.get("general.architecture") : config?.["base_model_name_or_path"];
  return {
    name: checkpoint.name,
    format: gguf ? "gguf" : "peft",
    base: typeof base === "string" ? base : undefined,
    alpha,
    ranks: [...new Set([...modules.values()].map(({ a }) => a?.shape[0] ?? 0))].sort((a, b) => a - b),
    targets: [...new Set(names.map(([, , target]) => target))],
    layers: new Set(names.map(([, layer]) => layer)).size,
    parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
    fileBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    warnings: checkpoint.warnings,
  };
}
