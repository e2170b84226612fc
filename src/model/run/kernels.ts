import type { Build } from "../../host/build.ts";
import { type Kernels, openKernels } from "../../runtime/module.ts";
import type { ModelConfig } from "../config/config.ts";
import { adapterMatrices } from "../plan/adapter-layout.ts";
import { matricesOfModel } from "../plan/layout.ts";
import { allFloat, type ModelPlan, planModel, type SizeOptions } from "../plan/sizes.ts";
import type { ModelWeights } from "../plan/weights.ts";
import { findWideDifference } from "./proof.ts";

/** The kernels, wide where that was wished for and proves to change no bit, and the plan of a model laid out for them. */
export async function planKernels(
  config: ModelConfig,
  weights: ModelWeights,
  options: SizeOptions & {
    readonly build: Build | undefined;
    readonly signal?: AbortSignal;
  },
): Promise<{ kernels: Kernels; plan: ModelPlan }> {
  const open = async (wide: boolean) => {
    const kernels = await openKernels(options.build, wide, options.signal);
    return { kernels, plan: planModel(config, weights, { ...options, wide: kernels.wide.on }) };
  };
  const wide = await open(options.wide);
  if (!wide.kernels.wide.on) return wide;
  const { activations, cache } = options;
  const types = new Set([...matricesOfModel(weights), ...adapterMatrices(weights)].map(({ type }) => type));
  const fused = wide.kernels.build === "relaxed" && allFloat(weights);
  const difference = await findWideDifference(wide.kernels, { types, activations, cache, fused });
  if (difference === undefined) return wide;
  const narrow = await open(false);
  const reason = `paired vectors gave other bits than single ones (${difference})`;
  return { ...narrow, kernels: { ...narrow.kernels, wide: { on: false, reason } } };
}
