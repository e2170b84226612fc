import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { type QuantizeOptions, RECIPES, TOWER_TYPES } from "../convert/quantize.ts";
import { checkLoadOptions, type LoadOptions } from "../engine/load-options.ts";
import { EngineError, quoteName } from "../error.ts";
import { checkOptions, type GenerateOptions } from "../generate/options.ts";
import type { ChatOptions, Recipe } from "../index.ts";
import { answerOptions, chatVariables, type FormatFile, formatFile } from "./answer-options.ts";
import { type BatchCommand, batchOptions } from "./batch-arguments.ts";
import { COMMANDS, type CommandName, nearestName, OPTIONS, optionsOf } from "./options.ts";
import { type QueueCommand, queueOptions, type WorkCommand, workOptions } from "./queue-arguments.ts";
import { type ServeCommand, serveOptions } from "./serve-arguments.ts";
import { type Split, splitArguments, UsageError, type Value } from "./split.ts";

/** The command line as a command, checked before anything is opened. */

export interface RunCommand {
  readonly name: "run";
  readonly model: string | undefined;
  readonly prompt: string | undefined;
  readonly chat: boolean;
  /** Only beside `chat`. */
  readonly system: string | undefined;
  /** Only beside `chat`: files of pictures before the question. */
  readonly images: readonly string[];
  /** Only beside `chat`: the template of that name, and its variables. */
  readonly template: string | undefined;
  readonly variables: ChatOptions["variables"];
  /** What the answer may be, where a file says it. */
  readonly format: FormatFile | undefined;
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

export interface PerplexityCommand {
  readonly name: "perplexity";
  readonly model: string | undefined;
  /** A path, or `STDIO`; undefined: what is piped in. */
  readonly file: string | undefined;
  /** Tokens; undefined: the default. */
  readonly window: number | undefined;
  readonly stride: number | undefined;
  /** At most one of these three. */
  readonly against: string | undefined;
  readonly logits: string | undefined;
  readonly saveLogits: string | undefined;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly load: LoadOptions;
}

export interface QuantizeCommand {
  readonly name: "quantize";
  readonly model: string | undefined;
  readonly recipe: Recipe;
  readonly requantize: boolean;
  readonly vision: Pick<QuantizeOptions, "vision" | "visionType">;
  /** A path, or `STDIO`. */
  readonly output: string;
  readonly threads: number | undefined;
  readonly json: boolean;
}

export interface BenchCommand {
  readonly name: "bench";
  readonly model: string | undefined;
  /** undefined, here and below: the default, fitted to machine and model. */
  readonly threads: readonly number[] | undefined;
  readonly contexts: readonly number[] | undefined;
  readonly prompt: number | undefined;
  readonly batches: readonly number[];
  readonly generate: number;
  readonly runs: number;
  readonly profile: boolean;
  readonly layers: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly load: LoadOptions;
}

export type Command =
  | RunCommand
  | InspectCommand
  | PerplexityCommand
  | QuantizeCommand
  | BatchCommand
  | BenchCommand
  | ServeCommand
  | WorkCommand
  | QueueCommand
  | { name: "help"; of: CommandName }
  | { name: "version" };

/** As a path: stdin where a text is read, stdout where a new file is written in one pass. Whatever else is read here and there. */
export const STDIO = "-";

function refuseStdio(path: string | undefined, what: string): void {
  if (path === STDIO)
    throw new UsageError(`${what} cannot be piped, got "-", expected a path (a file of that name is ./-)`);
}

export function parseCommand(argv: readonly string[]): Command {
  const split = splitArguments(argv);
  const { command: name, values } = split;
  refuseMistyped(split);
  refuseStrangers(split);
  if (values.has("help")) return { name: "help", of: name };
  if (values.has("version")) return { name: "version" };
  if (name === "batch") {
    const load = servedLoad(name, values);
    const told = { json: values.has("json"), verbose: values.has("verbose") };
    return { name, ...told, ...checked(() => batchOptions(split.positionals, values, load)) };
  }
  if (name === "queue") return { name, json: values.has("json"), ...queueOptions(split.positionals, values) };
  const about = { model: onlyModel(split.positionals, name), json: values.has("json") };
  if (name === "inspect") return { name, ...about, tensors: values.has("tensors") };
  const verbose = values.has("verbose");
  if (name === "perplexity") return { name, ...about, verbose, ...perplexityOptions(values) };
  if (name === "quantize") return { name, ...about, ...quantizeOptions(values) };
  if (name === "work")
    return { name, ...about, verbose, ...checked(() => workOptions(values, servedLoad(name, values))) };
  if (name === "serve") {
    const load = servedLoad(name, values);
    const command = { name, ...about, verbose, ...checked(() => serveOptions(values, load)) };
    if (command.config !== undefined && command.model !== undefined)
      throw new UsageError("a model beside --config, which names the models, expected one of them");
    return command;
  }
  if (name === "bench") return { name, ...about, verbose, ...benchOptions(values) };
  const text = (option: string) => values.get(option) as string | undefined;
  const chat = values.has("chat");
  for (const option of ["system", "chat-template", "chat-variable", "image"])
    if (values.has(option) && !chat)
      throw new UsageError(`--${option} without a conversation, expected --chat beside it`);
  if (chat && values.has("special-tokens"))
    throw new UsageError("--special-tokens beside --chat, whose template places them, expected one of them");
  const variables = chatVariables(values.get("chat-variable"));
  const format = formatFile(values);
  if (format) refuseStdio(format.path, `--${format.option}`);
  const images = (values.get("image") as string[] | undefined) ?? [];
  const told = { prompt: text("prompt"), images, chat, system: text("system"), template: text("chat-template") };
  return { name, ...about, ...told, variables, format, verbose, ...engineOptions(values) };
}

/** What is said instead of a command elsewhere. */
const SAID_BY_OPTION: Readonly<Record<string, string>> = {
  chat: "--chat",
  generate: '-p "..."',
  help: "--help",
  version: "--version",
};

/** A word that is no file would be the name of a model, and its options those of another command. */
function refuseMistyped({ command, positionals: [first] }: Split): void {
  if (command !== "run" || first === undefined || !/^[a-z][a-z-]*$/i.test(first) || existsSync(first)) return;
  const word = first.toLowerCase();
  const meant = SAID_BY_OPTION[word] ?? nearestName(word, COMMANDS);
  if (meant !== undefined && meant !== "run")
    throw new UsageError(`no command and no model, got ${quoteName(first)}, did you mean wasmaverick ${meant}?`);
}

function refuseStrangers({ command, given }: Split): void {
  const options = optionsOf(command);
  const program = command === "run" ? "wasmaverick" : `wasmaverick ${command}`;
  for (const { name, typed } of given) {
    if (options.some((option) => option.name === name)) continue;
    if (OPTIONS.some((option) => option.name === name)) {
      throw new UsageError(`${typed} is no option of ${program}, expected one of ${program} --help`);
    }
    const nearest = nearestName(
      name,
      options.map((option) => option.name),
    );
    const expected = nearest ? `did you mean --${nearest}?` : `expected one of ${program} --help`;
    throw new UsageError(`unknown option, got ${quoteName(typed, false)}, ${expected}`);
  }
}

function onlyModel(models: readonly string[], command: CommandName): string | undefined {
  if (models.length > 1) {
    const got = models.slice(0, 3).map((model) => quoteName(model));
    const more = models.length > 3 ? ", ..." : "";
    const hints: Partial<Record<CommandName, string>> = {
      run: " (a prompt goes after -p, in quotes)",
      quantize: " (the new file goes after -o)",
    };
    throw new UsageError(
      `${models.length} models, got ${got.join(", ")}${more}, expected at most one${hints[command] ?? ""}`,
    );
  }
  refuseStdio(models[0], "a model");
  if (models[0] === "") throw new UsageError('an empty model, got "", expected a GGUF file or a Hugging Face folder');
  return models[0];
}

/** Seeds drawn here are short, so that one can be typed again. */
const RANDOM_SEEDS = 1_000_000;

/** What was asked for, a seed that can be said, and the engine's own checks of it. The rest is the model's to choose. */
function engineOptions(values: ReadonlyMap<string, Value>): Pick<RunCommand, "load" | "generate"> {
  const generate: GenerateOptions = { ...asked("run", "generate", values), ...answerOptions(values) };
  // As everywhere -1 asks for any seed.
  if (generate.seed === undefined || generate.seed === -1) generate.seed = randomInt(RANDOM_SEEDS);
  const load = loadOptions("run", values);
  if (values.has("no-generation-config")) load.generationConfig = false;
  const kept = values.get("prefix-cache") as string | undefined;
  if (kept !== undefined) load.prefixCache = kept === "off" ? false : { maxBytes: kept };
  return checked(() => {
    checkLoadOptions(load);
    // The model's limits are not known yet; these are wider.
    checkOptions(generate, { vocab: Number.MAX_SAFE_INTEGER, context: Number.MAX_SAFE_INTEGER });
    return { load, generate };
  });
}

function perplexityOptions(
  values: ReadonlyMap<string, Value>,
): Omit<PerplexityCommand, "name" | "model" | "json" | "verbose"> {
  const text = (name: string) => values.get(name) as string | undefined;
  const window = values.get("context") as number | undefined;
  const stride = values.get("stride") as number | undefined;
  const others = ["against", "logits", "save-logits"].filter((name) => values.has(name)).map((name) => `--${name}`);
  if (others.length > 1)
    throw new UsageError(`options that exclude each other, got ${others.join(" and ")}, expected one of them`);
  for (const name of ["against", "logits", "save-logits"]) refuseStdio(text(name), `--${name}`);
  const load = loadOptions("perplexity", values);
  checked(() => checkLoadOptions(load));
  return {
    load,
    file: text("file"),
    window,
    stride,
    against: text("against"),
    logits: text("logits"),
    saveLogits: text("save-logits"),
  };
}

function quantizeOptions(values: ReadonlyMap<string, Value>): Omit<QuantizeCommand, "name" | "model" | "json"> {
  const [type, output] = ["type", "output"].map((name) => values.get(name) as string | undefined);
  const recipe = RECIPES.find((one) => one === type?.toLowerCase());
  if (!recipe) {
    const got = type === undefined ? "nothing" : quoteName(type);
    throw new UsageError(`no type to quantise to, got ${got}, expected --type ${RECIPES.join(" | ")}`);
  }
  if (!output)
    throw new UsageError("no place for the new file, got nothing, expected --output path/to/new.gguf (- is stdout)");
  const threads = values.get("threads") as number | undefined;
  checked(() => checkLoadOptions({ threads }));
  if (output === STDIO && values.has("json"))
    throw new UsageError("--json beside --output -, which takes stdout for the new file, expected one of them");
  return { recipe, requantize: values.has("requantize"), vision: towerOptions(values, output), output, threads };
}

function towerOptions(values: ReadonlyMap<string, Value>, output: string): QuantizeCommand["vision"] {
  const [file, type] = ["vision", "vision-type"].map((name) => values.get(name) as string | undefined);
  const visionType = TOWER_TYPES.find((one) => one === type?.toLowerCase());
  if (type !== undefined && !visionType)
    throw new UsageError(
      `a vision tower of type ${quoteName(type)}, expected --vision-type ${TOWER_TYPES.join(" | ")}`,
    );
  const asked = file !== undefined ? "--vision" : type !== undefined ? "--vision-type" : undefined;
  if (asked && values.has("no-vision")) throw new UsageError(`${asked} beside --no-vision, expected one of them`);
  if (asked && output === STDIO)
    throw new UsageError(`${asked} beside --output -, which is one file, expected a path for the new file`);
  return { vision: values.has("no-vision") ? false : file, visionType };
}

function benchOptions(values: ReadonlyMap<string, Value>): Omit<BenchCommand, "name" | "model" | "json" | "verbose"> {
  const list = (name: string) => values.get(name) as number[] | undefined;
  const number = (name: string) => values.get(name) as number | undefined;
  const load = loadOptions("bench", values);
  const threads = list("threads");
  return checked(() => {
    for (const count of threads ?? [undefined]) checkLoadOptions({ ...load, threads: count });
    return {
      load,
      threads,
      contexts: list("context"),
      prompt: number("prompt"),
      batches: list("batch") ?? [1, 4, 16],
      generate: number("generate") ?? 64,
      runs: number("runs") ?? 2,
      profile: !values.has("no-profile"),
      layers: values.has("layers"),
    };
  });
}

/** Of a model that answers requests. */
function servedLoad(command: CommandName, values: ReadonlyMap<string, Value>): LoadOptions {
  const load = loadOptions(command, values);
  if (values.has("no-generation-config")) load.generationConfig = false;
  return load;
}

function loadOptions(command: CommandName, values: ReadonlyMap<string, Value>): LoadOptions {
  const adapters = adaptersOf(values.get("lora") as string | undefined);
  return { wide: !values.has("narrow"), ...adapters, ...asked(command, "load", values) };
}

/** `path:0.5`; a drive's letter is followed by no number alone. */
function adaptersOf(given: string | undefined): Pick<LoadOptions, "adapters"> {
  if (given === undefined) return {};
  refuseStdio(given, "--lora");
  const [, source, scale] = /^(.+):([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)$/is.exec(given) ?? [undefined, given];
  if (source === "") throw new UsageError('--lora has a bad value, got "", expected path[:scale]');
  return { adapters: [{ source, ...(scale !== undefined && { scale: Number(scale) }) }] };
}

function asked(command: CommandName, engine: "load" | "generate", values: ReadonlyMap<string, Value>): object {
  const rows = optionsOf(command).filter((option) => option.engine === engine && values.has(option.name));
  return Object.fromEntries(rows.map(({ name }) => [camelCase(name), values.get(name)]));
}

/** What the engine refuses, in the words of the command line. */
function checked<Result>(check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof EngineError) || error.at?.field === undefined) throw error;
    const field = kebabCase(error.at.field.replace(/\[.*/, "")).replaceAll(".", "-");
    const option = SPELLED[field] ?? field;
    throw new UsageError(`--${option} has a bad value, got ${error.actual}, expected ${error.limit}`);
  }
}

/** Where the command line has another name than the engine. */
const SPELLED: Readonly<Record<string, string>> = {
  "dry-sequence-breakers": "dry-breaker",
  "prefix-cache-max-bytes": "prefix-cache",
  "response-format-pattern": "regex",
  "response-format-choices": "choice",
};

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
