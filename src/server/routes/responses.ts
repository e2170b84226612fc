import type { ChatMessage, ChatOptions, Generation } from "../../index.ts";
import { type Answer, answersOf } from "../answers.ts";
import { bodyOf, type Call, leaseOf, type Route } from "../call.ts";
import { chatOptions, engineOptions, seedOf } from "../engine-options.ts";
import type { Lease } from "../models.ts";
import { Refusal, refusalOf } from "../refusal.ts";
import { formatOf } from "../schemas/formats.ts";
import { type ResponseRequest, responseRequest } from "../schemas/responses.ts";
import { eventStream, sseEvent } from "../sse.ts";
import { chatLogprob } from "../token-texts.ts";
import { responseEvents } from "./response-events.ts";
import { inputItems, messageOf, messagesOf } from "./response-input.ts";
import { ended, outputOf, shapeOf } from "./response-shape.ts";

/** OpenAI's responses: kept in memory only where a client asks for it, and for that client alone. */
export const responseRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/v1/responses",
    summary: "Answers input items through the model's chat template",
    body: responseRequest,
    answer: async (call) => {
      const asked = await bodyOf(call, responseRequest);
      const lease = await leaseOf(call, asked.model);
      try {
        return await answer(asked, lease, call);
      } catch (error) {
        throw refusalOf(error, {
          maxTokens: "max_output_tokens",
          messages: "input",
          responseFormat: "text.format",
          schema: "text.format.schema",
        });
      }
    },
  },
  {
    method: "GET",
    path: "/v1/responses/:id",
    summary: "A response that was stored",
    answer: async (call) => Response.json(stored(call).response),
  },
  {
    method: "GET",
    path: "/v1/responses/:id/input_items",
    summary: "What a stored response answered",
    answer: async (call) => Response.json({ object: "list", data: stored(call).input, has_more: false }),
  },
  {
    method: "DELETE",
    path: "/v1/responses/:id",
    summary: "Forgets a stored response",
    answer: async (call) => {
      stored(call);
      const id = call.param("id");
      call.service.stored.delete(ownerOf(call), id);
      return Response.json({ id, object: "response", deleted: true });
    },
  },
];

const ownerOf = ({ ticket }: Call) => ticket.client?.owner ?? "";

function stored(call: Call, id = call.param("id"), param: string | null = null) {
  const found = call.service.stored.get(ownerOf(call), id);
  if (!found) throw new Refusal(404, "response_not_found", "no response of that id is stored", { param });
  return found;
}

async function answer(asked: ResponseRequest, lease: Lease, call: Call): Promise<Response> {
  const before = asked.previous_response_id;
  const earlier = before === undefined ? [] : stored(call, before, "previous_response_id").messages;
  const messages = [...earlier, ...messagesOf(asked)];
  const told = asked.instructions === undefined ? [] : [{ role: "system", content: asked.instructions } as ChatMessage];
  const generation = begin([...told, ...messages], asked, lease, call);
  const keep = (answer: Answer, response: Readonly<Record<string, unknown>>) => {
    if (!asked.store) return;
    const all = [...messages, messageOf(answer)];
    call.service.stored.add(ownerOf(call), String(response["id"]), {
      response,
      messages: all,
      input: inputItems(asked),
    });
  };
  const shape = shapeOf(asked, lease);
  const rules = { oneCall: asked.parallel_tool_calls === false };
  const logprobs = asked.include?.length
    ? () => generation.sampled.map((one) => chatLogprob(lease.model.tokenizer, one))
    : undefined;
  if (asked.stream) {
    const events = responseEvents(generation, call.ticket, rules, shape, { keep, logprobs });
    return await eventStream(events, call.ticket, {
      ...call.service.options,
      failed: ({ code, message, param }) => sseEvent("error", { type: "error", code, message, param }),
    });
  }
  const [answer] = await answersOf([generation], call.ticket, rules);
  const response = ended(shape, answer, outputOf(answer, logprobs?.()));
  keep(answer, response);
  return Response.json(response);
}

function begin(messages: readonly ChatMessage[], asked: ResponseRequest, lease: Lease, call: Call): Generation {
  if (asked.top_logprobs !== undefined && !asked.include?.length) {
    const message = 'top_logprobs without include: ["message.output_text.logprobs"]';
    throw new Refusal(400, "invalid_value", message, { param: "top_logprobs" });
  }
  const options = engineOptions(asked, lease, call.ticket, call.service.options.deadline);
  const choice = asked.tool_choice;
  return lease.model.chat(messages, {
    ...options,
    ...chatOptions(lease, asked.tools),
    seed: seedOf(options.seed, 0),
    maxTokens: asked.max_output_tokens ?? lease.defaults.maxTokens,
    logProbabilities: asked.include?.length ? (asked.top_logprobs ?? 0) : undefined,
    responseFormat: formatOf(asked.text?.format),
    tools: asked.tools?.map(({ type, ...tool }) => ({ type, function: tool })) as ChatOptions["tools"],
    toolChoice: typeof choice === "object" ? { name: choice.name } : choice,
    fit: asked.truncation === "auto" ? "drop-oldest" : undefined,
  });
}
