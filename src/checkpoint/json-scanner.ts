import { EngineError, type ErrorDetail, type ErrorPlace } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";

/**
 * A strict JSON reader over bytes, for what `JSON.parse` hides: duplicate keys, the digits of integers (it rounds
 * 9007199254740993), depth, and the byte offset of every error. Values are taken in the order of the text: the callback
 * of `object` and `array` must consume the value it is called for. The scanner knows where it is: errors carry the JSON
 * pointer and the byte offset (counted from `base`) by themselves.
 */

export interface JsonRules {
  /** Error codes of the format that is being read. */
  syntax: ErrorCode;
  utf8: ErrorCode;
  depth: ErrorCode;
  integer: ErrorCode;
  maxDepth: number;
  /** Values passed over at most; more are `JSON_SIZE`. */
  maxValues?: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What makes digits the beginning of a number that is not an integer: `.`, `e`, `E`. */
const NUMBER_GOES_ON = new Set([DOT, 0x65, 0x45]);

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class JsonScanner {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #rules: JsonRules;
  readonly #place: ErrorPlace;
  readonly #base: number;
  /** Key or index of the member that is being read, one for each level. */
  readonly #path: (string | number)[] = [];
  #skipped = 0;

  constructor(bytes: Uint8Array, rules: JsonRules, place: ErrorPlace, base = 0) {
    this.#bytes = bytes;
    this.#rules = rules;
    this.#place = place;
    this.#base = base;
  }

  error(code: ErrorCode, what: string, at = this.at, detail: ErrorDetail = {}): EngineError {
    const field = this.#path.map(pointer).join("");
    return new EngineError(code, what, { ...detail, at: { ...this.#place, field, offset: this.#base + at } });
  }

  /** First byte of the next value; -1 at the end. */
  peek(): number {
    const bytes = this.#bytes;
    while (isSpace(bytes[this.at])) this.at++;
    return this.at < bytes.length ? bytes[this.at] : -1;
  }

  isObject(): boolean {
    return this.peek() === OPEN_OBJECT;
  }

  isArray(): boolean {
    return this.peek() === OPEN_ARRAY;
  }

  /** Of what begins like `null`: reading or skipping it tells whether it is. */
  isNull(): boolean {
    return this.peek() === 0x6e;
  }

  isString(): boolean {
    return this.peek() === QUOTE;
  }

  object(entry: (key: string, keyAt: number) => void): void {
    this.#enter(OPEN_OBJECT, "an object");
    for (let more = this.#begins(CLOSE_OBJECT); more; more = this.#goesOn(CLOSE_OBJECT)) {
      this.peek();
      const keyAt = this.at;
      const key = this.string();
      this.#path[this.#path.length - 1] = key;
      this.#expect(COLON, "a colon");
      entry(key, keyAt);
    }
  }

  array(element: (index: number) => void): void {
    this.#enter(OPEN_ARRAY, "an array");
    let index = 0;
    for (let more = this.#begins(CLOSE_ARRAY); more; more = this.#goesOn(CLOSE_ARRAY)) {
      this.#path[this.#path.length - 1] = index;
      element(index++);
    }
  }

  string(): string {
    const { start, escaped } = this.#skipString();
    return this.#decode(start, escaped);
  }

  /** Digits only, at most 2^53 - 1. Anything else that begins like a value is the wrong kind of value. */
  integer(): number {
    this.peek();
    const bytes = this.#bytes;
    const start = this.at;
    let value = 0;
    // The digit in brackets: no intermediate may pass 2^53, or 9007199254740991 would be rounded.
    for (; isDigit(bytes[this.at]); this.at++) value = value * 10 + (bytes[this.at] - ZERO);
    const length = this.at - start;
    const plain = length > 0 && !(length > 1 && bytes[start] === ZERO) && !NUMBER_GOES_ON.has(bytes[this.at]);
    if (plain && value <= Number.MAX_SAFE_INTEGER) return value;
    this.at = start;
    this.skip();
    const actual = String.fromCharCode(...bytes.subarray(start, Math.min(this.at, start + 32)));
    const detail = { limit: "an integer from 0 to 2^53 - 1, digits only", actual };
    throw this.error(this.#rules.integer, "bad integer", start, detail);
  }

  /** Passes over any value, checking that it is one. */
  skip(): void {
    const byte = this.peek();
    const { maxValues } = this.#rules;
    if (maxValues !== undefined && this.#skipped++ === maxValues) {
      throw this.error("JSON_SIZE", "too many values", this.at, { limit: `at most ${maxValues}` });
    }
    if (byte === OPEN_OBJECT) this.object(() => this.skip());
    else if (byte === OPEN_ARRAY) this.array(() => this.skip());
    else if (byte === QUOTE) this.#checkString();
    else if (byte === MINUS || isDigit(byte)) this.#skipNumber();
    else this.#skipWord();
  }

  /** Nothing but `space` may follow. */
  end(space: (byte: number) => boolean = isSpace): void {
    while (this.at < this.#bytes.length && space(this.#bytes[this.at])) this.at++;
    if (this.at < this.#bytes.length) throw this.#unexpected("the end");
  }

  #enter(bracket: number, expected: string): void {
    this.#expect(bracket, expected);
    if (this.#path.length === this.#rules.maxDepth) {
      const detail = { limit: `at most ${this.#rules.maxDepth} levels` };
      throw this.error(this.#rules.depth, "values are nested too deep", this.at - 1, detail);
    }
    this.#path.push("");
  }

  /** After an opening bracket: whether there is a member. */
  #begins(close: number): boolean {
    if (this.peek() !== close) return true;
    this.#leave();
    return false;
  }

  #leave(): void {
    this.#path.pop();
    this.at++;
  }

  /** After a member: a comma goes on, the closing bracket ends. */
  #goesOn(close: number): boolean {
    const byte = this.peek();
    if (byte === COMMA) {
      this.at++;
      return true;
    }
    if (byte !== close) throw this.#unexpected(`a comma or ${String.fromCharCode(close)}`);
    this.#leave();
    return false;
  }

  #expect(byte: number, expected: string): void {
    if (this.peek() !== byte) throw this.#unexpected(expected);
    this.at++;
  }

  /** Passes over a string, from its opening quote to after the closing one. */
  #skipString(): { start: number; escaped: boolean; ascii: boolean } {
    this.#expect(QUOTE, "a string");
    const bytes = this.#bytes;
    const start = this.at;
    let seen = 0;
    let escaped = false;
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.at = at + 1;
        return { start, escaped, ascii: seen < 0x80 };
      }
      if (byte < 0x20) {
        this.at = at;
        throw this.#unexpected("no control characters in strings");
      }
      seen |= byte;
      if (byte !== BACKSLASH) continue;
      escaped = true;
      at++;
    }
    this.at = bytes.length;
    throw this.#unexpected("a closing quote");
  }

  /** As `string`, without making text of what cannot be wrong. */
  #checkString(): void {
    const { start, escaped, ascii } = this.#skipString();
    if (escaped || !ascii) this.#decode(start, escaped);
  }

  /** The string that ends at the read position. */
  #decode(start: number, escaped: boolean): string {
    const bytes = this.#bytes.subarray(start, this.at - 1);
    let text: string;
    try {
      text = strictUtf8.decode(bytes);
    } catch {
      throw this.error(this.#rules.utf8, "the text is not UTF-8", start + malformedAt(bytes));
    }
    return escaped ? this.#unescape(text, start) : text;
  }

  #unescape(text: string, start: number): string {
    let value: string;
    try {
      value = JSON.parse(`"${text}"`);
    } catch {
      throw this.error(this.#rules.syntax, "bad escape in a string", start);
    }
    // With the u flag, a surrogate that has its partner is no surrogate.
    if (!/[\ud800-\udfff]/u.test(value)) return value;
    throw this.error(this.#rules.utf8, "a string escapes half a surrogate pair", start);
  }

  #skipNumber(): void {
    const bytes = this.#bytes;
    if (bytes[this.at] === MINUS) this.at++;
    if (bytes[this.at] === ZERO) this.at++;
    else this.#skipDigits();
    if (bytes[this.at] === DOT) {
      this.at++;
      this.#skipDigits();
    }
    if ((bytes[this.at] | 0x20) !== 0x65) return;
    this.at++;
    if (bytes[this.at] === MINUS || bytes[this.at] === 0x2b) this.at++;
    this.#skipDigits();
  }

  #skipDigits(): void {
    const start = this.at;
    while (isDigit(this.#bytes[this.at])) this.at++;
    if (this.at === start) throw this.#unexpected("a digit");
  }

  #skipWord(): void {
    for (const word of ["true", "false", "null"]) {
      if (!startsWith(this.#bytes, this.at, word)) continue;
      this.at += word.length;
      return;
    }
    throw this.#unexpected("a value");
  }

  #unexpected(expected: string): EngineError {
    const byte = this.#bytes[this.at];
    const actual = byte === undefined ? "the end" : byte < 0x80 ? String.fromCharCode(byte) : `byte ${byte}`;
    return this.error(this.#rules.syntax, "not JSON", this.at, { limit: expected, actual });
  }
}

/** One reference token of a JSON pointer (RFC 6901). */
export function pointer(name: string | number): string {
  return `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Offset of the first byte that is not UTF-8: the longest prefix that decodes, found by halving. */
function malformedAt(bytes: Uint8Array): number {
  let valid = 0;
  let invalid = bytes.length;
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    try {
      // `stream` accepts a character cut at the end.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      valid = middle;
    } catch {
      invalid = middle;
    }
  }
  return valid;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function startsWith(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}
