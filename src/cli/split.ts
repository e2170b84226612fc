import { parseArgs } from "node:util";
import { quoteName } from "../error.ts";
import { COMMANDS, type CommandName, OPTIONS, type OptionRow, optionsOf } from "./options.ts";

/**
 * The words of a command line -> models and options, each with a value of its kind. `node:util` splits; its strict mode is not
 * used, for its messages have several lines and it refuses `--presence-penalty -1`.
 */

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

export type Value = string | string[] | number | number[] | bigint | true;

export interface Given {
  readonly name: string;
  /** As typed: `--top-k`, `-p`. */
  readonly typed: string;
}

export interface Split {
  readonly command: CommandName;
  /** By long name, of options that the command knows. */
  readonly values: ReadonlyMap<string, Value>;
  /** Without the command. */
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
  const first = words.positionals[0];
  const command = COMMANDS.find((name) => name === first) ?? "run";
  const rows = optionsOf(command);
  const given: Given[] = [];
  const values = new Map<string, Value>();
  for (const token of words.tokens) {
    if (token.kind !== "option") continue;
    const { name, rawName: typed, value, inlineValue } = token;
    given.push({ name, typed });
    const row = rows.find((option) => option.name === name);
    if (!row) continue;
    const read = readValue(row, typed, value, inlineValue === true);
    const before = values.get(name);
    if (row.kind === "texts") values.set(name, [...((before as string[] | undefined) ?? []), read as string]);
    else if (before !== undefined && before !== true) throw new UsageError(`${typed} is given twice, expected once`);
    else values.set(name, read);
  }
  return { command, values, positionals: words.positionals.slice(command === first ? 1 : 0), given };
}

/** `inline`: the value came in the same word. */
function readValue(row: OptionRow, typed: string, value: string | undefined, inline: boolean): Value {
  const { kind } = row;
  if (kind === "flag") {
    if (inline) throw new UsageError(`${typed} takes no value, got ${quoteName(value ?? "")}`);
    return true;
  }
  const isText = kind === "text" || kind === "texts";
  const expected = isText ? row.value : kind === "numbers" ? "numbers" : "a number";
  if (value === undefined) throw new UsageError(`${typed} lacks its value, got nothing, expected ${expected}`);
  if (!inline && looksLikeOption(value)) {
    const got = quoteName(value, false);
    throw new UsageError(
      `${typed} lacks its value, got the option ${got}, expected ${expected} (or --${row.name}=${got})`,
    );
  }
  if (isText) return value;
  return kind === "numbers"
    ? value.split(",").map((part) => Number(readNumber(row, typed, part)))
    : readNumber(row, typed, value);
}

function readNumber({ kind, range }: OptionRow, typed: string, text: string): number | bigint {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(number)) throw new UsageError(`${typed} has a bad value, got ${quoteName(text)}, expected a number`);
  if (range && !(Number.isInteger(number) && number >= range[0] && number <= range[1])) {
    throw new UsageError(
      `${typed} has a bad value, got ${number}, expected an integer from ${range[0]} to ${range[1]}`,
    );
  }
  return kind === "seed" && Number.isInteger(number) && !Number.isSafeInteger(number)
    ? wideInteger(text, number)
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
