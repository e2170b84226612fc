import { dirname, join, resolve } from "node:path";
import { checkLoadOptions, type LoadOptions } from "../engine/load-options.ts";
import { PATIENT, type QueuePlace, queuePlace } from "./queue-arguments.ts";
import { UsageError, type Value } from "./split.ts";

export interface BatchCommand {
  readonly name: "batch";
  readonly input: string;
  readonly output: string;
  readonly errors: string;
  /** Results in the order of the lines, as a queue gives them anyway. */
  readonly ordered: boolean;
  readonly model: string | undefined;
  /** Workers of this queue answer, not a model of this process. */
  readonly queue: QueuePlace | undefined;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly load: LoadOptions;
}

export function batchOptions(
  paths: readonly string[],
  values: ReadonlyMap<string, Value>,
  load: LoadOptions,
): Omit<BatchCommand, "name" | "json" | "verbose"> {
  const [input, output] = paths;
  if (paths.length !== 2 || !input || !output)
    throw new UsageError(`${paths.length} paths, expected two: wasmaverick batch in.jsonl out.jsonl -m model.gguf`);
  const errors = (values.get("errors") as string | undefined) ?? join(dirname(output), "errors.jsonl");
  const places = [input, output, errors].map((path) => resolve(path));
  const given = values.get("queue") as string | undefined;
  const queue = given === undefined ? undefined : queuePlace(given, values.get("queue-name"));
  const beside = [...values.keys()].find((name) => !["queue", "queue-name", ...OF_THE_LINES].includes(name));
  if (queue !== undefined && beside !== undefined)
    throw new UsageError(`--${beside} beside --queue, whose workers say it, expected one of them`);
  if (queue === undefined && values.has("queue-name"))
    throw new UsageError("--queue-name without a queue, expected --queue beside it");
  if (new Set(places).size < 3)
    throw new UsageError("one path for two things, expected three files: lines, results and errors");
  checkLoadOptions(load);
  const model = values.get("model") as string | undefined;
  return { input, output, errors, ordered: values.has("ordered"), model, queue, load: { ...load, ...PATIENT } };
}

/** Options that do not say which model answers, and how. */
const OF_THE_LINES = ["errors", "ordered", "json", "verbose"];
