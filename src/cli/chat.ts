import { dropOldest, roomForAnswer } from "../engine/conversation.ts";
import { laterSeed } from "../generate/seed.ts";
import { type ChatMessage, type ChatOptions, EngineError, type Model } from "../index.ts";
import { printAnswer, printClosingLine } from "./answer.ts";
import { formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { type Questions, questionsOf } from "./questions.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** A conversation in the terminal: ask, answer, again. The prompt line goes to stderr, answers to stdout. */
export async function converse(
  model: Model,
  begun: readonly ChatMessage[],
  options: ChatOptions,
  interrupts: Interrupts,
  questions: Questions = questionsOf(interrupts),
): Promise<void> {
  // Nothing runs until somebody listens: this only shows a missing template before the first question.
  model.chat([...begun, { role: "user", content: "?" }], options);
  await note(`Chat with ${printable(model.info.name)}.\n${questions.keys}`, "dim");
  let messages = begun;
  let turn = 0;
  for (;;) {
    const question = await questions.ask();
    if (question === null) return;
    const asked: ChatMessage[] = [...messages, { role: "user", content: question }];
    // The same luck every turn would give similar answers.
    const seed = laterSeed(options.seed ?? 0, turn++);
    messages = await interrupts.duringAnswer(async (signal) => {
      const answered = await answerWithin(model, asked, { ...options, seed, signal });
      return answered ?? messages;
    });
    if (interrupts.signal.aborted) return;
  }
}

/** The conversation with its answer, and without the turns for which the context had no room. null: the question alone is too long. */
async function answerWithin(
  model: Model,
  asked: readonly ChatMessage[],
  options: ChatOptions & { signal: AbortSignal },
): Promise<readonly ChatMessage[] | null> {
  const { context } = model.info;
  const most = context - roomForAnswer(context, options.maxTokens ?? Number.POSITIVE_INFINITY);
  const count = (said: readonly ChatMessage[]) => model.countTokens(said, options);
  const { messages, dropped } = dropOldest(asked, count, (tokens) => tokens <= most);
  try {
    const generation = model.chat(messages, options);
    if (dropped > 0) await note(forgetting(dropped, context), "dim");
    const answer = await printAnswer(generation, options.signal);
    await printClosingLine(answer, model.info, options);
    return [...messages, { role: "assistant", content: answer.text }];
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "CONTEXT_LENGTH") throw error;
    await note(`${error.message}. It was not asked; shorten it.`, "red");
    return null;
  }
}

function forgetting(turns: number, context: number): string {
  const which = turns === 1 ? "the oldest turn is" : `the oldest ${turns} turns are`;
  return `The context of ${formatCount(context)} tokens is full: ${which} forgotten.`;
}

async function note(text: string, style: "dim" | "red"): Promise<void> {
  await write(process.stderr, `${stylesOf(process.stderr)[style](text)}\n`);
}
