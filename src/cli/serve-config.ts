import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { checkLoadOptions, type LoadOptions } from "../engine/load-options.ts";
import { EngineError } from "../error.ts";
import { checkOptions, type GenerateOptions } from "../generate/options.ts";
import { loadModel } from "../index.ts";
import type { PooledModel } from "../server/model-pool.ts";
import { peer } from "../server/peers.ts";
import type { ServedChat } from "../server/server-options.ts";
import { UsageError } from "./split.ts";

/** What `serve --config` reads: several models in one process. */
export interface ServeConfig {
  /** Bytes of all models together. */
  readonly maxMemory: number | undefined;
  readonly models: Readonly<Record<string, PooledModel>>;
  /** Names of those that are loaded at once. */
  readonly preload: readonly string[];
}

/** Throws UsageError with the place that is wrong. Paths are seen from the file's folder. */
export async function readServeConfig(path: string): Promise<ServeConfig> {
  const { z } = await peer(() => import("zod"), "npm install zod");
  const schema = z.strictObject({
    maxMemory: z.union([z.string(), z.int().positive()]).optional(),
    models: z
      .record(
        z.string().min(1),
        z.strictObject({
          source: z.string().min(1),
          aliases: z.array(z.string().min(1)).optional(),
          preload: z.boolean().optional(),
          /** As `loadModel` takes them. */
          load: z.record(z.string(), z.unknown()).optional(),
          /** What requests leave out, as `generate` takes it. */
          defaults: z.record(z.string(), z.unknown()).optional(),
          chat: z.strictObject({ template: z.string().optional(), toolFormat: z.string().optional() }).optional(),
        }),
      )
      .refine((models) => Object.keys(models).length > 0, "no models"),
  });
  const read = schema.safeParse(await readJson(path));
  if (!read.success) {
    const { path: place, message } = read.error.issues[0];
    throw wrongConfig(place.join("."), message);
  }
  const { maxMemory, models } = read.data;
  const limit = inConfig("maxMemory", () => checkLoadOptions(maxMemory === undefined ? {} : { maxMemory }).maxMemory);
  const folder = dirname(resolve(path));
  const pooled = Object.entries(models).map(([name, model]): [string, PooledModel] => {
    const { source, aliases, defaults = {}, chat } = model;
    // As where one model is served: what its processor has is used, unless somebody says no.
    const load = { wide: true, ...model.load };
    inConfig(`models.${name}.load`, () => checkLoadOptions(load as LoadOptions));
    const wide = { vocab: Number.MAX_SAFE_INTEGER, context: Number.MAX_SAFE_INTEGER };
    inConfig(`models.${name}.defaults`, () => checkOptions(defaults, wide));
    const place = /^https?:/.test(source) ? source : resolve(folder, source);
    return [
      name,
      {
        key: JSON.stringify([place, load]),
        ...{ aliases, defaults: defaults as GenerateOptions, chat: chat as ServedChat | undefined },
        load: ({ maxMemory: left }) => loadModel(place, { ...load, maxMemory: least(left, model.load?.["maxMemory"]) }),
      },
    ];
  });
  const preload = Object.keys(models).filter((name) => models[name].preload);
  return { maxMemory: limit, models: Object.fromEntries(pooled), preload };
}

/** What is left of all, or what the model alone may have. */
function least(left: number | undefined, own: unknown): number | undefined {
  const limit = own === undefined ? undefined : checkLoadOptions({ maxMemory: own as string }).maxMemory;
  if (left === undefined || limit === undefined) return left ?? limit;
  return Math.min(left, limit);
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`--config cannot be read, got ${code ?? message}, expected a file of JSON`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('--config is no JSON, expected { "models": { name: { "source": path } } }');
  }
}

function inConfig<Result>(place: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw wrongConfig(place, error.message);
  }
}

const wrongConfig = (place: string, message: string) =>
  new UsageError(`--config is wrong${place === "" ? "" : ` at ${place}`}: ${message}`);
