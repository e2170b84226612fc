import { host } from "#host";
import { EngineError } from "../error.ts";
import { isFunction, isMap, isRevoked } from "../given.ts";
import { isUrl } from "../realm.ts";
import type { ByteSource, Checkpoint } from "./checkpoint.ts";
import { folderOf } from "./file-source.ts";
import { openFolder } from "./folder.ts";
import { findModel } from "./folder-model.ts";
import { openGguf } from "./gguf.ts";
import { isBlank } from "./safetensors.ts";
import { noSource, openSource, placeOf, type SourceLike } from "./source.ts";

/** Opens whatever holds a model: a folder, a GGUF file, or a checkpoint that is open already. */

export type CheckpointLike = SourceLike | Checkpoint;

/** The signal ends requests to servers, now and while the checkpoint is read. */
export async function openCheckpoint(source: CheckpointLike, signal?: AbortSignal): Promise<Checkpoint> {
  if (isRevoked(source)) throw noSource(source);
  if (isCheckpoint(source)) return source;
  const path = placeOf(source);
  if (typeof path !== "string") return openSingle(path, signal);
  if (!(await isFolder(path))) return openPath(path);
  const { at, kind, warnings } = await findModel(path);
  const checkpoint = await (kind === "folder" ? openFolder(at) : openSingle(at, signal));
  return warnings.length === 0 ? checkpoint : withWarnings(checkpoint, warnings);
}

async function openSingle(place: SourceLike, signal: AbortSignal | undefined): Promise<Checkpoint> {
  const opened = await openSource(place, signal);
  await refuseSafetensors(opened);
  return openGguf(opened, siblingsOf(place, signal));
}

/** Also as a hub's address without `https:`, or with a file's type behind a colon, as other programs take it. */
const REPOSITORY = /^(?:(?:huggingface\.co|hf\.co|hf:\/)\/)?([\w-][\w.-]*\/[\w.-]+)(?::[\w.-]+)?$/;
/** By its suffix; sizes end with a dot and letters too, as `1.1B`. */
const FILE = /\.(?:gguf|safetensors|bin|pth?|json|txt|jinja|model|onnx)$/i;

/** What was typed and is not there may be meant as something else. */
async function openPath(path: string): Promise<Checkpoint> {
  try {
    return await openSingle(path, undefined);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "FILE_MISSING" || error.at?.file !== path) throw error;
    const hint = await meant(path);
    throw new EngineError("FILE_MISSING", `no such file or folder${hint && `; ${hint}`}`, {
      at: error.at,
      limit: "the path or URL of a GGUF file, or the path of a folder with config.json and safetensors",
      cause: error.cause,
    });
  }
}

async function meant(path: string): Promise<string> {
  const repository = FILE.test(path) ? undefined : REPOSITORY.exec(path)?.[1];
  if (repository) return `nothing is downloaded by name: get it with "hf download ${repository} --local-dir DIR"`;
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(path)) return "of addresses, file:, http: and https: are read";
  if (/^~[/\\]/.test(path)) return "~ is known to shells alone: give the whole path";
  const plain = path.replace(/[/\\]+$/, "");
  return plain !== path && (await isFile(plain)) ? "it is a file, and the slash behind it asks for a folder" : "";
}

/** Late warnings of the checkpoint's sources stay late. */
function withWarnings(checkpoint: Checkpoint, first: readonly string[]): Checkpoint {
  return {
    ...checkpoint,
    get warnings() {
      return [...first, ...checkpoint.warnings];
    },
  };
}

function isCheckpoint(source: CheckpointLike): source is Checkpoint {
  if (typeof source !== "object" || source === null) return false;
  const { tensors, metadata, json, warnings, close } = source as Partial<Checkpoint>;
  return [tensors, metadata, json].every(isMap) && Array.isArray(warnings) && isFunction(close);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await host.files?.system.stat(path))?.isFile() ?? false;
  } catch {
    return false;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await host.files?.system.stat(path))?.isDirectory() ?? false;
  } catch {
    return false; // Whatever it is, opening it gives the right error.
  }
}

/** A lone safetensors file lacks the sizes and the tokenizer that `config.json` and its neighbours hold. */
async function refuseSafetensors(source: ByteSource): Promise<void> {
  try {
    if (!source.name.endsWith(".safetensors") && !(await looksLikeSafetensors(source))) return;
    throw new EngineError(
      "CHECKPOINT_LONE_FILE",
      "weights in safetensors are opened by their folder, which holds config.json",
      {
        at: { source: "file", file: source.name },
        limit: "the path of the folder",
      },
    );
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A header length that fits the file, and a brace after it. */
async function looksLikeSafetensors(source: ByteSource): Promise<boolean> {
  if (source.size < 10) return false;
  const head = new Uint8Array(Math.min(64, source.size));
  await source.read(0, head);
  const length = new DataView(head.buffer).getBigUint64(0, true);
  const first = head.subarray(8).find((byte) => !isBlank(byte));
  return first === 0x7b && length <= BigInt(source.size - 8);
}

/** Where the other shards of a split file are; a blob or a source of the caller has no neighbours. */
function siblingsOf(
  place: SourceLike,
  signal: AbortSignal | undefined,
): ((name: string) => Promise<ByteSource>) | undefined {
  if (isUrl(place)) return (name) => openSource(besideUrl(place, name), signal);
  if (typeof place !== "string") return undefined;
  return (name) => openSource(folderOf(place) + name);
}

const SHARD = /-\d{5}-of-\d{5}\.gguf$/i;

/**
 * A file beside another on its server: the same user, and the same query, which may be the signature that opens them. Shards differ in
 * their number; the rest stays as it was written, as object stores write a folder's slash (`models%2Fx-00001-of-00002.gguf`).
 */
function besideUrl(place: URL, name: string): URL {
  const url = new URL(place.href);
  const number = SHARD.exec(name);
  if (number && SHARD.test(url.pathname)) url.pathname = url.pathname.replace(SHARD, () => number[0]);
  else url.pathname = new URL(encodeURIComponent(name), place.href).pathname;
  return url;
}
