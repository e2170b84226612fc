import { buffer } from "node:stream/consumers";
import type { RunCommand } from "./arguments.ts";
import { UsageError } from "./split.ts";
import { isPiped, openStdin } from "./stdin.ts";

/** Where the prompt comes from: -p, a pipe, or a default. */

export interface ChosenPrompt {
  readonly text: string;
  /** Nobody gave one. */
  readonly isDefault: boolean;
}

export const DEFAULT_PROMPT = "Once upon a time";

/** null: a conversation in the terminal. */
export async function choosePrompt(command: RunCommand, signal: AbortSignal): Promise<ChosenPrompt | null> {
  if (command.prompt !== undefined) return { text: command.prompt, isDefault: false };
  if (isPiped()) return { text: await readStdin(signal), isDefault: false };
  if (!command.chat) return { text: DEFAULT_PROMPT, isDefault: true };
  if (!process.stdin.isTTY) throw new UsageError('--chat without a terminal, expected -p "..." or a message on stdin');
  if (command.images.length > 0) throw new UsageError('--image with a conversation, expected -p "..." beside it');
  if (command.json) throw new UsageError('--json with a conversation, expected -p "..." beside it');
  return null;
}

/** The bytes to the end, as UTF-8, without the newline that `echo` puts there. */
async function readStdin(signal: AbortSignal): Promise<string> {
  try {
    const bytes = await buffer(openStdin('the prompt from stdin (-p "..." gives it directly)', signal));
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
    if (text === "") throw new UsageError('the prompt on stdin is empty, expected text (or -p "...")');
    return text;
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError("the prompt on stdin is not text, expected UTF-8");
    throw error;
  }
}
