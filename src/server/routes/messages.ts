import type { Generation } from "../../index.ts";
import { type Answer, answersOf, eventsOf } from "../answers.ts";
import { bodyOf, type Call, leaseOf, type Route } from "../call.ts";
import { chatOptions, engineOptions, seedOf } from "../engine-options.ts";
import type { Lease } from "../models.ts";
import { type Refusal, refusalOf } from "../refusal.ts";
import { countRequest, type MessageRequest, messageRequest } from "../schemas/messages.ts";
import { eventStream, sseEvent } from "../sse.ts";
import { messagesOf, toolOptions } from "./message-input.ts";

/** Anthropic's messages. Errors keep OpenAI's fields within Anthropic's shape. */
export const messageRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/v1/messages",
    summary: "Answers messages as Anthropic's API does",
    body: messageRequest,
    answer: async (call) => {
      const asked = await bodyOf(call, messageRequest);
      const lease = await leaseOf(call, asked.model);
      try {
        return await answer(asked, lease, call);
      } catch (error) {
        throw refusalOf(error, { stop: "stop_sequences" });
      }
    },
  },
  {
    method: "POST",
    path: "/v1/messages/count_tokens",
    summary: "Tokens that messages would be",
    body: countRequest,
    answer: async (call) => {
      const asked = await bodyOf(call, countRequest);
      const lease = await leaseOf(call, asked.model);
      const options = { ...chatOptions(lease, asked.tools), ...toolOptions(asked) };
      try {
        return Response.json({ input_tokens: lease.model.countTokens(messagesOf(asked), options) });
      } catch (error) {
        throw refusalOf(error);
      }
    },
  },
];

export const anthropicError = ({ body: { error } }: Refusal) => ({ type: "error", error });

async function answer(asked: MessageRequest, lease: Lease, call: Call): Promise<Response> {
  const { temperature, top_p, top_k, stop_sequences: stop } = asked;
  const options = engineOptions({ temperature, top_p, top_k, stop }, lease, call.ticket, call.service.options.deadline);
  const generation = lease.model.chat(messagesOf(asked), {
    ...options,
    ...chatOptions(lease, asked.tools),
    ...toolOptions(asked),
    seed: seedOf(options.seed, 0),
    maxTokens: asked.max_tokens,
  });
  const choice = asked.tool_choice;
  const rules = {
    oneCall: choice !== undefined && "disable_parallel_tool_use" in choice && choice.disable_parallel_tool_use === true,
  };
  const head = {
    ...{ id: `msg_${crypto.randomUUID().replaceAll("-", "")}`, type: "message", role: "assistant", model: lease.name },
  };
  if (asked.stream) {
    return await eventStream(events(generation, call, rules, head), call.ticket, {
      ...call.service.options,
      beat: sseEvent("ping", { type: "ping" }),
      failed: (refusal) => sseEvent("error", anthropicError(refusal)),
    });
  }
  const [answer] = await answersOf([generation], call.ticket, rules);
  const { text, toolCalls } = answer;
  const content = [
    ...(text === "" ? [] : [{ type: "text", text }]),
    ...toolCalls.map(({ id, name, arguments: input }) => ({ type: "tool_use", id, name, input })),
  ];
  const { warnings } = answer;
  return Response.json({
    ...{ ...head, content, ...endOf(answer), usage: usageOf(answer) },
    ...(warnings.length > 0 && { warnings }),
  });
}

function endOf({ finishReason, stopReason, stoppedBy }: Answer): { stop_reason: string; stop_sequence: string | null } {
  if (stopReason === "stopString") return { stop_reason: "stop_sequence", stop_sequence: String(stoppedBy) };
  const reasons = { stop: "end_turn", length: "max_tokens", "tool-calls": "tool_use" };
  return { stop_reason: reasons[finishReason], stop_sequence: null };
}

/** Anthropic counts what was known before beside the rest, not within it. */
function usageOf({ usage: { promptTokens, cachedTokens, completionTokens } }: Answer) {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_read_input_tokens: cachedTokens,
    cache_creation_input_tokens: 0,
    output_tokens: completionTokens,
  };
}

async function* events(
  generation: Generation,
  { ticket }: Call,
  rules: { oneCall: boolean },
  head: object,
): AsyncGenerator<string> {
  const event = (type: string, rest: object) => sseEvent(type, { type, ...rest });
  const { promptTokens } = generation.partial.usage;
  const begun = {
    input_tokens: promptTokens,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
    output_tokens: 0,
  };
  let index = 0;
  let open = false;
  const start = (content_block: object) => event("content_block_start", { index, content_block });
  const delta = (delta: object) => event("content_block_delta", { index, delta });
  const stop = () => event("content_block_stop", { index: index++ });

  const message = { ...head, content: [], stop_reason: null, stop_sequence: null, usage: begun };
  yield event("message_start", { message });
  for await (const told of eventsOf([generation], ticket, rules)) {
    if ("answer" in told) {
      if (open) yield stop();
      yield event("message_delta", { delta: endOf(told.answer), usage: usageOf(told.answer) });
      yield event("message_stop", {});
    } else if (told.part.type === "text") {
      if (!open) yield start({ type: "text", text: "" });
      open = true;
      yield delta({ type: "text_delta", text: told.part.text });
    } else if (told.part.type === "tool-call") {
      if (open) yield stop();
      open = false;
      const { id, name, arguments: input } = told.part;
      yield start({ type: "tool_use", id, name, input: {} });
      yield delta({ type: "input_json_delta", partial_json: JSON.stringify(input) });
      yield stop();
    }
  }
}
