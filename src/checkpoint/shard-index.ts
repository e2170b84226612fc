import { EngineError } from "../error.ts";
import type { ByteSource } from "./checkpoint.ts";
import { JSON_RULES, readWhole } from "./json-file.ts";
import { JsonScanner } from "./json-scanner.ts";

/** `model.safetensors.index.json`: which tensor lies in which shard. Its file names are not trusted. */

const MAX_BYTES = 64 * 2 ** 20;
const MAX_DEPTH = 4;

/** Each shard is an open file. */
const MAX_SHARDS = 4096;

/** A plain base name: no separators, drives, URLs or control characters. */
const SHARD_NAME = /^[A-Za-z0-9._-]+\.safetensors$/;

export interface ShardIndex {
  /** Shard name -> names of its tensors. */
  shards: Map<string, Set<string>>;
  /** As the index states it; a few writers leave it out. */
  totalSize: number | undefined;
}

export async function readShardIndex(source: ByteSource): Promise<ShardIndex> {
  const bytes = await readWhole(source, MAX_BYTES, "JSON_SIZE");
  const place = { source: "json", file: source.name } as const;
  const scanner = new JsonScanner(bytes, { ...JSON_RULES, maxDepth: MAX_DEPTH }, place);
  if (!scanner.isObject()) throw scanner.error("INDEX_SHAPE", "the index is not an object");
  let shards: Map<string, Set<string>> | undefined;
  let totalSize: number | undefined;
  scanner.object((key, at) => {
    if (key === "metadata" && scanner.isObject()) totalSize = readTotalSize(scanner, bytes);
    else if (key !== "weight_map") scanner.skip();
    else if (shards) throw scanner.error("INDEX_SHAPE", "the key occurs twice", at);
    else shards = readWeightMap(scanner);
  });
  scanner.end();
  if (shards) return { shards, totalSize };
  throw new EngineError("INDEX_SHAPE", "the index has no weight_map", { at: { ...place, field: "/weight_map" } });
}

/** Some writers wrote it as 1.3e+10; it is compared for a warning only, so any number will do. */
function readTotalSize(scanner: JsonScanner, bytes: Uint8Array): number | undefined {
  let totalSize: number | undefined;
  scanner.object((key) => {
    scanner.peek();
    const start = scanner.at;
    scanner.skip();
    const text = new TextDecoder().decode(bytes.subarray(start, scanner.at));
    if (key === "total_size" && /^[\d.eE+-]+$/.test(text)) totalSize = Number(text);
  });
  return totalSize;
}

function readWeightMap(scanner: JsonScanner): Map<string, Set<string>> {
  if (!scanner.isObject()) throw scanner.error("INDEX_SHAPE", "the weight map is not an object");
  const shards = new Map<string, Set<string>>();
  const seen = new Set<string>();
  scanner.object((tensor, at) => {
    if (seen.has(tensor)) throw scanner.error("INDEX_TENSOR", "a tensor is mapped twice", at);
    seen.add(tensor);
    if (!scanner.isString()) throw scanner.error("INDEX_SHAPE", "a shard is named by a string");
    const nameAt = scanner.at;
    const shard = scanner.string();
    if (!SHARD_NAME.test(shard)) {
      const detail = { limit: "a plain name that ends in .safetensors", actual: shard };
      throw scanner.error("INDEX_PATH", "a shard lies beside its index", nameAt, detail);
    }
    const tensors = shards.get(shard) ?? new Set();
    if (shards.set(shard, tensors.add(tensor)).size > MAX_SHARDS) {
      throw scanner.error("INDEX_SHARDS", "too many shards", nameAt, { limit: `at most ${MAX_SHARDS}` });
    }
  });
  return shards;
}
