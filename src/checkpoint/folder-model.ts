import { EngineError, quoteName } from "../error.ts";
import { filesOf, openFile } from "./file-source.ts";
import { readText } from "./json-file.ts";

/** Which of the things in a folder is the model: the folder itself, a revision in a hub's cache, or a GGUF file. */

export interface FoundModel {
  readonly at: string;
  readonly kind: "folder" | "file";
  /** What was chosen for the caller. */
  readonly warnings: readonly string[];
}

/** Names of a split set but for its first. */
const LATER_SHARD = /-(?!00001)\d{5}-of-\d{5}\.gguf$/i;
/** Weights of a folder, as `openFolder` looks for them. */
const SAFETENSORS = /^model\.safetensors(?:\.index\.json)?$/;
/** What lies beside models and is none: projectors of images, and statistics for quantising. */
const BESIDE = /mmproj|imatrix/i;
const MOST_LISTED = 8;
/** A commit has forty. */
const MOST_REF_BYTES = 256;

export async function findModel(given: string): Promise<FoundModel> {
  // Two slashes in a row are one, but not pretty.
  const path = given.replace(/(?<=[^/\\])[/\\]+$/, "");
  const names = await namesIn(path);
  if (names.some((name) => SAFETENSORS.test(name))) return folder(path, []);
  const files = names.filter((name) => /\.gguf$/i.test(name) && !BESIDE.test(name) && !LATER_SHARD.test(name));
  if (files.length === 0) {
    if (names.includes("snapshots") && !names.includes("config.json")) return inCache(path);
    return folder(path, []);
  }
  if (files.length > 1) throw several(path, "the folder holds several GGUF files", files);
  return {
    at: `${path}/${files[0]}`,
    kind: "file",
    warnings: [`CHECKPOINT_FOUND: ${quoteName(files[0])} was opened, the one model in its folder`],
  };
}

/** `models--owner--name` of a hub's cache: `snapshots/<revision>`, the one that `refs/main` names or the only one. */
async function inCache(path: string): Promise<FoundModel> {
  // Finder and other programs leave files of their own.
  const revisions = (await namesIn(`${path}/snapshots`)).filter((name) => !name.startsWith("."));
  if (revisions.length === 0) return folder(path, []);
  const main = await refMain(path);
  const named = main !== undefined && revisions.includes(main);
  if (!named && revisions.length > 1)
    throw several(path, "the cache holds several revisions, and refs/main names none", revisions);
  const revision = named ? main : revisions[0];
  const only =
    main === undefined ? "the only one" : `the only one; refs/main names ${quoteName(main)}, which is not there`;
  const why = named ? "which refs/main names" : only;
  const found = await findModel(`${path}/snapshots/${revision}`);
  return {
    ...found,
    warnings: [`CHECKPOINT_FOUND: revision ${quoteName(revision)} of the cache was opened, ${why}`, ...found.warnings],
  };
}

const folder = (at: string, warnings: readonly string[]): FoundModel => ({ at, kind: "folder", warnings });

async function namesIn(path: string): Promise<string[]> {
  return (
    await filesOf(path)
      .system.readdir(path)
      .catch(() => [])
  ).sort();
}

/** undefined where there is none that can be read, or what stands there is no file. */
async function refMain(path: string): Promise<string | undefined> {
  const source = await openFile(`${path}/refs/main`).catch(() => undefined);
  try {
    return source && (await readText(source, MOST_REF_BYTES, "JSON_SIZE")).trim();
  } catch {
    return undefined;
  } finally {
    await source?.close();
  }
}

function several(path: string, what: string, names: readonly string[]): EngineError {
  const listed = names.slice(0, MOST_LISTED).map((name) => quoteName(name));
  return new EngineError(
    "CHECKPOINT_SEVERAL",
    `${what}: ${listed.join(", ")}${names.length > MOST_LISTED ? ", ..." : ""}`,
    {
      at: { source: "file", file: path },
      limit: "the path of one of them",
      actual: names.length,
    },
  );
}
