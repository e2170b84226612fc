import { EngineError } from "../error.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { baseName, openFile } from "./file-source.ts";
import { readJson } from "./json-file.ts";
import { type CheckpointLike, isFolder, openCheckpoint } from "./open.ts";
import { readSafetensors } from "./safetensors.ts";
import { placeOf } from "./source.ts";

/** Opens an adapter: a folder as PEFT writes it, or a GGUF file, or a checkpoint that is open already. What it says is read elsewhere. */

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
/** Lists of modules and tables of ranks. */
const LIMITS = { bytes: 16 * 2 ** 20, depth: 32, values: 2 ** 18 };

export async function openAdapter(source: CheckpointLike, signal?: AbortSignal): Promise<Checkpoint> {
  const path = placeOf(source);
  if (typeof path !== "string" || !(await isFolder(path))) return await openCheckpoint(source, signal);
  return await openPeft(path.replace(/(?<=[^/\\])[/\\]+$/, ""));
}

async function openPeft(path: string): Promise<Checkpoint> {
  const config = await openPart(path, CONFIG);
  let said: unknown;
  try {
    said = await readJson(config, LIMITS);
  } finally {
    await config.close();
  }
  const weights = await openPart(path, WEIGHTS);
  try {
    const { tensors, unread, warnings } = await readSafetensors(weights);
    return {
      format: "safetensors",
      name: baseName(path),
      tensors,
      unread,
      metadata: new Map(),
      json: new Map([[CONFIG, said]]),
      chatTemplate: undefined,
      warnings,
      verify: async () => await weights.verify?.(),
      close: () => weights.close(),
    };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

async function openPart(path: string, name: string) {
  try {
    return await openFile(`${path}/${name}`);
  } catch (cause) {
    if (!(cause instanceof EngineError) || cause.code !== "FILE_MISSING") throw cause;
    throw new EngineError("ADAPTER_MISSING", "the folder holds no adapter", {
      at: { source: "file", file: path },
      limit: `${CONFIG} and ${WEIGHTS}`,
      actual: `no ${name}`,
      cause,
    });
  }
}
