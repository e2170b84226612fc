import { roomForAnswer } from "../engine/conversation.ts";
import type { ChatMessage, Model } from "../index.ts";

/** What a template writes around a message: more than those of known families. */
const TOKENS_AROUND = 8;

/** An estimate: what does not fit is refused by the model itself. */
export function leavesRoom(
  model: Model,
  messages: readonly ChatMessage[],
  maxTokens = Number.POSITIVE_INFINITY,
): boolean {
  const { context } = model.info;
  const sizes = messages.map(({ content }) => model.tokenizer.encode(String(content)).length + TOKENS_AROUND);
  const size = sizes.reduce((sum, one) => sum + one, 0);
  return size + roomForAnswer(context, maxTokens) <= context;
}
