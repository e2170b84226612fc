import type { ChatMessage, ChatOptions } from "../../index.ts";
import type { CountRequest } from "../schemas/messages.ts";

/** Anthropic's messages as those of a chat. */
export function messagesOf({ system, messages }: Pick<CountRequest, "system" | "messages">): ChatMessage[] {
  const all: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: textOf(system) }];
  for (const { role, content } of messages) {
    if (typeof content === "string") {
      all.push({ role, content });
      continue;
    }
    const calls: object[] = [];
    let text = "";
    for (const block of content) {
      if (block.type === "text") text += block.text;
      else if (block.type === "tool_use") calls.push(callOf(block));
      else all.push(resultOf(block));
    }
    // Results stand for themselves; of a message that holds nothing else nothing is left.
    const more = calls.length > 0 ? { tool_calls: calls } : {};
    if (text !== "" || calls.length > 0) all.push({ role, content: text, ...more } as ChatMessage);
  }
  return all;
}

type Block = Exclude<CountRequest["messages"][number]["content"], string>[number];

const callOf = ({ id, name, input }: Extract<Block, { type: "tool_use" }>) => ({
  ...{ id, type: "function" },
  function: { name, arguments: JSON.stringify(input) },
});

function resultOf({
  tool_use_id: id,
  content,
  is_error: failed,
}: Extract<Block, { type: "tool_result" }>): ChatMessage {
  const text = textOf(content ?? "");
  // As `runTools` tells a model of what a tool threw.
  return { role: "tool", tool_call_id: id, content: failed ? `Error: ${text}` : text } as ChatMessage;
}

const textOf = (content: string | readonly { readonly text: string }[]) =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

export function toolOptions({ tools, tool_choice: choice }: Pick<CountRequest, "tools" | "tool_choice">): {
  tools: ChatOptions["tools"];
  toolChoice: ChatOptions["toolChoice"];
} {
  const offered = tools?.map(({ name, description, input_schema: parameters, strict }) => ({
    type: "function",
    function: {
      name,
      ...(description !== undefined && { description }),
      parameters,
      ...(strict !== undefined && { strict }),
    },
  }));
  const chosen = choice?.type === "any" ? "required" : choice?.type === "tool" ? { name: choice.name } : choice?.type;
  return { tools: offered as ChatOptions["tools"], toolChoice: chosen };
}
