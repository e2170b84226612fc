import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { Checkpoint } from "../dist/src/checkpoint/checkpoint.js";
import { openCheckpoint } from "../dist/src/checkpoint/open.js";
import { readConfig } from "../dist/src/model/config/config.js";
import { type CreateConfig, randomModelCheckpoint } from "../dist/src/model/config/random.js";
import { mapAdapter } from "../dist/src/model/plan/adapter.js";
import { planModel, type SizeOptions } from "../dist/src/model/plan/sizes.js";
import { mapWeights } from "../dist/src/model/plan/weights.js";
import { ResidentModel } from "../dist/src/model/run/resident.js";
import { openKernels } from "../dist/src/runtime/module.js";

/** A model below the public surface: steps of any composition, logits of any row. */

export interface Wish extends Partial<SizeOptions> {
  build?: "simd" | "relaxed";
  /** Spread the layers over so many memories. */
  memories?: number;
}

export type Source =
  | { checkpoint: Checkpoint; adapters: readonly Checkpoint[] }
  | { path: string }
  | { config: CreateConfig; type: "f32" | "f16" | "bf16" | "q8_0" | "q4_0" };

export async function openResident(source: Source, wish: Wish = {}): Promise<ResidentModel> {
  const checkpoint: Checkpoint =
    "checkpoint" in source
      ? source.checkpoint
      : "path" in source
        ? await openCheckpoint(source.path)
        : randomModelCheckpoint(source.config, 1, source.type);
  try {
    const { config } = readConfig(checkpoint);
    const given = "adapters" in source ? source.adapters : [];
    const adapters = given.map((one, index) => mapAdapter(one, { name: `${index}`, scale: 1 }, config).adapter);
    const weights = { ...mapWeights(checkpoint, config).weights, adapters };
    const options: SizeOptions = {
      context: 512,
      cache: "f32",
      activations: "q8",
      threads: 2,
      wide: false,
      dot: "saturating",
      maxMemory: undefined,
      memoryLimit: undefined,
      ...wish,
    };
    let plan = planModel(config, weights, options);
    for (let limit = plan.memory.total; plan.placed.length < (wish.memories ?? 1); limit *= 0.98)
      plan = planModel(config, weights, { ...options, memoryLimit: Math.floor(limit) });
    if (plan.placed.length !== (wish.memories ?? plan.placed.length))
      throw new Error(`no limit gives ${wish.memories} memories`);
    const kernels = await openKernels(wish.build ?? "simd", false);
    const resident = await ResidentModel.load({ kernels, config, weights, plan, threads: options.threads });
    expect(resident.memoryBytes, "the plan is what was made, to the byte").toEqual(plan.memory.memories);
    return resident;
  } finally {
    await checkpoint.close();
  }
}

/** Logits of every row of `ids`, computed in pieces that end at `cuts`, [ids, vocab]. */
export async function allLogits(
  resident: ResidentModel,
  ids: readonly number[],
  cuts: readonly number[] = [],
): Promise<Float32Array> {
  const { vocab } = resident.config;
  const out = new Float32Array(ids.length * vocab);
  const timeline = resident.cache.open();
  let position = 0;
  for (const end of [...cuts, ids.length]) {
    const inputs = ids.slice(position, end);
    if (inputs.length === 0) continue;
    await resident.step([{ timeline, position, inputs, logits: inputs.length }], (logits, row) =>
      out.set(logits, (position + row) * vocab),
    );
    position = end;
  }
  resident.cache.close(timeline);
  return out;
}

export function hash(values: Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");
}

export function idsOf(count: number, vocab: number, seed = 1): number[] {
  let state = seed * 2654435761;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % vocab;
  });
}
