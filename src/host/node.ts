import { setFlagsFromString } from "node:v8";
import type { Build } from "./build.ts";
import type { Host } from "./host.ts";
import type { Answer } from "./host-facts.ts";
import { joined } from "./joined.ts";
import { withoutBodies } from "./kernel-bodies.ts";
import { kernelsInvalid } from "./kernels.ts";
import { readKernels } from "./node-files.ts";
import { compileKernels, nodeLike } from "./node-like.ts";
import { noThreads } from "./web-host.ts";

/**
 * Node. Its V8 takes flags while it runs, and gets three: the optimising compiler at once, 40 ms for the kernels of a model (by
 * default V8 starts with slow code and replaces it function by function, which the first prefill pays for); relaxed SIMD on Node 20;
 * pairing of vectors. Flags are the process's, so they are set around one synchronous compilation and put back.
 */

interface V8Flags {
  /** The optimising compiler at once. */
  readonly eager: readonly string[];
  /** Switches relaxed SIMD on where the host has it behind a flag. */
  readonly relaxed?: string;
  readonly wide?: string;
}

/** The third V8 sets of itself with the first, and does not put back with it. */
const EAGER = ["--no-liftoff", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"];
/** Inlining wants the counts that slow code collects: without them V8 14 stops the process. */
const EAGER_24 = [...EAGER, "--no-wasm-inlining"];
const WIDE = "--experimental-wasm-revectorize"; // Node 22 has the flag without effect

/** By Node's major version, each tried; one that is not here gets no flags. */
const V8_FLAGS: Readonly<Record<number, V8Flags>> = {
  20: { eager: EAGER, relaxed: "--experimental-wasm-relaxed-simd" },
  22: { eager: EAGER },
  24: { eager: EAGER_24, wide: WIDE },
  26: { eager: EAGER_24, wide: WIDE },
};
const WIDE_NODES = `Node ${Object.keys(V8_FLAGS)
  .filter((version) => V8_FLAGS[Number(version)].wide)
  .join(" and ")}`;
const MAJOR = Number.parseInt(process.versions.node, 10);
const FLAGS: V8Flags = V8_FLAGS[MAJOR] ?? { eager: [] };

/** An empty custom section "wide": V8 shares code between modules of equal bytes, and narrow code is not wanted here. */
const WIDE_SECTION = Uint8Array.of(0, 5, 4, 119, 105, 100, 101);

export const host: Host = {
  ...nodeLike,
  name: "node",

  threads() {
    return mayStartWorkers() ? nodeLike.threads() : { count: 0, reason: NO_WORKERS };
  },

  async spawn(start, startMs, onDeath) {
    if (mayStartWorkers()) return nodeLike.spawn(start, startMs, onDeath);
    throw noThreads(NO_WORKERS);
  },

  async relaxed(probe): Promise<Answer> {
    if (WebAssembly.validate(probe)) return { on: true, reason: "the host has relaxed SIMD" };
    const behind = FLAGS.relaxed !== undefined && withFlags([FLAGS.relaxed], () => WebAssembly.validate(probe));
    return behind
      ? { on: true, reason: "the host has relaxed SIMD, switched on in V8 for this module" }
      : { on: false, reason: "the host has no relaxed SIMD" };
  },

  wide(): Answer {
    if (!FLAGS.wide) return { on: false, reason: `V8 pairs vectors in ${WIDE_NODES}, this is Node ${MAJOR}` };
    if (process.arch !== "x64") return { on: false, reason: `V8 pairs vectors on x64 alone, this is ${process.arch}` };
    return { on: true, reason: "V8 pairs vectors into 256 bits" };
  },

  compilesAhead: FLAGS.eager.length > 0,

  async compile(build: Build, wide: boolean, unused: (name: string) => boolean): Promise<WebAssembly.Module> {
    const bytes = await readKernels(build);
    if (FLAGS.eager.length === 0) return await compileKernels(build, bytes);
    const flags = [...FLAGS.eager, build === "relaxed" ? FLAGS.relaxed : undefined, wide ? FLAGS.wide : undefined];
    try {
      const used = withoutBodies(bytes, unused);
      const source = wide ? joined([used, WIDE_SECTION]) : used;
      return withFlags(
        flags.filter((flag) => flag !== undefined),
        () => new WebAssembly.Module(source),
      );
    } catch (cause) {
      throw kernelsInvalid(`${build}.wasm`, cause);
    }
  },
};

/** Node under --permission; its types of Node 20 do not know it without its flag. */
function mayStartWorkers(): boolean {
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  return permission?.has("worker") ?? true;
}

const NO_WORKERS = "this process may start no workers: Node's --permission goes with --allow-worker";

/** `work` under V8 flags that are put back after it. */
function withFlags<Result>(flags: readonly string[], work: () => Result): Result {
  for (const flag of flags) setFlagsFromString(flag);
  try {
    return work();
  } finally {
    for (const flag of flags) setFlagsFromString(opposite(flag));
  }
}

function opposite(flag: string): string {
  return flag.startsWith("--no-") ? `--${flag.slice(5)}` : `--no-${flag.slice(2)}`;
}
