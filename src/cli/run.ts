import { readFile } from "node:fs/promises";
import { quoteName } from "../error.ts";
import { checkOptions } from "../generate/options.ts";
import type { ChatMessage, Generation, ImagePart, Model, ModelInfo } from "../index.ts";
import { printAnswer, printClosingLine } from "./answer.ts";
import { readFormat } from "./answer-options.ts";
import type { RunCommand } from "./arguments.ts";
import { converse } from "./chat.ts";
import type { Interrupts } from "./interrupts.ts";
import { openModel } from "./open-model.ts";
import { choosePrompt } from "./prompt.ts";
import { UsageError } from "./split.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** `wasmaverick [model] -p "..."`: one text or answer, or a conversation. */
export async function run(asked: RunCommand, interrupts: Interrupts): Promise<void> {
  const formatted = await withFormat(asked);
  const prompt = await choosePrompt(asked, interrupts.signal);
  const model = await openModel(asked, interrupts.signal);
  const command = withEnd(formatted, model.info);
  try {
    if (prompt === null) {
      await converse(model, begin(command), { ...command.generate, ...templateOf(command) }, interrupts);
      return;
    }
    if (prompt.isDefault) await write(process.stderr, `No -p "..." was given: continuing "${prompt.text}".\n`);
    if (command.json) await printJson(model, command, prompt.text, interrupts.signal);
    else await printText(model, command, prompt.text, interrupts);
  } finally {
    await model.dispose();
  }
}

/** Of an answer for which neither the command line nor the file names one: nobody waits for a context of tokens in a terminal. */
const MAX_TOKENS = 256;

function withEnd(command: RunCommand, { generationConfig }: ModelInfo): RunCommand {
  const { minTokens = 0, ...generate } = command.generate;
  const maxTokens = generate.maxTokens ?? Math.max(minTokens, generationConfig.maxTokens.value ?? MAX_TOKENS);
  return { ...command, generate: { ...command.generate, maxTokens } };
}

async function withFormat(command: RunCommand): Promise<RunCommand> {
  if (!command.format) return command;
  const generate = { ...command.generate, responseFormat: await readFormat(command.format) };
  // The model's limits are not known yet; these are wider.
  checkOptions(generate, { vocab: Number.MAX_SAFE_INTEGER, context: Number.MAX_SAFE_INTEGER });
  return { ...command, generate };
}

const templateOf = ({ template, variables }: RunCommand) => ({ template, variables });

async function start(model: Model, command: RunCommand, prompt: string, signal: AbortSignal): Promise<Generation> {
  const options = { ...command.generate, signal };
  if (!command.chat) return model.generate(prompt, options);
  const images = await Promise.all(command.images.map(readImage));
  const content = images.length === 0 ? prompt : [...images, { type: "text", text: prompt } as const];
  return model.chat([...begin(command), { role: "user", content }], { ...options, ...templateOf(command) });
}

async function readImage(path: string): Promise<ImagePart> {
  try {
    return { type: "image", image: new Uint8Array(await readFile(path)) };
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new UsageError(`--image ${quoteName(path)} cannot be read (${why}), expected a PNG, JPEG, WebP or GIF`);
  }
}

/** What stands before the first question. */
function begin({ system }: RunCommand): ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}

async function printText(model: Model, command: RunCommand, prompt: string, interrupts: Interrupts): Promise<void> {
  const generation = await start(model, command, prompt, interrupts.signal);
  // In a terminal prompt and continuation read as one text; stdout has only the continuation.
  const together = !command.chat && process.stderr.isTTY && process.stdout.isTTY;
  if (together) await write(process.stderr, stylesOf(process.stderr).dim(printable(prompt)));
  const answer = await printAnswer(generation, interrupts.signal);
  if (!interrupts.stdoutGone) await printClosingLine(answer, model.info, command.generate);
}

/** Nothing where the generation was stopped: half an object is none. */
async function printJson(model: Model, command: RunCommand, prompt: string, signal: AbortSignal): Promise<void> {
  const { logProbabilities: _, seed, ...result } = await (await start(model, command, prompt, signal)).result();
  const { name, architecture, build, threads, context, cache, activations } = model.info;
  const about = { name, architecture, build: build.name, threads: threads.used, context, cache, activations };
  // Not every reader of JSON keeps a number above 2^53.
  const spelled = typeof seed === "bigint" ? String(seed) : seed;
  await write(process.stdout, `${JSON.stringify({ ...result, seed: spelled, model: about })}\n`);
}
