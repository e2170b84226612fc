import type { ChatMessage, Generation, Model } from "../index.ts";
import { printAnswer, printClosingLine } from "./answer.ts";
import type { RunCommand } from "./arguments.ts";
import { converse } from "./chat.ts";
import type { Interrupts } from "./interrupts.ts";
import { openModel } from "./open-model.ts";
import { choosePrompt } from "./prompt.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** `wasmaverick [model] -p "..."`: one text or answer, or a conversation. */
export async function run(command: RunCommand, interrupts: Interrupts): Promise<void> {
  const prompt = await choosePrompt(command, interrupts.signal);
  const model = await openModel(command, interrupts.signal);
  try {
    if (prompt === null) {
      await converse(model, begin(command), command.generate, interrupts);
      return;
    }
    if (prompt.isDefault) await write(process.stderr, `No -p "..." was given: continuing "${prompt.text}".\n`);
    if (command.json) await printJson(model, command, prompt.text, interrupts.signal);
    else await printText(model, command, prompt.text, interrupts);
  } finally {
    await model.dispose();
  }
}

function start(model: Model, command: RunCommand, prompt: string, signal: AbortSignal): Generation {
  const options = { ...command.generate, signal };
  return command.chat
    ? model.chat([...begin(command), { role: "user", content: prompt }], options)
    : model.generate(prompt, options);
}

/** What stands before the first question. */
function begin({ system }: RunCommand): ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}

async function printText(model: Model, command: RunCommand, prompt: string, interrupts: Interrupts): Promise<void> {
  const generation = start(model, command, prompt, interrupts.signal);
  // In a terminal prompt and continuation read as one text; stdout has only the continuation.
  const together = !command.chat && process.stderr.isTTY && process.stdout.isTTY;
  if (together) await write(process.stderr, stylesOf(process.stderr).dim(printable(prompt)));
  const answer = await printAnswer(generation, interrupts.signal);
  if (!interrupts.stdoutGone) await printClosingLine(answer, model.info, command.generate);
}

/** Nothing where the generation was stopped: half an object is none. */
async function printJson(model: Model, command: RunCommand, prompt: string, signal: AbortSignal): Promise<void> {
  const { logProbabilities: _, seed, ...result } = await start(model, command, prompt, signal).result();
  const { name, architecture, build, threads, context, cache, activations } = model.info;
  const about = { name, architecture, build: build.name, threads: threads.used, context, cache, activations };
  // Not every reader of JSON keeps a number above 2^53.
  const spelled = typeof seed === "bigint" ? String(seed) : seed;
  await write(process.stdout, `${JSON.stringify({ ...result, seed: spelled, model: about })}\n`);
}
