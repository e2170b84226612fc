import type { ChatMessage, Model } from "../index.ts";

/** Which messages of a conversation still fit the model's context: the oldest turns go, what the system said stays. */

/** Without the oldest turn (a question and all up to the next one); null where the last question is the only one. */
export function withoutOldestTurn(messages: readonly ChatMessage[]): ChatMessage[] | null {
  const isQuestion = ({ role }: ChatMessage) => role === "user";
  const first = messages.findIndex(isQuestion);
  const next = messages.findIndex((message, index) => index > first && isQuestion(message));
  return next < 0 ? null : [...messages.slice(0, first), ...messages.slice(next)];
}

/** What a template writes around a message: more than those of known families. */
const TOKENS_AROUND = 8;
/** Of the context, or `maxTokens` where that is less: an answer should not be cut after three words. */
const ANSWER_PART = 0.25;

/** An estimate: what does not fit is refused by the model itself. */
export function leavesRoom(
  model: Model,
  messages: readonly ChatMessage[],
  maxTokens = Number.POSITIVE_INFINITY,
): boolean {
  const { context } = model.info;
  const sizes = messages.map(({ content }) => model.tokenizer.encode(String(content)).length + TOKENS_AROUND);
  const size = sizes.reduce((sum, one) => sum + one, 0);
  return size + Math.min(maxTokens, ANSWER_PART * context) <= context;
}
