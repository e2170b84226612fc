import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename } from "node:path";
import { EngineError } from "../error.ts";

/** A file that is there whole or not at all: written beside its place, then moved there. */
export class AtomicFile {
  bytes = 0;
  readonly #path: string;
  readonly #part: string;
  readonly #handle: FileHandle;

  private constructor(path: string, part: string, handle: FileHandle) {
    this.#path = path;
    this.#part = part;
    this.#handle = handle;
  }

  static async create(path: string): Promise<AtomicFile> {
    const part = `${path}.${process.pid}.part`;
    try {
      return new AtomicFile(path, part, await open(part, "wx"));
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; )
        done += (await this.#handle.write(bytes, done, bytes.length - done)).bytesWritten;
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
    this.bytes += bytes.length;
  }

  /** Its bytes are on the disk before its name is. */
  async finish(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#part, this.#path);
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
  }

  /** Leaves nothing; also after an error of `finish`. */
  async drop(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#part, { force: true });
  }
}

function writeError(path: string, cause: unknown): EngineError {
  const errno = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new EngineError("FILE_IO", `the file cannot be written (${errno})`, {
    at: { source: "file", file: basename(path) },
    cause,
  });
}
