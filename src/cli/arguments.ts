import { randomInt } from "node:crypto";
import { EngineError, quoteName } from "../error.ts";
import { checkLoadOptions, type LoadOptions } from "../generate/load-options.ts";
import { checkOptions, type GenerateOptions } from "../generate/options.ts";
import { nearestOption, OPTIONS, optionsOf } from "./options.ts";
import { type Split, splitArguments, UsageError, type Value } from "./split.ts";

/** The command line as a command, checked before anything is opened. */

export interface RunCommand {
  readonly name: "run";
  readonly model: string | undefined;
  readonly prompt: string | undefined;
  readonly chat: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly load: LoadOptions;
  readonly generate: GenerateOptions;
}

export interface InspectCommand {
  readonly name: "inspect";
  readonly model: string | undefined;
  readonly tensors: boolean;
  readonly json: boolean;
}

export type Command = RunCommand | InspectCommand | { name: "help"; of: "run" | "inspect" } | { name: "version" };

export function parseCommand(argv: readonly string[]): Command {
  const split = splitArguments(argv);
  const { values, positionals } = split;
  const name = positionals[0] === "inspect" ? "inspect" : "run";
  refuseStrangers(split, name);
  if (values.has("help")) return { name: "help", of: name };
  if (values.has("version")) return { name: "version" };
  const model = onlyModel(name === "inspect" ? positionals.slice(1) : positionals);
  const json = values.has("json");
  if (name === "inspect") return { name, model, tensors: values.has("tensors"), json };
  const prompt = values.get("prompt") as string | undefined;
  return {
    name,
    model,
    prompt,
    chat: values.has("chat"),
    json,
    verbose: values.has("verbose"),
    ...engineOptions(values),
  };
}

function refuseStrangers({ given }: Split, command: "run" | "inspect"): void {
  const options = optionsOf(command);
  const program = command === "inspect" ? "wasmaverick inspect" : "wasmaverick";
  for (const { name, typed } of given) {
    if (options.some((option) => option.name === name)) continue;
    if (OPTIONS.some((option) => option.name === name)) {
      throw new UsageError(`${typed} is no option of ${program}, expected one of ${program} --help`);
    }
    const nearest = nearestOption(name, options);
    const expected = nearest ? `did you mean --${nearest}?` : `expected one of ${program} --help`;
    throw new UsageError(`unknown option, got ${quoteName(typed, false)}, ${expected}`);
  }
}

function onlyModel(models: readonly string[]): string | undefined {
  if (models.length > 1) {
    const got = models.slice(0, 3).map((model) => quoteName(model));
    const more = models.length > 3 ? ", ..." : "";
    throw new UsageError(
      `${models.length} models, got ${got.join(", ")}${more}, expected at most one (a prompt goes after -p, in quotes)`,
    );
  }
  if (models[0] === "") throw new UsageError('an empty model, got "", expected a GGUF file or a Hugging Face folder');
  return models[0];
}

/** Seeds drawn here are short, so that one can be typed again. */
const RANDOM_SEEDS = 1_000_000;

/** Defaults of the command line, what was asked for, and the engine's own checks of it. */
function engineOptions(values: ReadonlyMap<string, Value>): Pick<RunCommand, "load" | "generate"> {
  const asked = (engine: "load" | "generate") => {
    const rows = OPTIONS.filter((option) => option.engine === engine && values.has(option.name));
    return Object.fromEntries(rows.map(({ name }) => [camelCase(name), values.get(name)]));
  };
  const load: LoadOptions = asked("load");
  const seed = randomInt(RANDOM_SEEDS);
  const generate: GenerateOptions = { maxTokens: 256, temperature: 0.7, topP: 0.9, seed, ...asked("generate") };
  try {
    checkLoadOptions(load);
    // The model's limits are not known yet; these are wider.
    checkOptions(generate, { vocab: Number.MAX_SAFE_INTEGER, context: Number.MAX_SAFE_INTEGER });
  } catch (error) {
    if (!(error instanceof EngineError) || error.at?.field === undefined) throw error;
    const option = kebabCase(error.at.field.replace(/\[.*/, ""));
    throw new UsageError(`--${option} has a bad value, got ${error.actual}, expected ${error.limit}`);
  }
  return { load, generate };
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
