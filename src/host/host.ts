import type { Build } from "./build.ts";
import type { Answer, HostName, ThreadChoice } from "./host-facts.ts";
import type { Decode } from "./picture.ts";
import type { Spawned, WorkerStart } from "./worker-start.ts";

/**
 * What the engine asks of the JavaScript runtime under it. One file a runtime, and what that runtime gets wrong is handled there
 * alone; which of them is loaded is said by the conditions under `imports` in package.json: `#host`.
 */
export interface Host {
  readonly name: HostName;
  /** undefined: there are no paths here. */
  readonly files: Files | undefined;
  /** Workers a model gets when nobody says. */
  threads(): ThreadChoice;
  /**
   * Resolves when the worker waits for its first step; `onDeath` hears of an end that nobody asked for. The signal ends the wait
   * where a worker's script comes over a network.
   */
  spawn(start: WorkerStart, startMs: number, onDeath: (reason: string) => void, signal?: AbortSignal): Promise<Spawned>;
  /** Whether relaxed SIMD can be had, and how. `probe`: a module that needs it. */
  relaxed(probe: Uint8Array<ArrayBuffer>): Promise<Answer>;
  /** Whether the compiler can be told to pair vectors into 256 bits. */
  wide(): Answer;
  /** Kernels are compiled before the first of them runs, so those that nothing will call are worth leaving out. */
  readonly compilesAhead: boolean;
  /** `unused`: exports that nothing will call, where the host compiles ahead. The signal ends a fetch. */
  compile(
    build: Build,
    wide: boolean,
    unused: (name: string) => boolean,
    signal?: AbortSignal,
  ): Promise<WebAssembly.Module>;
  /** PNG, JPEG, the first frame of a GIF, WebP. */
  readonly decode: Decode;
  /** Whether the caller's thread may wait for others within a kernel. */
  readonly mayBlock: boolean;
  /** A turn of the event loop, as short as this runtime has. */
  turn(): Promise<void>;
  /** Work of the caller's thread between two turns, in milliseconds of performance.now(); 0: a turn after every step. */
  readonly turnMs: number;
}

export interface Files {
  readonly system: typeof import("node:fs/promises");
  /** Throws where a file URL names no path. */
  pathOf(url: URL): string;
}
