import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { host } from "#host";
import { EngineError } from "../error.ts";
import type { Files } from "../host/host.ts";
import { codeOf } from "../realm.ts";
import type { ByteSource } from "./checkpoint.ts";

/** A regular file on disk, where the host has any. */

/** Node throws at 2^31 bytes a call; one gibibyte stays clear of it on every platform. */
const READ_PIECE = 2 ** 30;

/** `name`: the path as it was asked for, which messages give back: whoever gave it knows it. */
export async function openFile(name: string): Promise<ByteSource> {
  const { open, constants } = filesOf(name).system;
  let handle: FileHandle;
  try {
    // O_NONBLOCK: opening a FIFO without a writer would otherwise wait for ever. It does nothing to regular files.
    handle = await open(name, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw openError(name, cause);
  }
  try {
    // The open file is asked, not the path: between a stat of the path and its opening it may become another file.
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw notRegular(name, kindOf(stat));
    if (stat.size > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new EngineError("FILE_IO", "file too large", { at: { source: "file", file: name }, actual: stat.size });
    }
    return new FileSource(name, handle, stat);
  } catch (error) {
    await handle.close();
    throw error instanceof EngineError ? error : ioError(name, error);
  }
}

/** Last part of a path or address. */
export function baseName(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => part !== "");
  return parts.at(-1) ?? path;
}

/** What stands before it, with the slash behind it. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** A range that the file no longer has. */
export function fileChanged(file: string, offset: number, expected: number, got: number): EngineError {
  return new EngineError("FILE_CHANGED", "the file has fewer bytes than when it was opened", {
    at: { source: "file", file, offset },
    limit: expected,
    actual: got,
  });
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #opened: BigIntStats;

  constructor(name: string, handle: FileHandle, opened: BigIntStats) {
    this.name = name;
    this.size = Number(opened.size);
    this.#handle = handle;
    this.#opened = opened;
  }

  /** Straight into `into`, also where it lies in shared memory (Node 20 accepts such a view: tested). */
  async read(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length; ) {
      const wanted = Math.min(READ_PIECE, into.length - done);
      const got = await this.#readOnce(into, done, wanted, offset + done);
      // Short reads are normal, an empty one is the end of a file that was longer.
      if (got === 0) throw fileChanged(this.name, offset + done, into.length - done, 0);
      done += got;
    }
  }

  async #readOnce(into: Uint8Array, at: number, length: number, position: number): Promise<number> {
    try {
      return (await this.#handle.read(into, at, length, position)).bytesRead;
    } catch (cause) {
      throw ioError(this.name, cause, position);
    }
  }

  /**
   * Overwriting in place moves the time or the size; a file replaced by rename keeps its old bytes under our handle
   * and passes. A writer that restores the time is not noticed.
   */
  async verify(): Promise<void> {
    let now: BigIntStats;
    try {
      now = await this.#handle.stat({ bigint: true });
    } catch (cause) {
      throw ioError(this.name, cause);
    }
    for (const field of ["size", "mtimeNs", "ino"] as const) {
      if (now[field] === this.#opened[field]) continue;
      throw new EngineError("FILE_CHANGED", `the file's ${field} changed while it was open`, {
        at: { source: "file", file: this.name, field },
        limit: this.#opened[field],
        actual: now[field],
      });
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Throws where this host has no files. */
export function filesOf(name: string): Files {
  if (host.files) return host.files;
  const what = "paths cannot be opened here: there is no file system; pass a URL, a File or bytes";
  throw new EngineError("FILE_IO", what, { at: { source: "file", file: name } });
}

function openError(name: string, cause: unknown): EngineError {
  const errno = errnoOf(cause);
  if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ERR_INVALID_ARG_VALUE") {
    return new EngineError("FILE_MISSING", "no such file", { at: { source: "file", file: name }, cause });
  }
  // ENXIO: a socket. EISDIR: Windows, where a folder cannot be opened at all.
  if (errno === "ENXIO" || errno === "EISDIR") return notRegular(name, errno);
  if (DENIED.has(errno)) {
    const flag = FLAGS.get(errno);
    const advice = flag === undefined ? "" : `: run with ${flag}=${JSON.stringify(name)}`;
    return new EngineError("FILE_DENIED", `the file may not be read${advice}`, {
      at: { source: "file", file: name },
      actual: errno,
      cause,
    });
  }
  return ioError(name, cause);
}

function notRegular(name: string, actual: string): EngineError {
  const at = { source: "file", file: name } as const;
  return new EngineError("FILE_NOT_REGULAR", "not a regular file", { at, limit: "a regular file", actual });
}

function kindOf(stat: BigIntStats): string {
  if (stat.isDirectory()) return "a folder";
  if (stat.isFIFO()) return "a FIFO";
  return stat.isSocket() ? "a socket" : "a device";
}

/** Node's own message holds the absolute path; ours holds the errno only. */
function ioError(name: string, cause: unknown, offset?: number): EngineError {
  const at = { source: "file", file: name, offset } as const;
  return new EngineError("FILE_IO", `the file cannot be read (${errnoOf(cause)})`, { at, cause });
}

/** Of the system, of Node's `--permission`, of Deno, whose error has a name instead of a code. */
const DENIED = new Set(["EACCES", "EPERM", "ERR_ACCESS_DENIED", "NotCapable", "PermissionDenied"]);

/** What lets a runtime read a path. */
const FLAGS = new Map([
  ["NotCapable", "--allow-read"],
  ["ERR_ACCESS_DENIED", "--allow-fs-read"],
]);

function errnoOf(cause: unknown): string {
  return codeOf(cause) ?? (cause as Partial<Error> | null)?.name ?? "unknown error";
}
