import { parseArgs } from "node:util";
import { quoteName } from "../error.ts";
import { OPTIONS, type OptionRow } from "./options.ts";

/**
 * The words of a command line -> models and options, each with a value of its kind. `node:util` splits; its strict mode is not
 * used, for its messages have several lines and it refuses `--presence-penalty -1`.
 */

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

export type Value = string | string[] | number | bigint | true;

export interface Given {
  readonly name: string;
  /** As typed: `--top-k`, `-p`. */
  readonly typed: string;
}

export interface Split {
  /** By long name. */
  readonly values: ReadonlyMap<string, Value>;
  readonly positionals: readonly string[];
  /** Every option in order, known or not. */
  readonly given: readonly Given[];
}

export function splitArguments(argv: readonly string[]): Split {
  const options = Object.fromEntries(
    OPTIONS.map(({ name, short, kind }) => {
      return [name, { type: kind === "flag" ? "boolean" : "string", ...(short && { short }) } as const];
    }),
  );
  const words = parseArgs({ args: [...argv], options, allowPositionals: true, strict: false, tokens: true });
  const given: Given[] = [];
  const values = new Map<string, Value>();
  for (const token of words.tokens) {
    if (token.kind !== "option") continue;
    const { name, rawName: typed, value, inlineValue } = token;
    given.push({ name, typed });
    const row = OPTIONS.find((option) => option.name === name);
    if (!row) continue;
    const read = readValue(row, typed, value, inlineValue === true);
    const before = values.get(name);
    if (row.kind === "texts") values.set(name, [...((before as string[] | undefined) ?? []), read as string]);
    else if (before !== undefined && before !== true) throw new UsageError(`${typed} is given twice, expected once`);
    else values.set(name, read);
  }
  return { values, positionals: words.positionals, given };
}

/** `inline`: the value came in the same word. */
function readValue(
  { kind, name, value: what }: OptionRow,
  typed: string,
  value: string | undefined,
  inline: boolean,
): Value {
  if (kind === "flag") {
    if (inline) throw new UsageError(`${typed} takes no value, got ${quoteName(value ?? "")}`);
    return true;
  }
  const expected = kind === "text" || kind === "texts" ? what : "a number";
  if (value === undefined) throw new UsageError(`${typed} lacks its value, got nothing, expected ${expected}`);
  if (!inline && looksLikeOption(value)) {
    const got = quoteName(value, false);
    throw new UsageError(`${typed} lacks its value, got the option ${got}, expected ${expected} (or --${name}=${got})`);
  }
  if (kind === "text" || kind === "texts") return value;
  const number = value.trim() === "" ? Number.NaN : Number(value);
  if (Number.isNaN(number))
    throw new UsageError(`${typed} has a bad value, got ${quoteName(value)}, expected a number`);
  return kind === "seed" && Number.isInteger(number) && !Number.isSafeInteger(number)
    ? wideInteger(value, number)
    : number;
}

/** A dash, a letter, no space: `-p --chat` has forgotten something, `-p "- milk"` and `--top-k -1` have not. */
function looksLikeOption(value: string): boolean {
  return /^--?[a-z]\S*$/i.test(value);
}

/** Digits that a double would round; `number` where it is spelled in another way. */
function wideInteger(text: string, number: number): number | bigint {
  return /^-?\d+$/.test(text.trim()) ? BigInt(text.trim()) : number;
}
