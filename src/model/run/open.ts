import { orAborted } from "../../abortable.ts";
import { EngineError } from "../../error.ts";
import type { Build } from "../../host/build.ts";
import type { Kernels } from "../../runtime/module.ts";
import type { ModelConfig } from "../config/config.ts";
import { quantizeWeights, widenF16 } from "../plan/memory-types.ts";
import type { Recipe } from "../plan/recipes.ts";
import type { ModelPlan, SizeOptions } from "../plan/sizes.ts";
import type { ModelWeights } from "../plan/weights.ts";
import { planKernels } from "./kernels.ts";
import { type LoadOptions, UNPACKABLE_F16 } from "./load.ts";
import { ResidentModel } from "./resident.ts";

/** Kernels, plan, memories, threads, weights: a model that takes steps. */

export interface OpenOptions extends Omit<SizeOptions, "choices">, LoadOptions {
  readonly build: Build | undefined;
  /** 256-bit pairs where they can be had. */
  readonly wide: boolean;
  /** Float weights become this type while they are loaded. */
  readonly quantize?: Recipe | undefined;
}

export interface Opened {
  readonly resident: ResidentModel;
  readonly kernels: Kernels;
  readonly plan: ModelPlan;
  readonly warnings: readonly string[];
}

export async function openResident(config: ModelConfig, weights: ModelWeights, options: OpenOptions): Promise<Opened> {
  const open = async (weights: ModelWeights, warnings: readonly string[]): Promise<Opened> => {
    const { kernels, plan } = await orAborted(planKernels(config, weights, options), options.signal);
    const resident = await ResidentModel.load({ ...options, kernels, config, weights, plan });
    return { resident, kernels, plan, warnings: [...plan.warnings, ...warnings] };
  };
  const kept = options.quantize ? quantizeWeights(weights, options.quantize) : { weights, warnings: [] };
  try {
    return await open(kept.weights, kept.warnings);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== UNPACKABLE_F16) throw error;
    const where = error.at?.field;
    return await open(widenF16(kept.weights), [
      ...kept.warnings,
      `f16 weights of 128 and more (${where}): f16 matrices are kept as f32`,
    ]);
  }
}
