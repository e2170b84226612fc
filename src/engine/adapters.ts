import { orAborted } from "../abortable.ts";
import { openAdapter } from "../checkpoint/adapter.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { CheckpointLike } from "../checkpoint/open.ts";
import { EngineError } from "../error.ts";
import { checkString, isArray, isPlain, outOfRange, readOptions, wrong } from "../given.ts";
import type { ModelConfig } from "../model/config/config.ts";
import { type Adapter, mapAdapter } from "../model/plan/adapter.ts";
import type { ModelPlan } from "../model/plan/sizes.ts";

/** Adapters of low rank (LoRA) that a model is loaded with; its requests choose among them. */

export interface AdapterOptions {
  /** A folder as PEFT writes it (`adapter_config.json` and `adapter_model.safetensors`), or a GGUF adapter. */
  source: CheckpointLike;
  /** What it is multiplied by, beside its own alpha and rank. Default 1. */
  scale?: number;
  /** By which requests choose it. Default: the base name of its file or folder. */
  name?: string;
}

export interface AdapterInfo {
  readonly name: string;
  /** As it was asked for. */
  readonly scale: number;
  /** The largest of its matrices. */
  readonly rank: number;
  /** What it changes, each in one layer at least, in the order of the forward pass: `q`, `k`, `v`, `o`, `gate`, `up`, `down`. */
  readonly targets: readonly string[];
  /** In memory, where it is as wide as the widest adapter of the same matrix. */
  readonly bytes: number;
}

/** More would rather be chosen at another place than in one model. */
const MOST_ADAPTERS = 64;
const LONGEST_NAME = 256;

/** The list as it was given, read once. */
export function checkAdapters(given: unknown): readonly AdapterOptions[] {
  if (given === undefined) return [];
  if (!isArray(given)) throw outOfRange("adapters", given, "an array of { source, scale, name }");
  if (given.length > MOST_ADAPTERS) throw outOfRange("adapters", given.length, `at most ${MOST_ADAPTERS} adapters`);
  return Array.from({ length: given.length }, (_, index): AdapterOptions => {
    const field = `adapters[${index}]`;
    const one = given[index];
    if (!isPlain(one)) throw wrong(field, `${field}: no adapter`, "{ source, scale, name }", one);
    const { source, scale = 1, name } = readOptions(one as unknown as AdapterOptions, ["source", "scale", "name"]);
    if (typeof scale !== "number" || !Number.isFinite(Math.fround(scale)))
      throw outOfRange(`${field}.scale`, scale, "a finite number");
    if (name === undefined) return { source, scale };
    if (checkString(name, `${field}.name`) === "" || name.length > LONGEST_NAME)
      throw outOfRange(`${field}.name`, name, `a string of 1 to ${LONGEST_NAME} units`);
    return { source, scale, name };
  });
}

export interface OpenedAdapter {
  readonly checkpoint: Checkpoint;
  readonly name: string;
  readonly scale: number;
}

/** Headers only. Whoever gets them closes them; after an error all are closed. */
export async function openAdapters(
  given: readonly AdapterOptions[],
  signal: AbortSignal | undefined,
): Promise<readonly OpenedAdapter[]> {
  const opened: OpenedAdapter[] = [];
  try {
    for (const [index, { source, scale = 1, name }] of given.entries()) {
      const opening = openAdapter(source, signal).catch((error: unknown) => {
        throw inList(error, `adapters[${index}].source`);
      });
      const checkpoint = await orAborted(opening, signal, (late) => late.close());
      const one = { checkpoint, scale, name: name ?? checkpoint.name };
      opened.push(one);
      if (opened.some((other) => other !== one && other.name === one.name))
        throw outOfRange(`adapters[${index}].name`, one.name, "a name of its own for each adapter");
    }
    return opened;
  } catch (error) {
    await closeAdapters(opened);
    throw error;
  }
}

/** What is wrong with a source as such, with its place among the options. */
function inList(error: unknown, field: string): unknown {
  if (!(error instanceof EngineError) || error.at?.source !== "option") return error;
  const { code, limit, actual } = error;
  const at = { source: "option", field } as const;
  return new EngineError(code, "this is no source of an adapter", { at, limit, actual, cause: error });
}

export async function closeAdapters(opened: readonly OpenedAdapter[]): Promise<void> {
  await Promise.all(opened.map(({ checkpoint }) => checkpoint.close()));
}

export function mapAdapters(
  opened: readonly OpenedAdapter[],
  config: ModelConfig,
): { adapters: readonly Adapter[]; warnings: readonly string[] } {
  const mapped = opened.map(({ checkpoint, ...named }) => mapAdapter(checkpoint, named, config));
  return {
    adapters: mapped.map(({ adapter }) => adapter),
    warnings: mapped.flatMap(({ warnings }, index) => [...opened[index].checkpoint.warnings, ...warnings]),
  };
}

const ORDER = ["q", "k", "v", "o", "gate", "up", "down"];

export function describeAdapters(adapters: readonly Adapter[], plan: ModelPlan): AdapterInfo[] {
  const bytesOf = new Map(
    plan.placed.flatMap(({ layout }) =>
      layout.adapters.matrices.map(({ matrix, to }) => [matrix, to.at.bytes] as const),
    ),
  );
  return adapters.map(({ name, scale, pairs }) => {
    const matrices = [...pairs.values()].flatMap(({ a, b }) => [a, b]);
    const parts = new Set([...pairs.keys()].map((target) => target.split(".").at(-1)!));
    return {
      name,
      scale,
      rank: Math.max(...[...pairs.values()].map(({ rank }) => rank)),
      targets: ORDER.filter((part) => parts.has(part)),
      bytes: matrices.reduce((bytes, matrix) => bytes + bytesOf.get(matrix)!, 0),
    };
  });
}
