import { type Choice, type Choices, STREAMS_APART } from "../../choice.ts";
import type { Build } from "../../host/build.ts";
import { type Kernels, openKernels } from "../../runtime/module.ts";
import { readsApart } from "../../runtime/streams.ts";
import { type StoredType, weightType } from "../../weight-types.ts";
import type { ModelConfig } from "../config/config.ts";
import { adapterMatrices } from "../plan/adapter-layout.ts";
import { matricesOfModel } from "../plan/layout.ts";
import { allFloat, type ModelPlan, planModel, type SizeOptions } from "../plan/sizes.ts";
import type { Matrix, ModelWeights } from "../plan/weights.ts";
import type { VisionConfig } from "../vision/config.ts";
import { planTower, type TowerPlan } from "../vision/tower.ts";
import { matricesOfVision, type VisionWeights } from "../vision/weights.ts";
import { findWideDifference } from "./proof.ts";

/** What a model sees with. */
export interface Vision {
  readonly config: VisionConfig;
  readonly weights: VisionWeights;
}

/** The kernels, wide where that was wished for and proves to change no bit, and the plan of a model laid out for them. */
export async function planKernels(
  config: ModelConfig,
  weights: ModelWeights,
  options: Omit<SizeOptions, "tower" | "dot" | "apart" | "ahead"> & {
    readonly vision?: Vision | null;
    readonly build: Build | undefined;
    readonly choices?: Choices | undefined;
    readonly signal?: AbortSignal;
  },
): Promise<{ kernels: Kernels; plan: ModelPlan; tower: TowerPlan | null }> {
  const { vision = null } = options;
  const ofText = [...matricesOfModel(weights), ...adapterMatrices(weights)];
  const ofVision = vision ? matricesOfVision(vision.weights) : [];
  const types = new Set([...ofText, ...ofVision].flatMap(({ type, stored }) => [type, stored.type]));
  let apart: StoredType[] = [];
  const open = async (wide: boolean) => {
    const kernels = await openKernels(options.build, wide, { types, signal: options.signal });
    apart = options.activations === "f32" ? [] : typesApart(types, kernels.module, options.choices);
    const ahead = options.cache === "q8" && readsApart(kernels.module);
    const assumed = { ...options, wide: kernels.wide.on, dot: kernels.dot, apart, ahead };
    const tower = vision && planTower(vision.config, vision.weights, config, assumed);
    return { kernels, plan: planModel(config, weights, { ...assumed, tower: tower && towerBytes(tower) }), tower };
  };
  const wide = await open(options.wide);
  if (!wide.kernels.wide.on) return wide;
  const { activations, cache } = options;
  const part = (matrices: readonly Matrix[], fused: boolean) => ({
    types: new Set(matrices.map(({ type }) => type)),
    ...{ activations, cache, apart, fused: fused && wide.kernels.build === "relaxed" },
  });
  const parts = [part(ofText, allFloat(weights))];
  if (wide.tower) parts.push(part(ofVision, wide.tower.layout.sizes.fused));
  const difference = await findWideDifference(wide.kernels, parts);
  if (difference === undefined) return wide;
  const narrow = await open(false);
  const reason = `paired vectors gave other bits than single ones (${difference})`;
  return { ...narrow, kernels: { ...narrow.kernels, wide: { on: false, reason } } };
}

/** Types whose groups lie apart: as they are chosen, else as this host reads memory faster. */
function typesApart(types: Iterable<StoredType>, module: WebAssembly.Module, choices: Choices = {}): StoredType[] {
  const chosen = ({ streams }: Choice) => STREAMS_APART.includes(streams);
  return [...types].filter((type) => {
    const choice = choices[type];
    return weightType(type).apart && (choice ? chosen(choice) : readsApart(module));
  });
}

/** What a plan of the text counts of a tower. */
export function towerBytes({ layout }: TowerPlan): { total: number; weights: number } {
  const weights = layout.matrices.reduce((bytes, { to }) => bytes + to.at.bytes, 0);
  return { total: layout.plan.memoryBytes, weights };
}
