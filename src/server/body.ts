import { JsonScanner } from "../checkpoint/json-scanner.ts";
import { EngineError, whatOf } from "../error.ts";
import { fieldOf, Refusal } from "./refusal.ts";

/**
 * The body of a request as JSON, read as strictly as the header of a file: what `JSON.parse` lets pass (depth without end, a key that
 * stands there twice, half a character) is refused before it is parsed, and so are more values than any request needs.
 */

const RULES = {
  syntax: "JSON_SYNTAX",
  utf8: "PROMPT_UNICODE",
  depth: "JSON_DEPTH",
  integer: "JSON_SYNTAX",
  maxDepth: 64,
} as const;
/** A prompt of a million ids; of objects and lists, which cost more, fewer. */
const MOST_VALUES = 2 ** 20;
const MOST_CONTAINERS = 2 ** 16;

/** Throws 415 where it is no JSON, 413 at the byte that is too many, 400 where the JSON is not usable. */
export async function readJson(request: Request, maxBody: number): Promise<unknown> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new Refusal(415, "unsupported_media_type", "a body of another kind, expected Content-Type: application/json");
  }
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity")
    throw new Refusal(415, "unsupported_encoding", "a body that is encoded, expected no Content-Encoding");
  const bytes = await readBytes(request, maxBody);
  try {
    scan(bytes);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const param = fieldOf(error.at?.field ?? "", {}) || null;
    throw new Refusal(400, error.code, whatOf(error), { param, cause: error });
  }
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function readBytes(request: Request, maxBody: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new Refusal(413, "body_too_large", `the body is too large, expected at most ${maxBody} bytes`, {
      headers: { connection: "close" },
    });
  if (Number(request.headers.get("content-length") ?? 0) > maxBody) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  for (let step = await reader?.read(); step?.value; step = await reader!.read()) {
    length += step.value.length;
    if (length > maxBody) {
      void reader!.cancel().catch(() => {});
      throw tooLarge();
    }
    pieces.push(step.value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function scan(bytes: Uint8Array): void {
  const scanner = new JsonScanner(bytes, RULES, { source: "json" });
  let values = 0;
  let containers = 0;
  const contain = () => {
    if (++containers > MOST_CONTAINERS) throw tooMany("objects and lists", MOST_CONTAINERS);
  };
  const tooMany = (what: string, most: number) =>
    scanner.error("JSON_SIZE", `too many ${what}`, scanner.at, { limit: `at most ${most}` });
  const value = () => {
    if (++values > MOST_VALUES) throw tooMany("values", MOST_VALUES);
    if (scanner.isObject()) {
      contain();
      const keys = new Set<string>();
      scanner.object((key, at) => {
        // Readers that copy an object key by key would lose it, or worse.
        if (key === "__proto__") throw scanner.error("REQ_UNSUPPORTED_PARAM", "a key that is not taken", at);
        if (keys.has(key)) throw scanner.error("JSON_SYNTAX", "a key stands there twice", at);
        keys.add(key);
        value();
      });
    } else if (scanner.isArray()) {
      contain();
      scanner.array(value);
    } else scanner.skip();
  };
  value();
  scanner.end();
}
