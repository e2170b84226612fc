import { EngineError, quoteName } from "../error.ts";
import type { ByteSource, Checkpoint } from "./checkpoint.ts";
import { baseName } from "./file-source.ts";
import { MIN_PAIR_BYTES, readMetadata } from "./gguf-metadata.ts";
import { type GgufFile, joinShards, shardPlace } from "./gguf-split.ts";
import { MIN_TENSOR_BYTES, readTensors } from "./gguf-tensors.ts";
import { HeaderWindow } from "./gguf-window.ts";
import { leftOut } from "./unread.ts";

/**
 * GGUF (versions 2 and 3, little-endian):
 *   "GGUF" | u32 version | u64 tensors | u64 pairs | pairs | tensor directory | padding | data
 * Every count is bounded by the bytes that remain before anything is allocated or looped over.
 */

/** Files in use have fewer than a hundred pairs, and fewer than ten thousand tensors. */
const MAX_PAIRS = 100_000;
const MAX_TENSORS = 1_000_000;

/**
 * Opens a GGUF file or the first shard of a split one, whose other shards `siblings` opens by name. Takes the source
 * over: it is closed with the checkpoint, or before an error is thrown.
 */
export async function openGguf(
  source: ByteSource,
  siblings?: (name: string) => Promise<ByteSource>,
): Promise<Checkpoint> {
  const sources = [source];
  const close = async () => {
    await Promise.all(sources.map((opened) => opened.close()));
  };
  try {
    const first = await readGguf(source);
    const others: GgufFile[] = [];
    const { count, nameOf } = shardPlace(first);
    for (let number = 1; number < count; number++) {
      const shard = await openSibling(source, nameOf(number), siblings);
      sources.push(shard);
      others.push(await readGguf(shard));
    }
    const { tensors, unread, warnings } = joinShards(first, others, count);
    const verify = async () => {
      for (const opened of sources) await opened.verify?.();
    };
    const { metadata, spans } = first;
    const storedPair = async (key: string) => {
      const [start, end] = spans.get(key)!;
      const bytes = new Uint8Array(end - start);
      await source.read(start, bytes);
      return bytes;
    };
    return {
      format: "gguf",
      name: baseName(source.name),
      tensors,
      unread,
      metadata,
      storedPair,
      json: new Map(),
      chatTemplate: undefined,
      get warnings() {
        return [...warnings, ...sources.flatMap((opened) => opened.warnings ?? [])];
      },
      verify,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openSibling(source: ByteSource, name: string, siblings?: (name: string) => Promise<ByteSource>) {
  const at = { source: "gguf", file: source.name, field: "split.count" } as const;
  if (!siblings) {
    const what = `the file is one of several shards, and ${quoteName(name)} cannot be found from it: open it by its path`;
    throw new EngineError("GGUF_SPLIT", what, { at });
  }
  try {
    return await siblings(name);
  } catch (cause) {
    if (!(cause instanceof EngineError) || cause.code !== "FILE_MISSING") throw cause;
    throw new EngineError("GGUF_SPLIT", `the shard ${quoteName(name)} is missing`, { at, cause });
  }
}

async function readGguf(source: ByteSource): Promise<GgufFile> {
  const window = new HeaderWindow(source);
  await window.fill(24);
  checkMagic(window);
  checkVersion(window);
  const tensorCount = readCount(window, "n_tensors", MAX_TENSORS, MIN_TENSOR_BYTES);
  const pairCount = readCount(window, "n_kv", MAX_PAIRS, MIN_PAIR_BYTES);
  const { values, spans, alignment, warnings } = await readMetadata(window, pairCount);
  const { tensors, unread, end } = await readTensors(window, tensorCount, alignment);
  const trailing = source.size - end;
  if (trailing > alignment) {
    warnings.push(`GGUF_TRAILING: ${quoteName(source.name)} has ${trailing} unused bytes after its last tensor`);
  }
  warnings.push(...leftOut("GGUF_TENSOR_TYPE", source.name, unread));
  return { source, metadata: values, spans, tensors, unread, warnings };
}

/** What is taken for a model, by how it begins. */
const OTHERS = [
  {
    begins: /^version https:\/\/git-lfs/,
    what: "this is a git-LFS pointer, not the model: fetch the file itself with `git lfs pull`",
  },
  {
    begins: /^PK\x03\x04/,
    what: "not a GGUF file but a ZIP, as PyTorch's weights are: those can hold code and are not read",
  },
  { begins: /^\s*\{/, what: "not a GGUF file but JSON: weights beside it are opened by their folder" },
  { begins: /^\s*<(?:!doctype|html)/i, what: "not a GGUF file but a web page that was saved in its place" },
];

function checkMagic(window: HeaderWindow): void {
  const at = window.take(4, "magic");
  const magic = window.bytes.subarray(at, at + 4);
  const text = String.fromCharCode(...magic);
  if (text === "GGUF") return;
  const hex = Array.from(magic, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const head = new TextDecoder().decode(window.bytes.subarray(at, at + Math.min(40, window.ready + 4)));
  const other = OTHERS.find(({ begins }) => begins.test(head));
  const what = other?.what ?? "not a GGUF file";
  throw window.error("GGUF_MAGIC", what, "magic", 0, "47 47 55 46 (GGUF)", hex);
}

function checkVersion(window: HeaderWindow): void {
  const version = window.u32("version");
  if (version === 2 || version === 3) return;
  if ((version & 0xffff) === 0 && version !== 0 && version < 2 ** 31) {
    throw window.error("GGUF_ENDIAN", "the file is big-endian", "version", 4, "a little-endian file", version);
  }
  throw window.error("GGUF_VERSION", "unsupported GGUF version", "version", 4, "2..3", version);
}

function readCount(window: HeaderWindow, field: string, cap: number, bytesEach: number): number {
  const offset = window.offset;
  const count = window.u64(field);
  const limit = Math.min(cap, Math.floor(window.left / bytesEach));
  if (count <= limit) return Number(count);
  const what = "the file claims more entries than are allowed or fit in it";
  throw window.error("GGUF_COUNT", what, field, offset, limit, count);
}
