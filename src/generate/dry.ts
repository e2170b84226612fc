import { MAX_F32 } from "../exact.ts";
import { isArray, readOptions, wrong } from "../given.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { numberIn } from "./in-range.ts";
import { checkShortText } from "./short-text.ts";

/**
 * "Don't repeat yourself" (p-e-w, text-generation-webui PR 5677): where the text ends in ids that stood there before, the id that
 * followed them then loses `multiplier * base ^ (length - allowedLength)` of its logit, `length` being how many ids repeat, of
 * several places the longest.
 */
export interface DryOptions {
  /** 0 (off) to 100; 0.8 is usual. */
  multiplier: number;
  /** 1 to 10. Default 1.75. */
  base?: number;
  /** Repeated ids before the first penalty: 1 to 1024. Default 2. */
  allowedLength?: number;
  /**
   * Text that nothing repeats across: an id whose text ends one, or holds it, ends what is looked back at, and is never penalised
   * itself; so are control tokens. At most 64 of at most 64 bytes. Default: "\n", ":", "\"", "*" (of a model without tokenizer: none).
   */
  sequenceBreakers?: readonly string[];
  /** How many ids of prompt and output are looked at; -1: all. Default -1. */
  range?: number;
}

export interface CheckedDry extends Required<Omit<DryOptions, "sequenceBreakers">> {
  /** undefined: the usual ones. */
  readonly sequenceBreakers: readonly string[] | undefined;
}

const USUAL_BREAKERS = ["\n", ":", '"', "*"];
const MOST_BREAKERS = 64;
const MOST_BREAKER_BYTES = 64;

export function checkDry(value: unknown, absent: CheckedDry | undefined): CheckedDry | undefined {
  if (value === undefined) return absent;
  const names = ["multiplier", "base", "allowedLength", "sequenceBreakers", "range"] as const;
  const given = readOptions(value as DryOptions, names, "dry");
  if (given.multiplier === undefined)
    throw wrong("dry.multiplier", "a multiplier is missing", "a number in [0, 100]", undefined);
  const multiplier = numberIn("dry.multiplier", given.multiplier, 0, "[0, 100]");
  const base = numberIn("dry.base", given.base, 1.75, "[1, 10]");
  const allowedLength = checkCount("dry.allowedLength", given.allowedLength, 2, 1024);
  const range = given.range === -1 ? -1 : checkCount("dry.range", given.range, -1, 2 ** 30, ", or -1 for all");
  const sequenceBreakers = given.sequenceBreakers === undefined ? undefined : checkBreakers(given.sequenceBreakers);
  return multiplier === 0 ? undefined : { multiplier, base, allowedLength, sequenceBreakers, range };
}

function checkCount(field: string, value: unknown, absent: number, most: number, other = ""): number {
  if (value === undefined) return absent;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) return value as number;
  throw wrong(field, "not a number of ids", `an integer in [1, ${most}]${other}`, value);
}

function checkBreakers(value: unknown): string[] {
  const field = "dry.sequenceBreakers";
  if (!isArray(value)) throw wrong(field, "not a list of text", "an array of strings", value);
  if (value.length > MOST_BREAKERS)
    throw wrong(field, "too many strings", `at most ${MOST_BREAKERS} strings`, value.length);
  return Array.from({ length: value.length }, (_, index) =>
    checkShortText(value[index], `${field}[${index}]`, MOST_BREAKER_BYTES),
  );
}

/** What repeats at the end of one text, and what it costs to go on with it. */
export class Dry {
  readonly #options: CheckedDry;
  readonly #tokenizer: Pick<Tokenizer, "tokenBytes" | "isSpecial"> | null;
  /** One character a byte. */
  readonly #breakers: readonly string[];
  readonly #longest: number;
  readonly #ids: number[] = [];
  /** Of each id, whether a breaker ends in it. */
  readonly #breaks: boolean[] = [];
  /** The last bytes of the text, in which a breaker may have begun. */
  #tail = "";

  constructor(options: CheckedDry, tokenizer: Pick<Tokenizer, "tokenBytes" | "isSpecial"> | null) {
    this.#options = options;
    this.#tokenizer = tokenizer;
    const encoder = new TextEncoder();
    const breakers = tokenizer ? (options.sequenceBreakers ?? USUAL_BREAKERS) : [];
    this.#breakers = breakers.map((text) => textOf(encoder.encode(text)));
    this.#longest = Math.max(1, ...this.#breakers.map(({ length }) => length));
  }

  push(id: number): void {
    this.#ids.push(id);
    this.#breaks.push(this.#tokenizer ? this.#endsBreaker(id, this.#tokenizer) : false);
  }

  /** What each id that would go on a repetition loses of its logit: finite, for a penalty forbids nothing. */
  penalties(): Map<number, number> {
    const { multiplier, base, allowedLength, range } = this.#options;
    const penalties = new Map<number, number>();
    for (const [id, length] of this.#repeated(range, allowedLength))
      penalties.set(id, Math.min(MAX_F32, multiplier * power(base, length - allowedLength)));
    return penalties;
  }

  /** By id that followed: how many of the last ids stood before it, the most, where they are at least `least`. */
  #repeated(range: number, least: number): Map<number, number> {
    const found = new Map<number, number>();
    const ids = this.#ids;
    const end = ids.length;
    const window = range < 0 ? end : Math.min(range, end);
    let unbroken = 0;
    while (unbroken < window && !this.#breaks[end - 1 - unbroken]) unbroken++;
    if (unbroken < least) return found;
    const lengths = suffixLengths(ids, window);
    for (let back = 1; back < window; back++) {
      const length = Math.min(lengths[back], unbroken);
      const next = ids[end - back];
      if (length < least || this.#breaks[end - back]) continue;
      if (length > (found.get(next) ?? 0)) found.set(next, length);
    }
    return found;
  }

  #endsBreaker(id: number, tokenizer: Pick<Tokenizer, "tokenBytes" | "isSpecial">): boolean {
    if (tokenizer.isSpecial(id)) {
      this.#tail = "";
      return true;
    }
    const before = this.#tail.length;
    const text = this.#tail + textOf(tokenizer.tokenBytes(id));
    this.#tail = text.slice(Math.max(0, text.length - (this.#longest - 1)));
    return this.#breakers.some((breaker) => text.indexOf(breaker, Math.max(0, before - breaker.length + 1)) >= 0);
  }
}

/**
 * At [back]: how many ids the last `window` ids have in common with themselves, read from the end, where one reading begins `back`
 * ids earlier. The Z-algorithm: linear, whatever repeats.
 */
function suffixLengths(ids: readonly number[], window: number): Int32Array {
  const lengths = new Int32Array(window);
  const last = ids.length - 1;
  let start = 0;
  let reach = 0;
  for (let back = 1; back < window; back++) {
    let length = back < reach ? Math.min(reach - back, lengths[back - start]) : 0;
    while (back + length < window && ids[last - length] === ids[last - back - length]) length++;
    lengths[back] = length;
    if (back + length > reach) {
      start = back;
      reach = back + length;
    }
  }
  return lengths;
}

/** By multiplications alone, which are the same on every host. */
function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
