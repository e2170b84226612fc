import { host } from "#host";
import { EngineError } from "../error.ts";
import type { Build } from "../host/build.ts";
import type { Answer } from "../host/host-facts.ts";
import { type ByteDot, isQuantized, type StoredType, WEIGHT_TYPE_NAMES } from "../weight-types.ts";
import { byteDot } from "./dot.ts";

/**
 * Which build of the kernels this host gets, and whether its compiler pairs their vectors. Wide is no build: it is V8's own pairing
 * of adjacent 128-bit operations into 256-bit ones, the same bits in up to half the time. Each is compiled once a process, but by
 * loads that start together: one that is aborted must not take the other's fetch with it.
 */

export interface Kernels {
  readonly build: Build;
  /** Why this build, for `model.info`. */
  readonly reason: string;
  readonly wide: Answer;
  /** Of the processor. */
  readonly dot: ByteDot;
  readonly module: WebAssembly.Module;
}

/** (module (func (result v128) (f32x4.relaxed_madd three times i8x16.splat (i32.const 0))) */
// prettier-ignore
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65,
  0, 253, 15, 253, 133, 2, 11,
]);

interface Compiled extends Pick<Kernels, "module" | "dot"> {
  readonly build: Build;
  readonly wide: boolean;
  /** Whose kernels are in it; null: all. */
  readonly types: ReadonlySet<StoredType> | null;
}

const compiled: Compiled[] = [];

/**
 * `wanted` undefined: relaxed where the host has it, else simd. `wide` is a wish. `types`: of weights, as they are stored and in memory;
 * kernels of other quantised types may be missing. Without, none is.
 */
export async function openKernels(
  wanted: Build | undefined,
  wide: boolean,
  { types, signal }: { readonly types?: ReadonlySet<StoredType>; readonly signal?: AbortSignal | undefined } = {},
): Promise<Kernels> {
  if (typeof WebAssembly === "undefined") {
    const what = "this host has no WebAssembly: V8 runs with --jitless, or the browser is in a lockdown mode";
    throw new EngineError("WASM_MISSING", what, { at: { source: "kernel" } });
  }
  const [build, reason] = await chooseBuild(wanted);
  const wideness = wide ? host.wide() : { on: false, reason: "not asked for" };
  const { module, dot } = await compile(
    { build, wide: wideness.on, types: (host.compilesAhead && types) || null },
    signal,
  );
  return { build, reason, wide: wideness, module, dot };
}

async function chooseBuild(wanted: Build | undefined): Promise<[Build, string]> {
  if (wanted === "simd") return ["simd", "asked for"];
  const { on, reason } = await host.relaxed(RELAXED_PROBE);
  if (on) return ["relaxed", wanted ? reason.replace("the host has relaxed SIMD", "asked for") : reason];
  if (wanted === undefined) return ["simd", reason];
  throw new EngineError("BUILD_UNSUPPORTED", "this host cannot run the relaxed build", {
    at: { source: "option", field: "build" },
    actual: "relaxed",
    limit: '"simd"',
  });
}

async function compile(wish: Omit<Compiled, "module" | "dot">, signal: AbortSignal | undefined): Promise<Compiled> {
  const { build, wide, types } = wish;
  const known = compiled.find((one) => one.build === build && one.wide === wide && holds(one.types, types));
  if (known) return known;
  const unused = (name: string) => types !== null && isOfOthers(name, types);
  const module = await host.compile(build, wide, unused, signal);
  const made = { ...wish, module, dot: byteDot(module) };
  compiled.push(made);
  return made;
}

function holds(all: Compiled["types"], wanted: Compiled["types"]): boolean {
  return all === null || (wanted !== null && [...wanted].every((type) => !isQuantized(type) || all.has(type)));
}

/** Exports that serve one type of weights are called by what they do and its name; what decodes stored rows is short, and stays. */
const OF_TYPE = /^(?:tile2?|gemv[48]|pack|dequantize|encode)_(.+)$/;
const QUANTIZED = WEIGHT_TYPE_NAMES.filter(isQuantized);

function isOfOthers(name: string, types: ReadonlySet<StoredType>): boolean {
  const [, what = ""] = OF_TYPE.exec(name) ?? [];
  const type = QUANTIZED.find((type) => `${what}_`.startsWith(`${type}_`));
  return type !== undefined && !types.has(type);
}
