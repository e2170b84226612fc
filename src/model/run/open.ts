import { orAborted } from "../../abortable.ts";
import type { Choices } from "../../choice.ts";
import { EngineError } from "../../error.ts";
import type { Build } from "../../host/build.ts";
import type { Kernels } from "../../runtime/module.ts";
import type { ModelConfig } from "../config/config.ts";
import { quantizeWeights, widenF16, widenMatrix } from "../plan/memory-types.ts";
import type { Recipe } from "../plan/recipes.ts";
import type { ModelPlan, SizeOptions } from "../plan/sizes.ts";
import type { ModelWeights } from "../plan/weights.ts";
import { mapMatrices } from "../vision/weights.ts";
import { planKernels, type Vision } from "./kernels.ts";
import { type LoadOptions, UNPACKABLE_F16 } from "./load.ts";
import { ResidentModel } from "./resident.ts";
import type { Tuning } from "./tune.ts";

/** Kernels, plan, memories, threads, weights: a model that takes steps. */

export interface OpenOptions extends Omit<SizeOptions, "tower" | "dot" | "apart" | "ahead">, LoadOptions {
  /** What the model sees with; null: it reads text only. */
  readonly vision?: Vision | null;
  readonly build: Build | undefined;
  /** Kernels by type of weights; the others are measured. */
  readonly choices?: Choices | undefined;
  /** Float weights become this type while they are loaded. */
  readonly quantize?: Recipe | undefined;
}

export interface Opened {
  readonly resident: ResidentModel;
  readonly kernels: Kernels;
  readonly plan: ModelPlan;
  readonly tuning: Tuning;
  readonly warnings: readonly string[];
}

export async function openResident(config: ModelConfig, weights: ModelWeights, options: OpenOptions): Promise<Opened> {
  const open = async (weights: ModelWeights, vision: Vision | null, warnings: readonly string[]): Promise<Opened> => {
    const planned = await orAborted(planKernels(config, weights, { ...options, vision }), options.signal);
    const { kernels, plan } = planned;
    const resident = await ResidentModel.load({ ...options, ...planned, config, weights });
    try {
      const tuning = await tuneResident(resident, kernels, options);
      return { resident, kernels, plan, tuning, warnings: [...plan.warnings, ...warnings] };
    } catch (error) {
      await resident.dispose();
      throw error;
    }
  };
  const kept = options.quantize ? quantizeWeights(weights, options.quantize) : { weights, warnings: [] };
  try {
    return await open(kept.weights, options.vision ?? null, kept.warnings);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== UNPACKABLE_F16) throw error;
    const where = error.at?.field;
    const { vision = null } = options;
    const widened = vision && { ...vision, weights: mapMatrices(vision.weights, widenMatrix) };
    return await open(widenF16(kept.weights), widened, [
      ...kept.warnings,
      `f16 weights of 128 and more (${where}): f16 matrices are kept as f32`,
    ]);
  }
}

/** Kernels that were not asked for are measured; those that were are taken as they are. */
async function tuneResident(
  { choices, threads }: ResidentModel,
  { module }: Kernels,
  { choices: asked = {}, signal }: OpenOptions,
): Promise<Tuning> {
  const tuning = await choices.tune(module, threads, Object.keys(asked), signal);
  choices.take(asked);
  return tuning;
}
