import type { Build } from "../host/build.ts";
import type { HostName } from "../host/host-facts.ts";

/** What was chosen at load, and why. */
export interface ModelInfo {
  readonly name: string;
  readonly architecture: string;
  /** The JavaScript runtime. */
  readonly host: HostName;
  readonly build: { readonly name: Build; readonly reason: string };
  readonly wide: { readonly on: boolean; readonly reason: string };
  readonly threads: { readonly asked: number | undefined; readonly used: number; readonly reason: string };
  readonly context: number;
  readonly cache: "f32" | "q8";
  readonly activations: "q8" | "f32";
  /** Bytes: all memories; of each; weights as packed; cache; tables and activations of a step. */
  readonly memory: {
    readonly total: number;
    readonly memories: readonly number[];
    readonly weights: number;
    readonly cache: number;
    readonly activations: number;
  };
  /** Ops between two barriers of one step. */
  readonly opsPerStep: number;
  readonly warnings: readonly string[];
}
