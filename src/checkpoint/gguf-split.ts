import { EngineError, quoteName } from "../error.ts";
import type { ByteSource, MetadataValue, StoredTensor } from "./checkpoint.ts";
import { baseName } from "./file-source.ts";

/**
 * Split GGUF: `<prefix>-00001-of-00004.gguf` ... Names count from 1, `split.no` from 0. Only the first shard has the
 * model's metadata; every shard is a complete GGUF file of its own, and no tensor spans two.
 */

/** What one file says, its siblings left aside. */
export interface GgufFile {
  source: ByteSource;
  spans: Map<string, readonly [number, number]>;
  metadata: Map<string, MetadataValue>;
  tensors: Map<string, StoredTensor>;
  unread: Map<string, string>;
  warnings: string[];
}

const NAME = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/is;

/** How many shards there are, and what the others are called; a file that is not split has one. */
export function shardPlace(first: GgufFile): { count: number; nameOf: (number: number) => string } {
  const count = splitNumber(first, "split.count") ?? 1;
  if (count <= 1) return { count: 1, nameOf: () => first.source.name };
  const number = splitNumber(first, "split.no") ?? 0;
  const match = NAME.exec(baseName(first.source.name));
  if (number !== 0) {
    const hint = match ? `open ${quoteName(nameOf(match[1], 0, count, match[4]))}` : "open the first one";
    throw splitError(first, "split.no", `this is shard ${number + 1} of ${count}: ${hint}`, 0, number);
  }
  if (!match || Number(match[2]) !== 1 || Number(match[3]) !== count) {
    const what = "the name of the first shard does not lead to the others";
    throw splitError(first, "split.count", what, `a name that ends in ${nameOf("", 0, count)}`, first.source.name);
  }
  return { count, nameOf: (sibling) => nameOf(match[1], sibling, count, match[4]) };
}

/** Checks that the shards belong together and merges their tensors. `others` are shards 1, 2, ... */
export function joinShards(first: GgufFile, others: GgufFile[], count: number) {
  const tensors = new Map<string, StoredTensor>(first.tensors);
  const unread = new Map<string, string>(first.unread);
  const warnings = [...first.warnings];
  for (const [index, shard] of others.entries()) {
    checkShard(first, shard, index + 1, count);
    for (const [name, tensor] of shard.tensors) {
      const earlier = tensors.get(name);
      if (earlier) {
        const what = `the tensor ${quoteName(name)} is also in ${quoteName(earlier.source.name)}`;
        throw splitError(shard, `tensors[${name}]`, what);
      }
      tensors.set(name, tensor);
    }
    for (const [name, type] of shard.unread) unread.set(name, type);
    warnings.push(...shard.warnings);
  }
  const total = count > 1 ? splitNumber(first, "split.tensors.count") : undefined;
  if (total !== undefined && total !== tensors.size + unread.size) {
    throw splitError(
      first,
      "split.tensors.count",
      "the shards together hold another number of tensors",
      total,
      tensors.size,
    );
  }
  return { tensors, unread, warnings };
}

function checkShard(first: GgufFile, shard: GgufFile, number: number, count: number): void {
  const expected: [string, number | undefined][] = [
    ["split.no", number],
    ["split.count", count],
    ["split.tensors.count", splitNumber(first, "split.tensors.count")],
  ];
  for (const [key, value] of expected) {
    const actual = splitNumber(shard, key);
    if (actual !== value)
      throw splitError(shard, key, "the shard belongs to another file", value ?? "none", actual ?? "none");
  }
  const architecture = shard.metadata.get("general.architecture");
  if (architecture !== undefined && architecture !== first.metadata.get("general.architecture")) {
    throw splitError(
      shard,
      "general.architecture",
      "the shard belongs to another model",
      undefined,
      String(architecture),
    );
  }
}

function splitNumber(file: GgufFile, key: string): number | undefined {
  const value = file.metadata.get(key);
  if (value === undefined || (typeof value === "number" && Number.isInteger(value) && value >= 0)) return value;
  throw new EngineError("GGUF_KV_TYPE", "the number of a split file has another type", {
    at: { source: "gguf", file: file.source.name, field: key },
    limit: "an integer from 0",
    actual: typeof value === "object" ? "an array" : String(value),
  });
}

function nameOf(prefix: string, number: number, count: number, suffix = ".gguf"): string {
  return `${prefix}-${padded(number + 1)}-of-${padded(count)}${suffix}`;
}

function padded(number: number): string {
  return String(number).padStart(5, "0");
}

function splitError(file: GgufFile, field: string, what: string, limit?: number | string, actual?: number | string) {
  return new EngineError("GGUF_SPLIT", what, { at: { source: "gguf", file: file.source.name, field }, limit, actual });
}
