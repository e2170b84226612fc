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
  "preprocessor_config.json": { bytes: 2 ** 20, depth: 32, values: 2 ** 18 },
  "processor_config.json": { bytes: 2 ** 20, depth: 32, values: 2 ** 18 },
};

interface Weights {
  tensors: Map<string, StoredTensor>;
  /** Of types that no weights have here, with the type. */
  unread: Map<string, string>;
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
    const { tensors, unread, warnings } = await readWeights(path, sources);
    const name = baseName(path);
    return {
      format: "safetensors",
      name,
      tensors,
      unread,
      metadata: new Map(),
      json,
      ...texts,
      warnings,
      verify,
      close,
    };
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
  const weights: Weights = { tensors: new Map(), unread: new Map(), warnings: [] };
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
  const { tensors, unread, dataBytes, warnings } = await readSafetensors(source);
  const fail = (name: string, what: string) => {
    const at = { source: "json", file: INDEX, field: `/weight_map${pointer(name)}` } as const;
    return new EngineError("INDEX_TENSOR", `${what} ${quoteName(source.name)}`, { at });
  };
  for (const name of listed) {
    if (!tensors.has(name) && !unread.has(name)) throw fail(name, "the tensor is not in its shard");
  }
  for (const [name, tensor] of tensors) {
    if (weights.tensors.has(name)) throw fail(name, "a second copy of the tensor is in");
    if (!listed.has(name)) throw fail(name, "the index does not list the tensor for the shard that holds it,");
    weights.tensors.set(name, tensor);
  }
  for (const [name, type] of unread) weights.unread.set(name, type);
  weights.warnings.push(...warnings);
  return dataBytes;
}

async function openShard(path: string, name: string): Promise<ByteSource> {
  const file = `${path}/${name}`;
  const at = { source: "file", file } as const;
  try {
    return await openFile(file);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    if (cause.code === "FILE_MISSING") throw new EngineError("SHARD_MISSING", "a shard is missing", { at, cause });
    if (cause.code !== "FILE_NOT_REGULAR") throw cause;
    throw new EngineError("SHARD_NOT_FILE", "a shard is not a regular file", { at, cause });
  }
}

async function noWeights(path: string): Promise<EngineError> {
  const { readdir } = filesOf(path).system;
  const names = await readdir(path).catch(() => []);
  const hint = hintOf(names);
  return new EngineError("CHECKPOINT_EMPTY", `the folder has no weights${hint && `; ${hint}`}`, {
    at: { source: "file", file: path },
    limit: `${SINGLE}, ${INDEX}, or one GGUF file`,
  });
}

/** What to do about that which lies there instead. */
function hintOf(names: readonly string[]): string {
  const find = (pattern: RegExp) => names.find((name) => pattern.test(name));
  const weights = find(/\.safetensors$/);
  if (find(/^adapter_model\./))
    return "an adapter (LoRA) is no model of its own: load the model that it was trained on with the option adapters";
  if (weights && /-\d{5}-of-\d{5}/.test(weights))
    return `${quoteName(weights)} is a shard, and the index that lists them all is missing`;
  if (weights) return `${quoteName(weights)} is laid out otherwise: save the model with transformers' save_pretrained`;
  if (find(/^(?:pytorch_model.*|consolidated.*)\.(?:bin|pth?)$/))
    return "its PyTorch files can hold code and are not read: save the model again with safe_serialization";
  return "";
}
