import { host } from "#host";
import type { Choices } from "../choice.ts";
import type { Build } from "../host/build.ts";
import type { HostName } from "../host/host-facts.ts";
import type { Opened } from "../model/run/open.ts";
import type { ResidentModel } from "../model/run/resident.ts";
import type { Tuning } from "../model/run/tune.ts";
import type { ActivationType } from "../weight-types.ts";
import type { AdapterInfo } from "./adapters.ts";
import type { GenerationConfig } from "./generation-config.ts";
import type { CheckedLoadOptions } from "./load-options.ts";

/** What was chosen at load, and why. */
export interface ModelInfo {
  readonly name: string;
  readonly architecture: string;
  /** Of configuration and weights (samples of every matrix), 32 hexadecimal digits: against mistakes, not against malice. */
  readonly fingerprint: string;
  /** The JavaScript runtime. */
  readonly host: HostName;
  readonly build: { readonly name: Build; readonly reason: string };
  readonly wide: { readonly on: boolean; readonly reason: string };
  readonly threads: { readonly asked: number | undefined; readonly used: number; readonly reason: string };
  readonly context: number;
  readonly cache: "f32" | "q8";
  readonly activations: ActivationType;
  /** Kernels by type of weights. All candidates give the same bits; `tuning` says how these were found. */
  readonly choices: Choices;
  /** Milliseconds that measuring took, why, and how many times faster than by default one row is multiplied. */
  readonly tuning: Omit<Tuning, "choices">;
  /** Bytes: all memories; of each; weights as packed; cache; tables and activations of a step. */
  readonly memory: {
    readonly total: number;
    readonly memories: readonly number[];
    readonly weights: number;
    readonly cache: number;
    readonly activations: number;
  };
  /** What the model was loaded with, in that order; calls choose among them. */
  readonly adapters: readonly AdapterInfo[];
  /** What an option of `generate` is that a call leaves out, and who says so. */
  readonly generationConfig: GenerationConfig;
  /** Ops of one step. */
  readonly opsPerStep: number;
  /** Of them those, in decode, behind which the threads wait for each other. */
  readonly barriersPerStep: number;
  readonly warnings: readonly string[];
}

export function describeModel(
  name: string,
  options: CheckedLoadOptions,
  threadsReason: string,
  { resident, kernels, plan, tuning }: Opened,
  adapters: readonly AdapterInfo[],
  generationConfig: GenerationConfig,
  warnings: readonly string[],
): ModelInfo {
  const fingerprint = fingerprintOf(resident);
  return {
    name,
    architecture: resident.config.architecture,
    get fingerprint() {
      return fingerprint();
    },
    host: host.name,
    build: { name: kernels.build, reason: kernels.reason },
    wide: kernels.wide,
    threads: { asked: options.threads, used: resident.threads.count, reason: threadsReason },
    context: plan.sizes.context,
    cache: options.cache,
    activations: options.activations,
    choices: resident.choices.all,
    tuning: { gains: tuning.gains, ms: tuning.ms, reason: tuning.reason },
    memory: plan.memory,
    adapters,
    generationConfig,
    opsPerStep: resident.ops,
    barriersPerStep: resident.barriers,
    warnings,
  };
}

/** When it is asked for: it reads samples of every matrix, and most who load a model never ask. Then it lets go of the model. */
function fingerprintOf(resident: ResidentModel): () => string {
  let asked: ResidentModel | null = resident;
  let text = "";
  return () => {
    if (asked) text = [...asked.fingerprint(null)].map((word) => word.toString(16).padStart(8, "0")).join("");
    asked = null;
    return text;
  };
}
