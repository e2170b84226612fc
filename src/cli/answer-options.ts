import { readFile } from "node:fs/promises";
import type { ChatOptions, GenerateOptions, ResponseFormat } from "../index.ts";
import { UsageError, type Value } from "./split.ts";

/** Options of an answer that are several words of a command line, or a file. */

/** A file that says what the answer may be. */
export interface FormatFile {
  readonly option: "json-schema" | "grammar";
  readonly path: string;
}

const FORMATS = ["json-answer", "json-schema", "regex", "choice", "grammar"] as const;
const DRY = ["dry-base", "dry-allowed-length", "dry-range", "dry-breaker"] as const;

export function answerOptions(
  values: ReadonlyMap<string, Value>,
): Pick<GenerateOptions, "xtc" | "dry" | "logitBias" | "responseFormat"> {
  const number = (name: string) => values.get(name) as number | undefined;
  needs(values, ["xtc-threshold"], "xtc-probability");
  needs(values, DRY, "dry-multiplier");
  const [probability, multiplier] = [number("xtc-probability"), number("dry-multiplier")];
  return defined({
    xtc: probability === undefined ? undefined : { probability, ...defined({ threshold: number("xtc-threshold") }) },
    dry:
      multiplier === undefined
        ? undefined
        : {
            multiplier,
            ...defined({
              base: number("dry-base"),
              allowedLength: number("dry-allowed-length"),
              range: number("dry-range"),
              sequenceBreakers: values.get("dry-breaker") as string[] | undefined,
            }),
          },
    logitBias: biases(values.get("logit-bias") as string[] | undefined),
    responseFormat: format(values),
  });
}

/** `name=value`: true, false and numbers as such, else text. */
export function chatVariables(given: Value | undefined): ChatOptions["variables"] {
  if (given === undefined) return undefined;
  const variables = (given as string[]).map((text) => {
    const [, name, value] = pair(text, "=", "--chat-variable", "name=value");
    if (value === "true" || value === "false") return [name, value === "true"] as const;
    const number = value.trim() === "" ? Number.NaN : Number(value);
    return [name, Number.isFinite(number) ? number : value] as const;
  });
  return Object.fromEntries(variables);
}

export function formatFile(values: ReadonlyMap<string, Value>): FormatFile | undefined {
  for (const option of ["json-schema", "grammar"] as const) {
    const path = values.get(option) as string | undefined;
    if (path !== undefined) return { option, path };
  }
  return undefined;
}

/** Files are read before a model is opened: what is wrong with them shows at once. */
export async function readFormat({ option, path }: FormatFile): Promise<ResponseFormat> {
  const text = await read(path, option);
  if (option === "grammar") return { type: "grammar", gbnf: text };
  try {
    return { type: "json_schema", schema: JSON.parse(text) };
  } catch (error) {
    throw new UsageError(`--${option} names a file that is no JSON: ${(error as Error).message}`);
  }
}

async function read(path: string, option: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`--${option} names a file that is not text, expected UTF-8`);
    throw new UsageError(`--${option} names a file that cannot be read, got ${(error as Error).message}`);
  }
}

function format(values: ReadonlyMap<string, Value>): ResponseFormat | undefined {
  const given = FORMATS.filter((name) => values.has(name)).map((name) => `--${name}`);
  if (given.length > 1)
    throw new UsageError(`options that exclude each other, got ${given.join(" and ")}, expected one of them`);
  if (values.has("json-answer")) return { type: "json" };
  if (values.has("regex")) return { type: "regex", pattern: values.get("regex") as string };
  if (values.has("choice")) return { type: "choice", choices: values.get("choice") as string[] };
  return undefined;
}

function biases(given: string[] | undefined): Record<number, number> | undefined {
  if (given === undefined) return undefined;
  const made: Record<string, number> = {};
  for (const text of given) {
    const [, id, bias] = pair(text, ":", "--logit-bias", "id:bias");
    if (id in made) throw new UsageError(`--logit-bias is given twice for ${id}, expected once`);
    made[id] = bias.trim() === "" ? Number.NaN : Number(bias);
  }
  return made;
}

function pair(text: string, between: string, option: string, expected: string): [string, string, string] {
  const at = text.indexOf(between);
  if (at < 1) throw new UsageError(`${option} has a bad value, got ${JSON.stringify(text)}, expected ${expected}`);
  return [text, text.slice(0, at), text.slice(at + 1)];
}

function needs(values: ReadonlyMap<string, Value>, names: readonly string[], other: string): void {
  const alone = names.find((name) => values.has(name) && !values.has(other));
  if (alone) throw new UsageError(`--${alone} does nothing by itself, expected --${other} beside it`);
}

function defined<Options extends object>(
  options: Options,
): { [Name in keyof Options]: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
