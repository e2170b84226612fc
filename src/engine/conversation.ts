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

/** The messages without as few of the oldest turns as `fits` asks for, and how many went; those of the last question stay. */
export function dropOldest(
  messages: readonly ChatMessage[],
  fits: (messages: readonly ChatMessage[]) => boolean,
): { messages: readonly ChatMessage[]; dropped: number } {
  if (fits(messages)) return { messages, dropped: 0 };
  const shorter: ChatMessage[][] = [];
  for (let next = withoutOldestTurn(messages); next; next = withoutOldestTurn(next)) shorter.push(next);
  // What a longer conversation leaves room for, a shorter one does: a template is asked few times.
  let [low, high] = [0, shorter.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(shorter[middle])) high = middle;
    else low = middle + 1;
  }
  return { messages: shorter[low] ?? messages, dropped: shorter.length === 0 ? 0 : low + 1 };
}
