import type { Answer } from "../answers.ts";
import { fingerprintOf, type Lease } from "../models.ts";
import type { ResponseRequest } from "../schemas/responses.ts";
import { openAiUsage } from "./openai.ts";

export const idOf = (kind: string) => `${kind}_${crypto.randomUUID().replaceAll("-", "")}`;

/** The response before it has an answer, with what was asked as OpenAI tells it back. */
export type Shape = Readonly<Record<string, unknown>>;

export function shapeOf(asked: ResponseRequest, { name, model }: Lease): Shape {
  return {
    id: idOf("resp"),
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    status: "in_progress",
    model: name,
    system_fingerprint: fingerprintOf(model),
    output: [],
    error: null,
    incomplete_details: null,
    instructions: asked.instructions ?? null,
    max_output_tokens: asked.max_output_tokens ?? null,
    metadata: asked.metadata ?? {},
    parallel_tool_calls: asked.parallel_tool_calls ?? true,
    previous_response_id: asked.previous_response_id ?? null,
    reasoning: null,
    store: asked.store ?? false,
    temperature: asked.temperature ?? null,
    text: { format: asked.text?.format ?? { type: "text" } },
    tool_choice: asked.tool_choice ?? "auto",
    tools: asked.tools ?? [],
    top_p: asked.top_p ?? null,
    truncation: asked.truncation ?? "disabled",
    usage: null,
    user: asked.user ?? null,
  };
}

/** A message where there is text or nothing else, then the calls. */
export function outputOf(answer: Answer, logprobs: unknown[] | undefined, messageId = idOf("msg")): object[] {
  const { text, toolCalls, finishReason } = answer;
  const message = {
    ...{ id: messageId, type: "message", role: "assistant" },
    status: finishReason === "length" ? "incomplete" : "completed",
    content: [{ type: "output_text", text, annotations: [], ...(logprobs && { logprobs }) }],
  };
  const calls = toolCalls.map((call) => callItem(call, idOf("fc")));
  return text === "" && calls.length > 0 ? calls : [message, ...calls];
}

export const callItem = ({ id, name, arguments: given }: Answer["toolCalls"][number], itemId: string) => ({
  ...{ id: itemId, type: "function_call", status: "completed" },
  ...{ call_id: id, name, arguments: JSON.stringify(given) },
});

export function ended(shape: Shape, answer: Answer, output: readonly object[]): Shape {
  const cut = answer.finishReason === "length";
  const {
    prompt_tokens: input,
    completion_tokens: written,
    total_tokens: total,
    prompt_tokens_details: known,
  } = openAiUsage([answer]);
  return {
    ...shape,
    status: cut ? "incomplete" : "completed",
    incomplete_details: cut ? { reason: "max_output_tokens" } : null,
    output,
    usage: {
      ...{ input_tokens: input, input_tokens_details: known },
      ...{ output_tokens: written, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: total },
    },
    ...(answer.warnings.length > 0 && { warnings: answer.warnings }),
  };
}
