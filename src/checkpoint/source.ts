import { EngineError } from "../error.ts";
import { isDetached, isRevoked, tell } from "../given.ts";
import { isBlob, isBytes, isUrl } from "../realm.ts";
import { BytesSource, checkRange } from "./bytes-source.ts";
import { CallerSource } from "./caller-source.ts";
import type { ByteSource } from "./checkpoint.ts";
import { fileChanged, filesOf, openFile } from "./file-source.ts";
import { openRemote } from "./remote-source.ts";

/** Byte ranges of whatever the caller has: a path, a URL, a Blob or File, bytes in memory, or a source of their own. */

export type SourceLike = string | URL | Blob | Uint8Array | ByteSource;

/** A blob's bytes are copied twice on their way; larger pieces would only raise the peak. */
const BLOB_PIECE = 64 * 2 ** 20;

export async function openSource(source: SourceLike, signal?: AbortSignal): Promise<ByteSource> {
  if (typeof source === "string") return urlOf(source) ? openUrl(urlOf(source)!, signal) : openFile(source);
  if (isRevoked(source)) throw noSource(source);
  if (isUrl(source)) return openUrl(new URL(source.href), signal);
  if (isBytes(source) && !isDetached(source)) return new BytesSource(source);
  if (isBlob(source)) return new BlobSource(source);
  if (isByteSource(source)) return new CallerSource(source);
  throw noSource(source);
}

export function noSource(source: unknown): EngineError {
  return new EngineError("SOURCE_KIND", "this is not a path, URL, Blob, Uint8Array or ByteSource", {
    at: { source: "option", field: "source" },
    actual: tell(source),
  });
}

/** The URL that a string spells, or null where it is a path. A Windows drive (`C:`) is a path. */
export function urlOf(text: string): URL | null {
  return /^(https?|file):/i.test(text) && URL.canParse(text) ? new URL(text) : null;
}

/** What was given, URLs that are spelled out as such, and what lies here as its path. */
export function placeOf<Source>(source: Source): Source | URL | string {
  const place = typeof source === "string" ? (urlOf(source) ?? source) : source;
  return isUrl(place) && place.protocol === "file:" ? pathOf(place) : place;
}

/** The path of a `file:` URL. */
function pathOf(url: URL): string {
  const files = filesOf(url.pathname);
  try {
    return files.pathOf(url);
  } catch (cause) {
    throw new EngineError("FILE_MISSING", "a file URL that names no path here", { at: { source: "file" }, cause });
  }
}

async function openUrl(url: URL, signal?: AbortSignal): Promise<ByteSource> {
  if (url.protocol === "file:") return openFile(pathOf(url));
  if (url.protocol === "http:" || url.protocol === "https:") return openRemote(url, signal);
  throw new EngineError("SOURCE_KIND", "only file:, http: and https: URLs can be read", {
    at: { source: "option", field: "source" },
    actual: url.protocol,
  });
}

function isByteSource(source: unknown): source is ByteSource {
  return typeof source === "object" && source !== null && "read" in source && "size" in source && "close" in source;
}

class BlobSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #blob: Blob;

  constructor(blob: Blob) {
    if (typeof blob.arrayBuffer !== "function") {
      throw new EngineError("SOURCE_SHAPE", "a Blob without arrayBuffer(), as jsdom's: hand over its bytes", {
        at: { source: "option", field: "source" },
      });
    }
    this.#blob = blob;
    this.name = "name" in blob && typeof blob.name === "string" ? blob.name : "blob";
    this.size = blob.size;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkRange(this, offset, into.length);
    for (let done = 0; done < into.length; ) {
      const end = Math.min(into.length, done + BLOB_PIECE);
      const piece = new Uint8Array(await this.#slice(offset + done, offset + end));
      if (piece.length !== end - done) throw fileChanged(this.name, offset + done, end - done, piece.length);
      into.set(piece, done);
      done = end;
    }
  }

  /** A File whose file has changed on disk rejects with NotReadableError. */
  async #slice(start: number, end: number): Promise<ArrayBuffer> {
    try {
      return await this.#blob.slice(start, end).arrayBuffer();
    } catch (cause) {
      throw new EngineError("FILE_IO", "the blob can no longer be read", {
        at: { source: "file", file: this.name, offset: start },
        cause,
      });
    }
  }

  async close(): Promise<void> {}
}
