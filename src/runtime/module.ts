import { EngineError } from "../error.ts";

/**
 * The two builds of the kernels, which one this host gets, and whether V8 pairs its vectors.
 *
 * `simd` runs everywhere; `relaxed` adds relaxed SIMD. Wide is no build: it is V8's own pairing of adjacent 128-bit operations
 * into 256-bit ones, the same bits in up to half the time. Each is compiled once a process.
 *
 * In Node the optimising compiler makes all of the module at once, 20-40 ms: by default V8 starts with slow code and replaces it
 * function by function, and the first prefill pays for that. The flags this takes are V8's and the process's, so they are set
 * around one synchronous compilation and put back.
 */

export type Build = "simd" | "relaxed";

export interface Wide {
  readonly on: boolean;
  readonly reason: string;
}

export interface Kernels {
  readonly build: Build;
  /** Why this build, for `model.info`. */
  readonly reason: string;
  readonly wide: Wide;
  readonly module: WebAssembly.Module;
}

/** (module (func (result v128) (f32x4.relaxed_madd three times i8x16.splat (i32.const 0))) */
// prettier-ignore
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65,
  0, 253, 15, 253, 133, 2, 11,
]);
/** An empty custom section "wide": V8 shares code between modules of equal bytes, and narrow code is not wanted here. */
const WIDE_SECTION = [0, 5, 4, 119, 105, 100, 101];

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** `wanted` undefined: relaxed where the host has it, else simd. `wide` is a wish. */
export async function openKernels(wanted: Build | undefined, wide: boolean): Promise<Kernels> {
  const [build, reason] = await chooseBuild(wanted);
  const wideness = canPair(wide);
  return { build, reason, wide: wideness, module: await compile(build, wideness.on) };
}

async function chooseBuild(wanted: Build | undefined): Promise<[Build, string]> {
  if (wanted === "simd") return ["simd", "asked for"];
  if (WebAssembly.validate(RELAXED_PROBE)) return ["relaxed", wanted ? "asked for" : "the host has relaxed SIMD"];
  const { relaxed } = hostFlags();
  if (relaxed && (await withFlags([relaxed], () => WebAssembly.validate(RELAXED_PROBE)))) {
    return ["relaxed", `${wanted ? "asked for" : "the host has relaxed SIMD"}, switched on in V8 for this module`];
  }
  if (wanted === undefined) return ["simd", "the host has no relaxed SIMD"];
  throw new EngineError("BUILD_UNSUPPORTED", "this host cannot run the relaxed build", {
    at: { source: "option", field: "build" },
    actual: "relaxed",
    limit: '"simd"',
  });
}

function canPair(wide: boolean): Wide {
  if (!wide) return { on: false, reason: "not asked for" };
  const node = nodeMajor();
  if (node === undefined) return { on: false, reason: "only Node's V8 can be told to pair vectors" };
  if (!V8_FLAGS[node]?.wide) return { on: false, reason: `V8 pairs vectors in ${WIDE_NODES}, this is Node ${node}` };
  if (process.arch !== "x64") return { on: false, reason: `V8 pairs vectors on x64 alone, this is ${process.arch}` };
  return { on: true, reason: "V8 pairs vectors into 256 bits" };
}

/** undefined: not Node, whatever it says of itself (Deno and Bun answer to `process` too). */
function nodeMajor(): number | undefined {
  if (typeof process === "undefined" || !process.versions?.node) return undefined;
  if (process.versions["bun"] !== undefined || process.versions["deno"] !== undefined) return undefined;
  return Number.parseInt(process.versions.node, 10);
}

interface V8Flags {
  /** The optimising compiler at once. */
  readonly eager: readonly string[];
  /** Switches relaxed SIMD on where the host has it behind a flag. */
  readonly relaxed?: string;
  readonly wide?: string;
}

const EAGER = ["--no-liftoff", "--no-wasm-lazy-compilation"];
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
  .filter((node) => V8_FLAGS[Number(node)].wide)
  .join(" and ")}`;

function hostFlags(): V8Flags {
  return V8_FLAGS[nodeMajor() ?? 0] ?? { eager: [] };
}

/** `work` under V8 flags that are put back after it. */
async function withFlags<Result>(flags: readonly string[], work: () => Result): Promise<Result> {
  if (flags.length === 0) return work();
  const { setFlagsFromString } = await import("node:v8");
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

function compile(build: Build, wide: boolean): Promise<WebAssembly.Module> {
  const name = wide ? `${build} wide` : build;
  let module = compiled.get(name);
  if (!module) {
    module = compileAnew(build, wide);
    compiled.set(name, module);
    module.catch(() => compiled.delete(name));
  }
  return module;
}

async function compileAnew(build: Build, wide: boolean): Promise<WebAssembly.Module> {
  const bytes = await readKernels(build);
  const { eager, ...host } = hostFlags();
  if (eager.length === 0) return await WebAssembly.compile(bytes);
  const flags = [...eager, build === "relaxed" ? host.relaxed : undefined, wide ? host.wide : undefined];
  const source = wide ? Uint8Array.from([...bytes, ...WIDE_SECTION]) : bytes;
  return await withFlags(
    flags.filter((flag) => flag !== undefined),
    () => new WebAssembly.Module(source),
  );
}

async function readKernels(build: Build): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(`../../build/${build}.wasm`, import.meta.url);
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(url));
  }
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}
