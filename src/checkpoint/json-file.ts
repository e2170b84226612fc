import { EngineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { ByteSource } from "./checkpoint.ts";
import { JsonScanner } from "./json-scanner.ts";

/** Whole small files of a folder: JSON and text, with bounds on what is read and how deep it nests. */

export interface JsonLimits {
  bytes: number;
  depth: number;
  /** An empty object is three bytes of text and 56 of memory: bytes alone bound nothing. */
  values: number;
}

/** Codes of a JSON file that is read by its own name. */
export const JSON_RULES = {
  syntax: "JSON_SYNTAX",
  utf8: "JSON_SYNTAX",
  depth: "JSON_DEPTH",
  integer: "JSON_SYNTAX",
} as const;

export async function readJson(source: ByteSource, limits: JsonLimits): Promise<unknown> {
  const bytes = await readWhole(source, limits.bytes, "JSON_SIZE");
  const place = { source: "json", file: source.name } as const;
  // Scanned first: the depth is bounded before V8's parser recurses, and a mistake is found at its byte.
  const scanner = new JsonScanner(bytes, { ...JSON_RULES, maxDepth: limits.depth, maxValues: limits.values }, place);
  scanner.skip();
  scanner.end();
  return JSON.parse(new TextDecoder().decode(bytes));
}

export async function readText(source: ByteSource, limit: number, code: ErrorCode): Promise<string> {
  const bytes = await readWhole(source, limit, code);
  return new TextDecoder().decode(bytes);
}

export async function readWhole(source: ByteSource, limit: number, code: ErrorCode): Promise<Uint8Array> {
  if (source.size > limit) {
    const at = { source: "file", file: source.name } as const;
    throw new EngineError(code, "the file is too large", { at, limit: `at most ${limit} bytes`, actual: source.size });
  }
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes);
  return bytes;
}
