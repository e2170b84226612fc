import { EngineError, quoteName } from "../error.ts";
import type { ByteSource } from "./checkpoint.ts";
import { type Address, addressOf, PATIENCE, type Patience, pause, requestRange, usualWait } from "./remote-request.ts";

/**
 * A file behind http(s), read in ranges. Redirects are followed anew for every range, since model hubs answer with addresses of their CDN
 * that hold for minutes.
 */

/** Bytes a request: a broken connection costs at most this much, and a request is rare enough not to matter. */
const RANGE_PIECE = 64 * 2 ** 20;

/** Less than this from a broken answer is no progress: a file would take for ever in such crumbs. */
const WORTH_BYTES = 64 * 2 ** 10;

/** Asked for first. Two, since sirv, in Vite's servers among others, answers `bytes=0-0` with the whole file. */
const PROBE_BYTES = 2;

/** What tells one state of a file from another. */
interface Version {
  readonly total: number;
  readonly etag: string | null;
  readonly modified: string | null;
  /** Of the server that answered, behind all redirects. */
  readonly host: string;
}

/** The signal ends this request and all later ones: a server that stalls would keep them for ever. */
export async function openRemote(url: URL, signal?: AbortSignal, patience: Patience = PATIENCE): Promise<ByteSource> {
  const address = addressOf(url);
  const request = { address, offset: 0, length: PROBE_BYTES, known: false, patience, signal };
  const response = await requestRange(request);
  await response.body?.cancel().catch(() => {});
  return new RemoteSource(address, versionOf(response, address, 0, PROBE_BYTES), patience, signal);
}

class RemoteSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  /** What was odd while it was read. */
  readonly warnings: string[] = [];
  readonly #address: Address;
  readonly #version: Version;
  readonly #patience: Patience;
  readonly #signal: AbortSignal | undefined;
  readonly #mirrors = new Set<string>();

  constructor(address: Address, version: Version, patience: Patience, signal: AbortSignal | undefined) {
    this.name = address.name;
    this.size = version.total;
    this.#address = address;
    this.#version = version;
    this.#patience = patience;
    this.#signal = signal;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let failures = 0;
    for (let done = 0; done < into.length; ) {
      const wanted = Math.min(RANGE_PIECE, into.length - done);
      const got = await this.#readOnce(offset + done, into.subarray(done, done + wanted));
      done += got;
      // Each attempt goes on where the last one broke off: one that brought something of note was none in vain.
      if (got >= Math.min(wanted, WORTH_BYTES)) failures = 0;
      else if (++failures === this.#patience.attempts) throw this.#short(offset + done, into.length - done);
      if (got < wanted) await pause(usualWait(this.#patience, Math.max(1, failures)), this.#signal);
    }
  }

  /** Bytes that arrived before the body ended or the connection broke. */
  async #readOnce(offset: number, into: Uint8Array): Promise<number> {
    const { length } = into;
    const asked = { address: this.#address, patience: this.#patience, signal: this.#signal };
    const response = await requestRange({ ...asked, offset, length, known: true });
    try {
      this.#checkSame(versionOf(response, this.#address, offset, length), offset);
    } catch (error) {
      await response.body?.cancel().catch(() => {});
      throw error;
    }
    const reader = response.body!.getReader();
    let done = 0;
    try {
      while (done < length) {
        const { value } = await reader.read();
        if (value === undefined) return done;
        const piece = value.subarray(0, length - done);
        into.set(piece, done);
        done += piece.length;
      }
    } catch {
      this.#signal?.throwIfAborted();
      return done;
    } finally {
      await reader.cancel().catch(() => {});
    }
    return done;
  }

  /** The tag is compared here: `If-Range` would make every browser request ask for leave first (CORS). */
  #checkSame(now: Version, offset: number): void {
    const first = this.#version;
    const same = now.etag === null || first.etag === null || opaque(now.etag) === opaque(first.etag);
    if (now.total === first.total && same) return;
    // Mirrors of one file have tags of their own.
    const mirrored = now.host !== first.host && now.modified !== null && now.modified === first.modified;
    if (now.total !== first.total || !mirrored) {
      throw new EngineError("REMOTE_CHANGED", "the remote file is no longer the one that was opened", {
        at: { source: "file", file: this.name, offset },
        limit: first.etag ?? undefined,
        actual: now.etag ?? undefined,
      });
    }
    if (this.#mirrors.has(now.host)) return;
    this.#mirrors.add(now.host);
    this.warnings.push(
      `REMOTE_MIRROR: ${quoteName(now.host)} has another tag than ${quoteName(first.host)}; length and date are equal`,
    );
  }

  #short(offset: number, missing: number): EngineError {
    return new EngineError("REMOTE_SHORT", `the server's answer broke off ${this.#patience.attempts} times`, {
      at: { source: "file", file: this.name, offset },
      limit: `${missing} more bytes`,
    });
  }

  async close(): Promise<void> {}
}

/** Weak and strong tags of one opaque tag name one file (RFC 9110, 8.8.3.2): a proxy that recompresses weakens them. */
const opaque = (etag: string) => etag.replace(/^W\//, "");

function versionOf(response: Response, { name }: Address, offset: number, length: number): Version {
  const text = response.headers.get("content-range") ?? "";
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(text);
  const [first, last, total] = match ? match.slice(1).map(Number) : [-1, -1, -1];
  // A range that goes beyond the end is cut there.
  const cut = Math.min(offset + length, total) - 1;
  if (first !== offset || last !== cut || !Number.isSafeInteger(total)) {
    throw new EngineError("REMOTE_RANGE", "the server answers with another range", {
      at: { source: "file", file: name, offset },
      limit: `bytes ${offset}-${offset + length - 1} of a known size`,
      actual: text,
    });
  }
  const { headers, url } = response;
  return {
    total,
    etag: headers.get("etag"),
    modified: headers.get("last-modified"),
    host: URL.canParse(url) ? new URL(url).host : "",
  };
}
