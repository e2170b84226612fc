import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createFile } from "../checkpoint/file-sink.ts";
import { EngineError, inspect, type LoadOptions, type Model, openLogits, type StoredLogits } from "../index.ts";
import { type PerplexityCommand, STDIO } from "./arguments.ts";
import { formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { modelPath, openModel } from "./open-model.ts";
import { type Outcome, outcomeJson, outcomeText } from "./perplexity-report.ts";
import { UsageError } from "./split.ts";
import { isPiped, openStdin } from "./stdin.ts";
import { ProgressBar, stylesOf, write } from "./terminal.ts";

/** `wasmaverick perplexity`: of a text, alone, against another model, or against logits that were saved. */
export async function perplexity(command: PerplexityCommand, interrupts: Interrupts): Promise<void> {
  const { signal } = interrupts;
  const file = command.file ?? (isPiped() ? STDIO : undefined);
  if (file === undefined)
    throw new UsageError("no text, got nothing, expected --file path/to/text.txt, or a text on stdin");
  const text = await readText(file, signal);
  if (command.saveLogits !== undefined) await refuseToReplace(command.saveLogits);
  const path = modelPath(command.model);
  const held: (() => Promise<void>)[] = [];
  try {
    const stored = command.logits === undefined ? null : await openLogits(command.logits);
    if (stored) held.push(() => stored.close());
    const window = command.window ?? stored?.window ?? (await defaultWindow([path, command.against]));
    const open = async (file: string, more: LoadOptions = {}): Promise<Model> => {
      const load = { ...command.load, context: window, ...more };
      const model = await openModel({ ...command, model: file, prompt: "", load }, signal);
      held.push(() => model.dispose());
      return model;
    };
    const model = await open(path);
    const other = command.against === undefined ? null : await open(command.against, { adapters: [] });
    const begun = performance.now();
    const outcome = await measure(command, model, other ?? stored, { text, name: nameOf(file) }, window, signal);
    const ms = performance.now() - begun;
    await write(process.stdout, command.json ? outcomeJson(outcome) : outcomeText(outcome));
    if (!interrupts.stdoutGone) await write(process.stderr, closingLine(outcome, model, ms));
  } finally {
    for (const close of held.reverse()) await close();
  }
}

async function measure(
  command: PerplexityCommand,
  model: Model,
  other: Model | StoredLogits | null,
  { text, name }: { text: string; name: string },
  window: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const bar = new ProgressBar("perplexity");
  const options = {
    window,
    signal,
    ...(command.stride !== undefined && { stride: command.stride }),
    onProgress: ({ done, total, meanNll }: { done: number; total: number; meanNll: number }) => {
      const soFar = Number.isNaN(meanNll) ? "" : `, ${Math.exp(meanNll).toFixed(4)} so far`;
      bar.draw(done / total, `of ${formatCount(total)} tokens${soFar}`);
    },
  };
  const names = {
    model: model.info,
    file: name,
    reference: command.logits === undefined ? command.against && basename(command.against) : basename(command.logits),
  };
  try {
    if (other) return { ...names, measured: await model.divergence(text, other, options), saved: null };
    if (command.saveLogits === undefined)
      return { ...names, measured: await model.perplexity(text, options), saved: null };
    const file = await createFile(command.saveLogits);
    let written = 0;
    try {
      const saveLogits = async (bytes: Uint8Array) => {
        await file.write(bytes);
        written += bytes.length;
      };
      const measured = await model.perplexity(text, { ...options, saveLogits });
      await file.commit();
      return { ...names, measured, saved: { file: basename(command.saveLogits), bytes: written } };
    } catch (error) {
      await file.discard(error);
      throw error;
    }
  } finally {
    bar.erase();
  }
}

const WINDOW = 512;

/** What the shortest context allows. */
async function defaultWindow(models: readonly (string | undefined)[]): Promise<number> {
  const contexts: number[] = [];
  for (const model of models) if (model !== undefined) contexts.push((await inspect(model)).config.context);
  return Math.min(WINDOW, ...contexts);
}

/** The ids of more would take gigabytes. */
const MOST_TEXT_BYTES = 256 * 2 ** 20;

function nameOf(path: string): string {
  return path === STDIO ? "stdin" : basename(path);
}

async function readText(path: string, signal: AbortSignal): Promise<string> {
  const at = { source: "file", file: nameOf(path) } as const;
  const stream = path === STDIO ? openStdin("the text from stdin", signal) : createReadStream(path, { signal });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Counted while read: pipes and devices do not say their size.
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= MOST_TEXT_BYTES) continue;
      throw new EngineError("FILE_TOO_LARGE", "the text is too long", {
        at,
        actual: `${size} bytes or more`,
        limit: `at most ${MOST_TEXT_BYTES}`,
      });
    }
  } catch (cause) {
    if (cause instanceof EngineError || signal.aborted) throw cause;
    const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
    if (errno === "ENOENT") throw new EngineError("FILE_MISSING", "no such file", { at, cause });
    throw new EngineError("FILE_IO", `the file cannot be read (${errno})`, { at, cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new EngineError("PROMPT_UNICODE", "the file is not text", { at, limit: "UTF-8", cause });
  }
}

/** A slip of the keyboard must not cost a model or a text: only a file of logits is written over. */
async function refuseToReplace(path: string): Promise<void> {
  try {
    await (await openLogits(path)).close();
  } catch (error) {
    if (error instanceof EngineError && error.code === "FILE_MISSING") return;
    throw new EngineError("FILE_EXISTS", "another file lies where the logits would be saved", {
      at: { source: "file", file: basename(path) },
      limit: "a new name, or that of a file of logits",
      cause: error,
    });
  }
}

function closingLine({ measured }: Outcome, model: Model, ms: number): string {
  const { used } = model.info.threads;
  const threads = used === 0 ? "no worker threads" : `${used} thread${used === 1 ? "" : "s"}`;
  const speed = formatCount(Math.round((measured.ids * 1000) / ms));
  return `${stylesOf(process.stderr).dim(`${(ms / 1000).toFixed(1)} s, ${speed} tok/s · ${threads}`)}\n`;
}
