import type { FileHandle } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { isRevoked } from "../given.ts";
import { isUrl } from "../realm.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { baseName, filesOf, folderOf } from "./file-source.ts";

/** Where the bytes of a new file go, in order; nobody sees a file that is not whole. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  /** The file is whole. */
  commit(): Promise<void>;
  /** It will not be. Called after every error; never throws. */
  discard(reason: unknown): Promise<void>;
}

/**
 * A file that appears under `path` only when it is whole and on disk: bytes go to a temporary file beside it, which is synchronised and
 * renamed. A file that is there already is replaced in that moment.
 */
export async function createFile(path: string): Promise<Sink> {
  const name = baseName(path);
  const { open, rename, rm, stat } = filesOf(name).system;
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.part`;
  const refuse = (cause: unknown) => {
    const code = (cause as { code?: unknown } | null)?.code;
    const what = `the file cannot be written${typeof code === "string" ? ` (${code})` : ""}`;
    return new EngineError("FILE_IO", what, { at: { source: "file", file: name }, cause });
  };
  // A rename would put a file in the place of a device or a pipe; a folder would refuse it when all work is done.
  const before = await stat(path).catch(() => undefined);
  if (before && !before.isFile()) {
    const at = { source: "file", file: name } as const;
    throw new EngineError("FILE_NOT_REGULAR", "the new file would replace what is none", {
      at,
      limit: "a regular file",
    });
  }
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, "wx");
  } catch (cause) {
    throw refuse(cause);
  }
  const discard = async () => {
    await handle?.close().catch(() => {});
    handle = undefined;
    await rm(temporary, { force: true }).catch(() => {});
  };
  return {
    async write(bytes) {
      try {
        // A write may be short.
        for (let done = 0; done < bytes.length; ) done += (await handle!.write(bytes, done)).bytesWritten;
      } catch (cause) {
        throw refuse(cause);
      }
    },
    async commit() {
      try {
        await handle!.sync();
        await handle!.close();
        handle = undefined;
        await rename(temporary, path);
      } catch (cause) {
        throw refuse(cause);
      }
    },
    discard,
  };
}

/** A path, or a stream that nobody writes to yet. */
export function isSinkTarget(target: unknown): target is string | WritableStream<Uint8Array> {
  return typeof target === "string" || (isStream(target) && !target.locked);
}

export function isStream(target: unknown): target is WritableStream<Uint8Array> {
  if (typeof target !== "object" || target === null || isRevoked(target)) return false;
  const { getWriter, locked } = target as Partial<WritableStream>;
  return typeof getWriter === "function" && typeof locked === "boolean";
}

export async function openSink(target: string | WritableStream<Uint8Array>): Promise<Sink> {
  return typeof target === "string" ? await createFile(target) : streamSink(target);
}

/** A stream that the caller made; it is closed or aborted at the end. */
function streamSink(stream: WritableStream<Uint8Array>): Sink {
  const writer = stream.getWriter();
  return {
    write: (bytes) => writer.write(bytes),
    commit: () => writer.close(),
    // Not waited for: a stream whose write never ends would not be aborted either.
    discard: async (reason) => void writer.abort(reason).catch(() => {}),
  };
}

/** A renamed file would replace its own input, which may be the only copy; of a folder everything but GGUF files that are not read counts as input. */
export async function refuseOwnFiles(source: unknown, checkpoint: Checkpoint, target: string): Promise<void> {
  if (typeof source !== "string" && !(isUrl(source) && source.protocol === "file:")) return;
  const { system, pathOf } = filesOf(checkpoint.name);
  const path = typeof source === "string" ? source : pathOf(source);
  const real = async (one: string): Promise<string> => await system.realpath(one).catch(() => one);
  const opened = await real(path);
  const wanted = await real(target);
  // A source is named by the path that opened it: shards beside the one that was given, or what a folder was found to hold.
  const own = [...checkpoint.tensors.values()].map(({ source: { name } }) => name);
  if ((await system.stat(opened)).isDirectory()) {
    // The root of a cache leads to a revision, whose JSON files lie beside the weights.
    for (const folder of new Set([`${opened}/`, ...own.map(folderOf)]))
      for (const name of await system.readdir(folder)) if (!/\.gguf$/i.test(name)) own.push(folder + name);
  }
  for (const one of new Set([opened, ...own])) {
    if ((await real(one)) !== wanted) continue;
    throw new EngineError("QUANTIZE_TARGET", "the new file would replace a file that it is made from", {
      at: { source: "file", file: baseName(target) },
      limit: "another name",
    });
  }
}
