import { createInterface } from "node:readline";
import { type ChatMessage, EngineError, type GenerateOptions, type Model } from "../index.ts";
import { type Answer, printAnswer, printClosingLine } from "./answer.ts";
import type { Interrupts } from "./interrupts.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** A conversation in the terminal: ask, answer, again. The prompt line goes to stderr, answers to stdout. */
export async function converse(model: Model, options: GenerateOptions, interrupts: Interrupts): Promise<void> {
  // Nothing runs until somebody listens: this only shows a missing template before the first question.
  model.chat([{ role: "user", content: "?" }], options);
  const { dim } = stylesOf(process.stderr);
  await write(process.stderr, dim(`Chat with ${printable(model.info.name)}. Ctrl-C stops an answer, Ctrl-D ends.\n`));
  const questions = new Questions(interrupts);
  let messages: ChatMessage[] = [];
  let turn = 0;
  for (;;) {
    const question = await questions.ask();
    if (question === null) return;
    if (question.trim() === "") continue;
    messages.push({ role: "user", content: question });
    const seed = seedOf(turn++, options.seed);
    const answer = await interrupts.duringAnswer((signal) =>
      answerWithin(model, messages, { ...options, seed, signal }),
    );
    if (interrupts.signal.aborted) return;
    if (answer) messages.push({ role: "assistant", content: answer.text });
    else messages = [];
  }
}

/** The same luck every turn would give similar answers. */
function seedOf(turn: number, first: GenerateOptions["seed"] = 0): bigint {
  return BigInt.asUintN(64, BigInt(first) + BigInt(turn));
}

/** null: the conversation no longer fits the context. */
async function answerWithin(
  model: Model,
  messages: readonly ChatMessage[],
  options: GenerateOptions & { signal: AbortSignal },
): Promise<Answer | null> {
  try {
    const answer = await printAnswer(model.chat(messages, options), options.signal);
    await printClosingLine(answer, model.info, options);
    return answer;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "CONTEXT_LENGTH") throw error;
    const { red } = stylesOf(process.stderr);
    await write(process.stderr, `${red(`${error.message}. Forgotten: the conversation starts anew.`)}\n`);
    return null;
  }
}

class Questions {
  readonly #interrupts: Interrupts;
  #history: string[] = [];

  constructor(interrupts: Interrupts) {
    this.#interrupts = interrupts;
  }

  /**
   * null: Ctrl-D or the end of the command. The line editor lives for one question only: between questions the terminal is in
   * its usual mode, in which Ctrl-C is a signal. Lines that are pasted together are one question.
   */
  ask(): Promise<string | null> {
    const { signal } = this.#interrupts;
    if (signal.aborted) return Promise.resolve(null);
    const editor = createInterface({
      input: process.stdin,
      output: process.stderr,
      prompt: "> ",
      history: this.#history,
      historySize: 200,
      removeHistoryDuplicates: true,
    });
    return new Promise((resolve) => {
      const lines: string[] = [];
      const close = () => editor.close();
      editor.on("history", (history) => {
        this.#history = history;
      });
      editor.on("line", (line) => {
        lines.push(line);
        if (lines.length === 1) setImmediate(close);
      });
      editor.on("SIGINT", () => this.#interrupts.end(130));
      editor.on("close", () => {
        signal.removeEventListener("abort", close);
        // What was not ended by Enter: the last line of a paste, or nothing at Ctrl-D.
        if (editor.line !== "" || lines.length === 0) process.stderr.write("\n");
        resolve(lines.length > 0 ? [...lines, editor.line].join("\n").trimEnd() : null);
      });
      signal.addEventListener("abort", close, { once: true });
      editor.prompt();
    });
  }
}
