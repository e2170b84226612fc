import { EngineError, quoteName } from "../error.ts";
import type { ByteSource, Checkpoint, StoredTensor } from "./checkpoint.ts";
import { baseName, filesOf, openFile } from "./file-source.ts";
import { type JsonLimits, readJson } from "./json-file.ts";
import { pointer } from "./json-scanner.ts";
import { readSafetensors } from "./safetensors.ts";
import { readShardIndex } from "./shard-index.ts";
import { readTextFiles } from "./text-files.ts";

/** A folder as Hugging Face lays it out: JSON files, and weights in one safetensors file or in shards with an index. */

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** The tokenizer of Llama 4 has 27 MiB, a depth of 8 and 1.6 million values; the other files are kilobytes. */
const JSON_FILES: Record<string, JsonLimits> = {
  "config.json": { bytes: 16 * 2 ** 20, depth: 32, values: 2 ** 18 },
  "tokenizer.json": { bytes: 64 * 2 ** 20, depth: 64, values: 2 ** 22 },
  "tokenizer_config.json": { bytes: 16 * 2 ** 20, depth: 32, values: 2 ** 18 },
  "generation_config.json": { bytes: 16 * 2 ** 20, depth: 32, values: 2 ** 18 },
  "special_tokens_map.json": { bytes: 2 ** 20, depth: 32, values: 2 ** 18 },
  "added_tokens.json": { bytes: 2 ** 20, depth: 32, values: 2 ** 18 },
  "chat_template.json": { bytes: 2 ** 20, depth: 32, values: 2 ** 18 },
  "processor_config.json": { bytes: 2 ** 20, depth: 32, values: 2 ** 18 },
};

interface Weights {
  tensors: Map<string, StoredTensor>;
  warnings: string[];
}

export async function openFolder(path: string): Promise<Checkpoint> {
  const sources: ByteSource[] = [];
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  const verify = async () => {
    for (const source of sources) await source.verify?.();
  };
  try {
    const json = await readJsonFiles(path);
    const texts = await readTextFiles(path, json.has("tokenizer.json"), readOptional);
    const { tensors, warnings } = await readWeights(path, sources);
    const name = baseName(path);
    return { format: "safetensors", name, tensors, metadata: new Map(), json, ...texts, warnings, verify, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readJsonFiles(path: string): Promise<Map<string, unknown>> {
  const json = new Map<string, unknown>();
  for (const [name, limits] of Object.entries(JSON_FILES)) {
    const value = await readOptional(path, name, (source) => readJson(source, limits));
    if (value !== undefined) json.set(name, value);
  }
  return json;
}

async function readOptional<T>(path: string, name: string, read: (source: ByteSource) => Promise<T>) {
  const source = await openOptional(path, name);
  if (!source) return undefined;
  try {
    return await read(source);
  } finally {
    await source.close();
  }
}

async function openOptional(path: string, name: string): Promise<ByteSource | undefined> {
  try {
    return await openFile(`${path}/${name}`);
  } catch (error) {
    if (error instanceof EngineError && error.code === "FILE_MISSING") return undefined;
    throw error;
  }
}

/** Every source that stays open goes to `sources`, at once: whoever catches an error closes them. */
async function readWeights(path: string, sources: ByteSource[]): Promise<Weights> {
  const single = await openOptional(path, SINGLE);
  if (single) {
    sources.push(single);
    return readSafetensors(single);
  }
  const index = await readOptional(path, INDEX, readShardIndex);
  if (!index) throw await noWeights(path);
  const weights: Weights = { tensors: new Map(), warnings: [] };
  let total = 0;
  for (const [shard, listed] of index.shards) {
    const source = await openShard(path, shard);
    sources.push(source);
    total += await addShard(weights, source, listed);
  }
  if (index.totalSize !== undefined && index.totalSize !== total) {
    weights.warnings.push(`INDEX_TOTAL_SIZE: ${INDEX} says ${index.totalSize} bytes, its shards hold ${total}`);
  }
  return weights;
}

/** What a shard holds and what the index lists for it must be the same, name by name. Returns the shard's bytes of data. */
async function addShard(weights: Weights, source: ByteSource, listed: Set<string>): Promise<number> {
  const { tensors, leftOut, dataBytes, warnings } = await readSafetensors(source);
  const fail = (name: string, what: string) => {
    const at = { source: "json", file: INDEX, field: `/weight_map${pointer(name)}` } as const;
    return new EngineError("INDEX_TENSOR", `${what} ${quoteName(source.name)}`, { at });
  };
  for (const name of listed) {
    if (!tensors.has(name) && !leftOut.has(name)) throw fail(name, "the tensor is not in its shard");
  }
  for (const [name, tensor] of tensors) {
    if (weights.tensors.has(name)) throw fail(name, "a second copy of the tensor is in");
    if (!listed.has(name)) throw fail(name, "the index does not list the tensor for the shard that holds it,");
    weights.tensors.set(name, tensor);
  }
  weights.warnings.push(...warnings);
  return dataBytes;
}

async function openShard(path: string, name: string): Promise<ByteSource> {
  const at = { source: "file", file: name } as const;
  await refuseEscape(path, name);
  try {
    return await openFile(`${path}/${name}`);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    if (cause.code === "FILE_MISSING") throw new EngineError("SHARD_MISSING", "a shard is missing", { at, cause });
    if (cause.code !== "FILE_NOT_REGULAR") throw cause;
    throw new EngineError("SHARD_NOT_FILE", "a shard is not a regular file", { at, cause });
  }
}

/**
 * A downloaded folder must not reach files elsewhere through links. The one layout that does so for good reason is
 * allowed: the hub's cache, where `snapshots/<revision>/` links to `blobs/` beside it. Hard links cannot be told.
 */
async function refuseEscape(path: string, name: string): Promise<void> {
  const { realpath } = filesOf(baseName(path)).system;
  let folder: string;
  let file: string;
  try {
    folder = await realpath(path);
    file = await realpath(`${path}/${name}`);
  } catch {
    return; // Missing: opening it says so.
  }
  const target = folderOf(file);
  if (target === folder) return;
  const revisions = folderOf(folder);
  if (baseName(revisions) === "snapshots" && `${folderOf(revisions)}/blobs` === target.replaceAll("\\", "/")) return;
  throw new EngineError("INDEX_PATH", "a shard links to a file outside its folder", {
    at: { source: "file", file: name },
  });
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));
}

async function noWeights(path: string): Promise<EngineError> {
  const { readdir } = filesOf(baseName(path)).system;
  const names = await readdir(path).catch(() => []);
  const gguf = names.sort().find((name) => name.endsWith(".gguf"));
  const hint = gguf ? `; it holds ${quoteName(gguf)}: open that file` : "";
  return new EngineError("CHECKPOINT_EMPTY", `the folder has no weights${hint}`, {
    at: { source: "file", file: baseName(path) },
    limit: `${SINGLE} or ${INDEX}`,
  });
}
