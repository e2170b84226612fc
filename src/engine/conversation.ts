import type { ChatMessage } from "../tokenizer/chat.ts";

/** Which messages of a conversation still fit the model's context: the oldest turns go, what the system said stays. */

/** Without the oldest turn (a question and all up to the next one); null where the last question is the only one. */
export function withoutOldestTurn(messages: readonly ChatMessage[]): ChatMessage[] | null {
  const isQuestion = ({ role }: ChatMessage) => role === "user";
  const first = messages.findIndex(isQuestion);
  const next = messages.findIndex((message, index) => index > first && isQuestion(message));
  return next < 0 ? null : [...messages.slice(0, first), ...messages.slice(next)];
}

/** Of the context, or `maxTokens` where that is less: an answer should not be cut after three words. */
const ANSWER_PART = 0.25;

export const roomForAnswer = (context: number, maxTokens: number): number =>
  Math.min(maxTokens, Math.floor(ANSWER_PART * context));

/**
 * The messages without as few of the oldest turns as leave what `read` makes of them one that `fits`, how many went, and what was read;
 * those of the last question stay.
 */
export function dropOldest<Read>(
  messages: readonly ChatMessage[],
  read: (messages: readonly ChatMessage[]) => Read,
  fits: (read: Read) => boolean,
): { messages: readonly ChatMessage[]; dropped: number; read: Read } {
  const whole = { messages, dropped: 0, read: read(messages) };
  if (fits(whole.read)) return whole;
  const shorter: ChatMessage[][] = [];
  for (let next = withoutOldestTurn(messages); next; next = withoutOldestTurn(next)) shorter.push(next);
  if (shorter.length === 0) return whole;
  // What a longer conversation leaves room for, a shorter one does: a template is asked few times.
  const reads: Read[] = [];
  let [low, high] = [0, shorter.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    reads[middle] = read(shorter[middle]);
    if (fits(reads[middle])) high = middle;
    else low = middle + 1;
  }
  return { messages: shorter[low], dropped: low + 1, read: low in reads ? reads[low] : read(shorter[low]) };
}
