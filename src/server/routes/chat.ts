import type { ChatMessage, ChatOptions, Generation } from "../../index.ts";
import { type Answer, answersOf, eventsOf } from "../answers.ts";
import { bodyOf, type Call, leaseOf, type Route } from "../call.ts";
import { chatOptions, engineOptions, SAMPLING_NAMES, seedOf } from "../engine-options.ts";
import { fingerprintOf, type Lease } from "../models.ts";
import { Refusal, refusalOf } from "../refusal.ts";
import { type ChatRequest, chatRequest } from "../schemas/chat.ts";
import { formatOf } from "../schemas/formats.ts";
import { eventStream, sseData } from "../sse.ts";
import { type ChatLogprob, chatLogprob, ToldTokens } from "../token-texts.ts";
import { FINISH, openAiUsage } from "./openai.ts";

/** OpenAI's chat completions. */
export const chatRoute: Route = {
  method: "POST",
  path: "/v1/chat/completions",
  summary: "Answers messages through the model's chat template",
  body: chatRequest,
  answer: async (call) => {
    const asked = await bodyOf(call, chatRequest);
    const lease = await leaseOf(call, asked.model);
    const names = {
      ...SAMPLING_NAMES,
      schema: "response_format.json_schema.schema",
      maxTokens: asked.max_completion_tokens === undefined ? "max_tokens" : "max_completion_tokens",
    };
    try {
      const generations = begin(asked, lease, call);
      const head = headOf(lease);
      return asked.stream
        ? await streamed(generations, asked, lease, call, head)
        : await whole(generations, asked, lease, call, head);
    } catch (error) {
      throw refusalOf(error, names);
    }
  },
};

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

function headOf({ name, model }: Lease): Head {
  const id = `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`;
  return { id, created: Math.floor(Date.now() / 1000), model: name, system_fingerprint: fingerprintOf(model) };
}

function begin(asked: ChatRequest, lease: Lease, { ticket, service }: Call): Generation[] {
  const { max_tokens: short, max_completion_tokens: long, top_logprobs: top } = asked;
  if (short !== undefined && long !== undefined && short !== long)
    throw new Refusal(400, "invalid_value", "max_tokens and max_completion_tokens differ", {
      param: "max_completion_tokens",
    });
  if (top !== undefined && !asked.logprobs)
    throw new Refusal(400, "invalid_value", "top_logprobs without logprobs: true", { param: "top_logprobs" });
  const choice = asked.tool_choice;
  const options = {
    ...engineOptions(asked, lease, ticket, service.options.deadline),
    ...chatOptions(lease, asked.tools),
    maxTokens: long ?? short ?? lease.defaults.maxTokens,
    logProbabilities: asked.logprobs ? (top ?? 0) : undefined,
    responseFormat: formatOf(asked.response_format),
    tools: asked.tools as ChatOptions["tools"],
    toolChoice: typeof choice === "object" ? { name: choice.function.name } : choice,
  };
  const messages = messagesOf(asked.messages);
  return Array.from({ length: asked.n ?? 1 }, (_, index) =>
    lease.model.chat(messages, { ...options, seed: seedOf(options.seed, index) }),
  );
}

/** As templates know them: what OpenAI calls developer is their system, and what clients keep for themselves goes. */
export function messagesOf(messages: ChatRequest["messages"]): ChatMessage[] {
  return messages.map((message): ChatMessage => {
    const { role, content, name } = message;
    const said = { role: role === "developer" ? "system" : role, content: content ?? null, ...(name && { name }) };
    if (message.role === "tool") return { ...said, tool_call_id: message.tool_call_id } as ChatMessage;
    if (message.role !== "assistant" || !message.tool_calls?.length) return said as ChatMessage;
    const calls = message.tool_calls.map(({ id, type, function: { name, arguments: given } }) => ({
      ...{ id, type },
      function: { name, arguments: given },
    }));
    return { ...said, tool_calls: calls } as ChatMessage;
  });
}

const rulesOf = ({ parallel_tool_calls: parallel }: ChatRequest) => ({ oneCall: parallel === false });

async function whole(
  generations: readonly Generation[],
  asked: ChatRequest,
  { model }: Lease,
  { ticket }: Call,
  head: Head,
): Promise<Response> {
  const answers = await answersOf(generations, ticket, rulesOf(asked));
  const choices = answers.map((answer, index) => ({
    index,
    message: {
      role: "assistant",
      content: answer.text === "" && answer.toolCalls.length > 0 ? null : answer.text,
      refusal: null,
      ...(answer.toolCalls.length > 0 && { tool_calls: answer.toolCalls.map(callOf) }),
    },
    logprobs: asked.logprobs
      ? { content: generations[index].sampled.map((token) => chatLogprob(model.tokenizer, token)), refusal: null }
      : null,
    finish_reason: FINISH[answer.finishReason],
  }));
  return Response.json({
    ...head,
    object: "chat.completion",
    choices,
    usage: openAiUsage(answers),
    ...warned(answers),
  });
}

const callOf = ({ id, name, arguments: given }: Answer["toolCalls"][number]) => ({
  ...{ id, type: "function" },
  function: { name, arguments: JSON.stringify(given) },
});

/** What is odd in what was asked, yet was done: a field beside OpenAI's. */
export function warned(answers: readonly Answer[]): { warnings?: string[] } {
  const warnings = [...new Set(answers.flatMap(({ warnings }) => warnings))];
  return warnings.length > 0 ? { warnings } : {};
}

function streamed(
  generations: readonly Generation[],
  asked: ChatRequest,
  lease: Lease,
  { ticket, service }: Call,
  head: Head,
): Promise<Response> {
  return eventStream(chunks(generations, asked, lease, ticket, head), ticket, {
    ...service.options,
    failed: (refusal) => sseData(refusal.body),
  });
}

async function* chunks(
  generations: readonly Generation[],
  asked: ChatRequest,
  { model }: Lease,
  ticket: Call["ticket"],
  head: Head,
): AsyncGenerator<string> {
  const withUsage = asked.stream_options?.include_usage === true;
  // Text that tools may hold back is no measure of which tokens were told.
  const told = generations.map((one) => (asked.logprobs ? new ToldTokens(model.tokenizer, one, false) : null));
  const lengths = generations.map(() => 0);
  const calls = generations.map(() => 0);
  const chunk = (index: number, delta: object, logprobs: ChatLogprob[] | null = null, answer?: Answer) =>
    sseData({
      ...{ ...head, object: "chat.completion.chunk" },
      choices: [
        {
          index,
          delta,
          logprobs: logprobs && { content: logprobs, refusal: null },
          finish_reason: answer ? FINISH[answer.finishReason] : null,
        },
      ],
      ...(answer && warned([answer])),
      ...(withUsage && { usage: null }),
    });
  const tokens = (index: number, length: number) =>
    told[index]?.upTo(length).map(({ sampled }) => chatLogprob(model.tokenizer, sampled)) ?? null;
  const answers: Answer[] = [];
  const begun = new Set<number>();
  for await (const event of eventsOf(generations, ticket, rulesOf(asked))) {
    const { index } = event;
    if (!begun.has(index)) yield chunk(index, { role: "assistant", content: "", refusal: null });
    begun.add(index);
    if ("answer" in event) {
      answers[index] = event.answer;
      yield chunk(index, {}, tokens(index, Number.POSITIVE_INFINITY), event.answer);
      continue;
    }
    const { part } = event;
    if (part.type === "text") {
      lengths[index] += part.text.length;
      yield chunk(index, { content: part.text }, asked.tools ? null : tokens(index, lengths[index]));
    } else if (part.type === "tool-call") {
      // Whole: a call that begins may turn out to be text, and what a client has heard cannot be taken back.
      const { id, name, arguments: given } = part;
      const call = {
        index: calls[index]++,
        id,
        type: "function",
        function: { name, arguments: JSON.stringify(given) },
      };
      yield chunk(index, { tool_calls: [call] });
    }
  }
  if (withUsage) yield sseData({ ...head, object: "chat.completion.chunk", choices: [], usage: openAiUsage(answers) });
  yield "data: [DONE]\n\n";
}
