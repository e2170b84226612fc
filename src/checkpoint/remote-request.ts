import { EngineError } from "../error.ts";
import { codeOf } from "../realm.ts";

/** One range of bytes over http(s), asked for until the server is well again. */

/** How often and how long a server is waited for; a tenth of a second is enough for a test. */
export interface Patience {
  /** Requests in a row that may fail. */
  readonly attempts: number;
  /** Milliseconds before the second one; doubled for each that follows, and cut at random to half at least. */
  readonly firstMs: number;
  readonly mostMs: number;
}

export const PATIENCE: Patience = { attempts: 6, firstMs: 250, mostMs: 60_000 };

/** What passes: too many requests, a gateway or server that is busy. */
const PASSING = new Set([429, 502, 503, 504]);
/** Connections that were made and broke. */
const RESET = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);

/** Where a file is, without the secrets of its URL: `fetch` refuses a user and password in the address. */
export interface Address {
  readonly url: URL;
  readonly authorization: string | undefined;
  /** For messages: neither user nor query, which may be a signature. */
  readonly name: string;
}

export function addressOf(given: URL): Address {
  const url = new URL(given.href);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const secret = username || password ? `${decoded(username)}:${decoded(password)}` : undefined;
  return {
    url,
    authorization: secret === undefined ? undefined : `Basic ${base64(secret)}`,
    name: `${url.origin}${decoded(url.pathname)}`,
  };
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What a range is asked with; `known`: the server has answered before, so that whatever fails now may pass. */
export interface RangeRequest {
  readonly address: Address;
  readonly offset: number;
  readonly length: number;
  readonly known: boolean;
  readonly patience: Patience;
  readonly signal: AbortSignal | undefined;
}

/** The answer to a range, status 206. Waits between attempts, no longer than the signal allows. */
export async function requestRange(request: RangeRequest): Promise<Response> {
  const { patience, signal } = request;
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(request);
    if (answer instanceof Response && answer.status === 206) return answer;
    const last = attempt >= patience.attempts;
    const wait = last ? undefined : waitAfter(answer, attempt, request);
    // Of a connection that broke meanwhile it rejects.
    if (answer instanceof Response) await answer.body?.cancel().catch(() => {});
    if (wait === undefined) throw refusal(answer, request, attempt);
    await pause(wait, signal);
  }
}

async function ask({ address, offset, length, signal }: RangeRequest): Promise<Response | { cause: unknown }> {
  const headers: Record<string, string> = {
    range: `bytes=${offset}-${offset + length - 1}`,
    "accept-encoding": "identity",
  };
  if (address.authorization !== undefined) headers["authorization"] = address.authorization;
  try {
    return await fetch(address.url, { headers, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    return { cause };
  }
}

/** Milliseconds until the next attempt; undefined: waiting does not help. */
function waitAfter(answer: Response | { cause: unknown }, attempt: number, request: RangeRequest): number | undefined {
  const { patience, known } = request;
  const usual = usualWait(patience, attempt);
  if (!(answer instanceof Response)) return known || RESET.has(resetOf(answer.cause)) ? usual : undefined;
  if (!PASSING.has(answer.status)) return undefined;
  const asked = retryAfterMs(answer.headers.get("retry-after"));
  if (asked === undefined) return usual;
  return asked <= patience.mostMs ? Math.max(asked, usual) : undefined;
}

/** Many readers of one server must not come back in step. No token hangs on this chance. */
export function usualWait({ firstMs, mostMs }: Patience, attempt: number): number {
  return Math.min(mostMs, firstMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/** The code of a broken connection, which undici hides in the cause of its TypeError. */
function resetOf(error: unknown): string {
  return codeOf(error) ?? codeOf((error as { cause?: unknown } | null)?.cause) ?? "";
}

/** Seconds, or a date of HTTP. */
export function retryAfterMs(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}

/** Of Deno. */
const DENIED = new Set(["NotCapable", "PermissionDenied"]);

/** User and query of every address in a text, short of the brackets and commas that close it there. */
const USER = /(\bhttps?:\/\/)[^\s/?#@]*@/gi;
const QUERY = /(\bhttps?:\/\/[^\s?#]*)[?#]\S*?(?=[)"',.:]*(?:\s|$))/gi;

/**
 * Bun and Deno write whole addresses into the errors of fetch, Deno that which a redirect led to, signature and all: where one has
 * secrets, text and code are kept without them.
 */
function withoutSecrets(cause: unknown, { url, authorization }: Address): unknown {
  const inner = (cause as { cause?: unknown } | null)?.cause;
  const text = [cause, inner]
    .filter((one) => one !== undefined)
    .map(String)
    .join(": ");
  const open = text.replace(USER, "$1").replace(QUERY, "$1");
  if (open === text && url.search === "" && authorization === undefined) return cause;
  const code = resetOf(cause);
  const kept = new Error(open);
  return code === "" ? kept : Object.assign(kept, { code });
}

function refusal(
  answer: Response | { cause: unknown },
  { address, offset }: RangeRequest,
  attempts: number,
): EngineError {
  const at = { source: "file", file: address.name, offset } as const;
  const often = attempts > 1 ? `, asked ${attempts} times` : "";
  if (!(answer instanceof Response)) {
    const denied = DENIED.has((answer.cause as Partial<Error> | null)?.name ?? "");
    const advice = denied ? `: run with --allow-net=${address.url.host}` : "";
    return new EngineError("REMOTE_FAILED", `the server cannot be reached${advice}${often}`, {
      at,
      cause: withoutSecrets(answer.cause, address),
    });
  }
  const { status, headers } = answer;
  // 416: an empty file has no byte 0. 200: the server would send the whole file for every range.
  const whole = answer.ok || status === 416;
  const later = headers.get("retry-after");
  // Of a hub: the page about a file, not the file.
  const page = /^text\/html\b/i.test(headers.get("content-type") ?? "");
  const file = address.name.includes("/blob/") ? "; the file is at /resolve/ instead of /blob/" : "";
  const noRanges = page
    ? `the address is that of a web page${file}`
    : "the server does not serve byte ranges of this file";
  const when =
    PASSING.has(status) && later !== null ? `, which wants to be asked again after ${later.slice(0, 64)}` : "";
  return new EngineError(
    whole ? "REMOTE_RANGE" : "REMOTE_STATUS",
    whole ? noRanges : `the server refuses${often}${when}`,
    { at, limit: "HTTP status 206", actual: status },
  );
}
