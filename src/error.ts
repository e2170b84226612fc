import type { ErrorCode } from "./error-codes.ts";

/** Where an error was found: the kind of source, the file's base name, the field and the byte offset. */
export interface ErrorPlace {
  source:
    | "gguf"
    | "safetensors"
    | "json"
    | "config"
    | "tokenizer"
    | "template"
    | "file"
    | "option"
    | "prompt"
    | "kernel"
    | "memory"
    | "worker";
  file?: string;
  field?: string;
  /** Decimal text where it is no safe integer. */
  offset?: number | string;
}

export interface ErrorDetail {
  at?: Omit<ErrorPlace, "offset"> & { offset?: number | bigint | string };
  /** What was expected or allowed. */
  limit?: number | bigint | string;
  /** What was found. */
  actual?: number | bigint | string;
  cause?: unknown;
}

/** What there is of an answer that has not ended, or not well. */
export interface PartialAnswer {
  readonly ids: readonly number[];
  /** As its readers saw it: what could have become a stop string, or half a character, is not in it. */
  readonly text: string;
  /** Ids of the prompt, and of `ids`. */
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
}

/**
 * The one error class of wasmaverick. `code` is stable; the message says what, where, got, expected.
 * Names that come from files are escaped and cut (`quoteName`), so a message is safe to print to a terminal.
 */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: ErrorCode;
  readonly at: ErrorPlace | undefined;
  readonly limit: number | string | undefined;
  readonly actual: number | string | undefined;
  /** Where it ended a generation: what there was. Not enumerable, so that no log holds the text by accident. */
  declare readonly partial?: PartialAnswer;

  constructor(code: ErrorCode, what: string, detail: ErrorDetail = {}) {
    super(describe(code, what, detail), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.at = detail.at && placeOf(detail.at);
    this.limit = plain(detail.limit);
    this.actual = plain(detail.actual);
  }
}

/** The error with what there was of the answer that it ended, on a copy unless it is `own`: others may have ended by the same. */
export function withPartial(error: EngineError, partial: PartialAnswer, own: boolean): EngineError {
  const { code, at, limit, actual, cause, message, stack } = error;
  const same = own && error.partial === undefined && Object.isExtensible(error);
  const ended = same ? error : new EngineError(code, "", { at, limit, actual, cause });
  if (!same) Object.assign(ended, { message, stack });
  return Object.defineProperty(ended, "partial", { value: partial, configurable: true });
}

/** A bigint as JSON can hold it: a number where it is a safe integer, else decimal text. */
function plain<Value>(value: Value): Exclude<Value, bigint> | number | string {
  if (typeof value !== "bigint") return value as Exclude<Value, bigint>;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function placeOf({ offset, ...place }: NonNullable<ErrorDetail["at"]>): ErrorPlace {
  return offset === undefined ? place : { ...place, offset: plain(offset) };
}

function describe(code: ErrorCode, what: string, { at, limit, actual }: ErrorDetail): string {
  let place = "";
  if (at) {
    place = ` [${at.source}`;
    if (at.file !== undefined) place += ` ${quoteName(at.file)}`;
    if (at.field !== undefined) place += `, ${quoteName(at.field, false)}`;
    if (at.offset !== undefined) place += `, byte ${at.offset}`;
    place += "]";
  }
  const got = actual === undefined ? "" : `, got ${typeof actual === "string" ? quoteName(actual, false) : actual}`;
  const expected = limit === undefined ? "" : `, expected ${limit}`;
  return `${code}: ${what}${got}${expected}${place}`;
}

/** What every door of a disposed model answers. */
/** Its message without the code. */
export function whatOf({ code, message }: EngineError): string {
  return message.slice(`${code}: `.length);
}

export function modelDisposed(): EngineError {
  return new EngineError("DISPOSED", "the model was disposed");
}

/** A name from outside, made printable: control characters escaped, at most 128 characters; a path's end is kept, its name. */
export function quoteName(name: string, quotes = true): string {
  const tail = /[/\\]/.test(name) ? 84 : 0;
  const short = name.length > 128 ? `${name.slice(0, 125 - tail)}...${name.slice(name.length - tail)}` : name;
  const safe = short.replace(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return quotes ? `"${safe}"` : safe;
}
