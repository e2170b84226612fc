import type { ChatMessage } from "../../index.ts";
import type { Answer } from "../answers.ts";
import type { ResponseItem, ResponseRequest } from "../schemas/responses.ts";

/** Items of a response's input as messages of a chat. */
export function messagesOf({ input }: ResponseRequest): ChatMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  const messages: ChatMessage[] = [];
  for (const item of input) {
    if (item.type === "function_call") addCall(messages, item);
    else if (item.type === "function_call_output")
      messages.push({ role: "tool", tool_call_id: item.call_id, content: textOf(item.output) } as ChatMessage);
    else messages.push({ role: item.role === "developer" ? "system" : item.role, content: textOf(item.content) });
  }
  return messages;
}

type Call = Extract<ResponseItem, { type: "function_call" }>;

/** Calls that follow each other, or the text of an answer, are one message, as the model wrote them. */
function addCall(messages: ChatMessage[], { call_id: id, name, arguments: given }: Call): void {
  const call = { id, type: "function", function: { name, arguments: given } };
  const last = messages.at(-1);
  if (last?.role === "assistant")
    messages[messages.length - 1] = {
      ...last,
      tool_calls: [...((last["tool_calls"] as unknown[]) ?? []), call],
    } as ChatMessage;
  else messages.push({ role: "assistant", content: null, tool_calls: [call] } as ChatMessage);
}

const textOf = (content: string | readonly { readonly text: string }[]) =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

/** An answer as the message behind which a conversation goes on. */
export function messageOf({ text, toolCalls }: Answer): ChatMessage {
  const calls = toolCalls.map(({ id, name, arguments: given }) => ({
    ...{ id, type: "function" },
    function: { name, arguments: JSON.stringify(given) },
  }));
  return { role: "assistant", content: text, ...(calls.length > 0 && { tool_calls: calls }) } as ChatMessage;
}

/** The input as items, each with an id. */
export function inputItems({ input }: ResponseRequest): unknown[] {
  const items: readonly object[] =
    typeof input === "string"
      ? [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }]
      : input;
  return items.map((item) => ({ type: "message", ...item, id: `item_${crypto.randomUUID().replaceAll("-", "")}` }));
}
