import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EngineError, type LoadOptions, loadModel, type Model, type ModelInfo } from "../index.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import { UsageError } from "./split.ts";
import { ProgressBar, printable, stylesOf, write, writeWarning } from "./terminal.ts";

/** From dist/src/cli: the folder of the package. The npm package has no models. */
const BUNDLED = new URL("../../../models/storyteller-q8_0.gguf", import.meta.url);

export function modelPath(named: string | undefined): string {
  if (named !== undefined) return named;
  if (existsSync(BUNDLED)) return fileURLToPath(BUNDLED);
  throw new UsageError(
    'no model was named and none comes with this installation, expected a GGUF file or a Hugging Face folder: wasmaverick path/to/model.gguf -p "..."',
  );
}

export interface Opening {
  readonly model: string | undefined;
  /** Of the command that continues a text. */
  readonly prompt?: string;
  readonly verbose: boolean;
  readonly load: LoadOptions;
}

/** `said`: warnings that were printed already, of a model that is loaded several times. */
export async function openModel(command: Opening, signal: AbortSignal, said = new Set<string>()): Promise<Model> {
  const path = modelPath(command.model);
  const bar = new ProgressBar(path.split(/[/\\]/).findLast((part) => part !== "") ?? path);
  let model: Model;
  try {
    model = await loadModel(path, { ...command.load, signal, onProgress: (progress) => bar.update(progress) });
  } catch (error) {
    throw forgottenP(error, path, command) ?? error;
  } finally {
    bar.erase();
  }
  for (const warning of model.info.warnings.filter((text) => !said.has(text))) {
    said.add(warning);
    await writeWarning(warning);
  }
  if (command.verbose) await write(process.stderr, stylesOf(process.stderr).dim(describe(model.info)));
  return model;
}

/** `wasmaverick "Once upon a time"` names a model, which was not the intention. */
function forgottenP(error: unknown, path: string, { prompt }: Opening): EngineError | undefined {
  if (!(error instanceof EngineError) || error.code !== "FILE_MISSING") return undefined;
  if (prompt !== undefined || !/\s/.test(path)) return undefined;
  return new EngineError(error.code, "no such file (a prompt goes after -p)", { at: error.at, cause: error });
}

function describe(info: ModelInfo): string {
  const { build, wide, threads, memory } = info;
  const parts = `weights ${formatBytes(memory.weights)}, cache ${formatBytes(memory.cache)}, other ${formatBytes(memory.activations)}`;
  const rows = [
    ["model", `${printable(info.name)}, ${info.architecture}`],
    ["build", `${build.name}: ${build.reason}`],
    ["wide", `${wide.on ? "on" : "off"}: ${wide.reason}`],
    ["threads", `${threads.used}: ${threads.reason}`],
    ["context", `${formatCount(info.context)} positions, cache ${info.cache}, activations ${info.activations}`],
    ["memory", `${formatBytes(memory.total)}: ${parts}`],
    ["memories", memory.memories.map(formatBytes).join(", ")],
    ["step", `${info.opsPerStep} ops, ${info.barriersPerStep} barriers`],
  ];
  return formatColumns(rows, "ll");
}
