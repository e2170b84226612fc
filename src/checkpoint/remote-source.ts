import { EngineError } from "../error.ts";
import type { ByteSource } from "./checkpoint.ts";

/** A file behind http(s), read in ranges. Redirects are followed: model hubs answer with their CDN's address. */

/** Attempts for one range; each goes on where the last one broke off. */
const ATTEMPTS = 3;

/** Bytes a request: a broken connection costs at most this much, and a request is rare enough not to matter. */
const RANGE_PIECE = 64 * 2 ** 20;

/** Asked for first. Two, since sirv, in Vite's servers among others, answers `bytes=0-0` with the whole file. */
const PROBE_BYTES = 2;

/** The signal ends this request and all later ones: a server that stalls would keep them for ever. */
export async function openRemote(url: URL, signal?: AbortSignal): Promise<ByteSource> {
  const name = remoteName(url);
  const response = await requestRange(url, name, 0, PROBE_BYTES, signal);
  await response.body?.cancel();
  const { total } = contentRange(response, name, 0, PROBE_BYTES);
  return new RemoteSource(url, name, total, response.headers.get("etag"), signal);
}

class RemoteSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #url: URL;
  readonly #etag: string | null;
  readonly #signal: AbortSignal | undefined;

  constructor(url: URL, name: string, size: number, etag: string | null, signal: AbortSignal | undefined) {
    this.#url = url;
    this.name = name;
    this.size = size;
    this.#etag = etag;
    this.#signal = signal;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let failures = 0;
    for (let done = 0; done < into.length; ) {
      const wanted = Math.min(RANGE_PIECE, into.length - done);
      const got = await this.#readOnce(offset + done, into.subarray(done, done + wanted));
      done += got;
      if (got === wanted) failures = 0;
      else if (++failures === ATTEMPTS) throw this.#short(offset + done, into.length - done);
    }
  }

  /** Bytes that arrived before the body ended or the connection broke. */
  async #readOnce(offset: number, into: Uint8Array): Promise<number> {
    const response = await requestRange(this.#url, this.name, offset, into.length, this.#signal);
    await this.#checkSame(response, offset, into.length);
    const reader = response.body!.getReader();
    let done = 0;
    try {
      while (done < into.length) {
        const { value } = await reader.read();
        if (value === undefined) return done;
        const piece = value.subarray(0, into.length - done);
        into.set(piece, done);
        done += piece.length;
      }
    } catch {
      return done;
    } finally {
      await reader.cancel().catch(() => {});
    }
    return done;
  }

  /** The tag is compared here: `If-Range` would make every browser request ask for leave first (CORS). */
  async #checkSame(response: Response, offset: number, length: number): Promise<void> {
    try {
      const { total } = contentRange(response, this.name, offset, length);
      const etag = response.headers.get("etag");
      if (total === this.size && (etag === null || this.#etag === null || etag === this.#etag)) return;
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    await response.body?.cancel();
    throw new EngineError("REMOTE_CHANGED", "the remote file is no longer the one that was opened", {
      at: { source: "file", file: this.name, offset },
    });
  }

  #short(offset: number, missing: number): EngineError {
    return new EngineError("REMOTE_SHORT", `the server's answer broke off ${ATTEMPTS} times`, {
      at: { source: "file", file: this.name, offset },
      limit: `${missing} more bytes`,
    });
  }

  async close(): Promise<void> {}
}

async function requestRange(
  url: URL,
  name: string,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const headers = { range: `bytes=${offset}-${offset + length - 1}`, "accept-encoding": "identity" };
  let response: Response;
  try {
    response = await fetch(url, { headers, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new EngineError("REMOTE_FAILED", "the server cannot be reached", {
      at: { source: "file", file: name, offset },
      cause,
    });
  }
  if (response.status === 206) return response;
  await response.body?.cancel();
  // 416: an empty file has no byte 0. 200: the server would send the whole file for every range.
  const code = response.ok || response.status === 416 ? "REMOTE_RANGE" : "REMOTE_STATUS";
  const what = code === "REMOTE_RANGE" ? "the server does not serve byte ranges of this file" : "the server refuses";
  throw new EngineError(code, what, {
    at: { source: "file", file: name, offset },
    limit: "HTTP status 206",
    actual: response.status,
  });
}

function contentRange(response: Response, name: string, offset: number, length: number): { total: number } {
  const text = response.headers.get("content-range") ?? "";
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(text);
  const [first, last, total] = match ? match.slice(1).map(Number) : [-1, -1, -1];
  // A range that goes beyond the end is cut there.
  const cut = Math.min(offset + length, total) - 1;
  if (first === offset && last === cut && Number.isSafeInteger(total)) return { total };
  throw new EngineError("REMOTE_RANGE", "the server answers with another range", {
    at: { source: "file", file: name, offset },
    limit: `bytes ${offset}-${offset + length - 1} of a known size`,
    actual: text,
  });
}

function remoteName(url: URL): string {
  const last = url.pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last) || url.hostname;
  } catch {
    return last;
  }
}
