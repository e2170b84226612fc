import { EngineError } from "../error.ts";

/**
 * The two builds of the kernels, and which one this host gets.
 *
 * `simd` runs everywhere; `relaxed` adds relaxed SIMD where the host has it. Each is compiled once a process.
 */

export type Build = "simd" | "relaxed";

export interface Kernels {
  readonly build: Build;
  /** Why this build, for `model.info`. */
  readonly reason: string;
  readonly module: WebAssembly.Module;
}

/** (module (func (result v128) (f32x4.relaxed_madd three times i8x16.splat (i32.const 0))) */
// prettier-ignore
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65,
  0, 253, 15, 253, 133, 2, 11,
]);

const hasRelaxed = () => WebAssembly.validate(RELAXED_PROBE);
/** Before anybody switched it on: the default must not depend on what the process loaded before. */
const RELAXED_BY_ITSELF = hasRelaxed();

const compiled = new Map<Build, Promise<WebAssembly.Module>>();

/** `wanted` undefined: relaxed where the host has it by itself, else simd. */
export async function openKernels(wanted: Build | undefined): Promise<Kernels> {
  if (wanted === "simd") return { build: "simd", reason: "asked for", module: await compile("simd") };
  if (RELAXED_BY_ITSELF) {
    const reason = wanted ? "asked for" : "the host has relaxed SIMD";
    return { build: "relaxed", reason, module: await compile("relaxed") };
  }
  if (wanted === undefined) {
    return { build: "simd", reason: "the host has no relaxed SIMD switched on", module: await compile("simd") };
  }
  await switchRelaxedOn();
  if (!hasRelaxed()) {
    throw new EngineError("BUILD_UNSUPPORTED", "this host cannot run the relaxed build", {
      at: { source: "option", field: "build" },
      actual: "relaxed",
      limit: '"simd"',
    });
  }
  return {
    build: "relaxed",
    reason: "asked for; relaxed SIMD was switched on in V8",
    module: await compile("relaxed"),
  };
}

/** Node 20 has relaxed SIMD behind a V8 flag that also works at run time, for workers too. Others: no effect. */
async function switchRelaxedOn(): Promise<void> {
  if (typeof process === "undefined" || !process.versions?.v8) return;
  const { setFlagsFromString } = await import("node:v8");
  setFlagsFromString("--experimental-wasm-relaxed-simd");
}

function compile(build: Build): Promise<WebAssembly.Module> {
  let module = compiled.get(build);
  if (!module) {
    module = readKernels(build).then((bytes) => WebAssembly.compile(bytes));
    compiled.set(build, module);
    module.catch(() => compiled.delete(build));
  }
  return module;
}

async function readKernels(build: Build): Promise<BufferSource> {
  const url = new URL(`../../build/${build}.wasm`, import.meta.url);
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return await readFile(url);
  }
  return await (await fetch(url)).arrayBuffer();
}
