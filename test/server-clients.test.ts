/** The clients that people have, as they come from npm, against the server over a port. */

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Listening } from "../dist/src/cli/listen.js";
import type { Model } from "../dist/src/index.js";
import { createServer, type RequestReport, type ServerHandler } from "../dist/src/server/create-server.js";
import { onPort, openStory, STORY } from "./served.ts";

const KEY = "sk-test-0123456789";
const messages = [{ role: "user" as const, content: "Tell me a story" }];
const chat = { model: STORY, messages, max_tokens: 12, seed: 7 };
let model: Model;
let handler: ServerHandler;
let listening: Listening;
let openai: OpenAI;
const reports: RequestReport[] = [];
let told = "";
beforeAll(async () => {
  model = await openStory();
  handler = await createServer(
    { [STORY]: { model, chat: { toolFormat: "hermes" } } },
    { keys: [KEY], onRequest: (report) => reports.push(report) },
  );
  listening = await onPort(handler);
  openai = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: KEY, maxRetries: 0 });
  told = await model.chat(messages, { maxTokens: 12, seed: 7 }).text();
});
afterAll(async () => {
  await handler.close(0);
  await listening.close();
  await model.dispose();
});

describe("openai", () => {
  it("chats, whole and streamed, with usage and log-probabilities that add up to the same answer", async () => {
    const whole = await openai.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2 });
    expect(whole.choices[0].message.content).toBe(told);
    expect(whole.choices[0].finish_reason).toBe("length");
    expect(whole._request_id).toMatch(/^req_/);
    const stream = await openai.chat.completions.create({
      ...{ ...chat, logprobs: true, top_logprobs: 2 },
      ...{ stream: true as const, stream_options: { include_usage: true } },
    });
    const tokens: unknown[] = [];
    let text = "";
    let usage: unknown;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      tokens.push(...(chunk.choices[0]?.logprobs?.content ?? []));
      usage = chunk.usage ?? usage;
      expect(chunk.system_fingerprint).toBe(whole.system_fingerprint);
    }
    expect(text).toBe(told);
    expect(tokens).toEqual(whole.choices[0].logprobs!.content);
    expect(tokens.length).toBe(12);
    expect(usage).toMatchObject({ prompt_tokens: whole.usage!.prompt_tokens, completion_tokens: 12 });
  });

  it("asks for several answers: number k is that of seed + k", async () => {
    const { choices } = await openai.chat.completions.create({ ...chat, n: 3 });
    const alone = async (seed: number) => await model.chat(messages, { maxTokens: 12, seed }).text();
    expect(choices.map(({ message }) => message.content)).toEqual([await alone(7), await alone(8), await alone(9)]);
  });

  it("parses what a schema demands, and accumulates streams with its helper", async () => {
    const Person = z.object({ name: z.string().max(8), age: z.number().int().min(1).max(99) });
    const parsed = await openai.chat.completions.parse({
      ...{ ...chat, max_tokens: 100 },
      response_format: zodResponseFormat(Person, "person"),
    });
    expect(Person.parse(parsed.choices[0].message.parsed)).toEqual(parsed.choices[0].message.parsed);
    const runner = openai.chat.completions.stream(chat);
    expect(await runner.finalContent()).toBe(told);
  });

  it("calls tools, and its runner tells their results and asks again", async () => {
    const Weather = z.object({ city: z.enum(["Zürich", "Bern"]) });
    const asked: unknown[] = [];
    const runner = openai.chat.completions.runTools(
      {
        ...{ ...chat, max_tokens: 100 },
        tool_choice: "required",
        tools: [
          {
            type: "function",
            function: {
              ...{ name: "weather", description: "of a city", strict: true },
              parameters: z.toJSONSchema(Weather) as Record<string, unknown>,
              parse: JSON.parse,
              function: (given: unknown) => {
                asked.push(given);
                return "sunny";
              },
            },
          },
        ],
      },
      { maxChatCompletions: 2 },
    );
    await runner.done().catch(() => {});
    expect(asked.length).toBeGreaterThan(1);
    for (const given of asked) expect(Weather.parse(given)).toEqual(given);
    expect(runner.messages.map(({ role }) => role).slice(0, 4)).toEqual(["user", "assistant", "tool", "assistant"]);
  });

  it("leaves: the work ends, and the report says who did", async () => {
    const stream = await openai.chat.completions.create({
      ...chat,
      max_tokens: 400,
      stream: true,
      ignore_eos: true,
    } as never);
    const events = stream as unknown as AsyncIterable<unknown> & { controller: AbortController };
    for await (const _ of events) break;
    events.controller.abort();
    await expect.poll(() => model.activity.load.running).toBe(0);
    await expect.poll(() => reports.at(-1)).toMatchObject({ aborted: true, status: 499, error: "client_closed" });
  });

  it("completes texts, several at once, with echo and log-probabilities", async () => {
    const { choices, usage } = await openai.completions.create({
      ...{ model: STORY, prompt: ["Once upon a time", "The fox"], max_tokens: 4, temperature: 0 },
      ...{ echo: true, logprobs: 3 },
    });
    expect(choices.map(({ text }) => text.startsWith("Once upon a time") || text.startsWith("The fox"))).toEqual([
      true,
      true,
    ]);
    const { tokens, token_logprobs: logprobs, text_offset: offsets } = choices[0].logprobs!;
    expect(tokens!.join("")).toBe(choices[0].text);
    expect(logprobs![0]).toBeNull();
    expect(offsets!.map((offset, index) => choices[0].text.slice(offset).startsWith(tokens![index]))).not.toContain(
      false,
    );
    expect(usage!.completion_tokens).toBe(8);
    const stream = await openai.completions.create({
      ...{ model: STORY, prompt: "Once upon a time", max_tokens: 4, temperature: 0, stream: true as const },
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0].text;
    expect(`Once upon a time${text}`).toBe(choices[0].text);
  });

  it("responds: text, streams, schemas, tools, and goes on behind what was stored", async () => {
    const asked = { model: STORY, input: "Tell me a story", max_output_tokens: 12, seed: 7 } as never;
    const whole = await openai.responses.create(asked);
    expect([whole.output_text, whole.status, whole.incomplete_details]).toEqual([
      told,
      "incomplete",
      { reason: "max_output_tokens" },
    ]);
    const stream = openai.responses.stream(asked);
    const kinds = new Set<string>();
    for await (const { type } of stream) kinds.add(type);
    expect((await stream.finalResponse()).output_text).toBe(told);
    expect([...kinds].sort()).toEqual([
      "response.content_part.added",
      "response.content_part.done",
      "response.created",
      "response.in_progress",
      "response.incomplete",
      "response.output_item.added",
      "response.output_item.done",
      "response.output_text.delta",
      "response.output_text.done",
    ]);
    const Colour = z.object({ colour: z.enum(["red", "blue"]) });
    const parsed = await openai.responses.parse({
      ...{ model: STORY, input: "A colour", max_output_tokens: 60 },
      text: { format: zodTextFormat(Colour, "colour") },
    });
    expect(Colour.parse(parsed.output_parsed)).toEqual(parsed.output_parsed);
    const called = await openai.responses.create({
      ...{
        model: STORY,
        input: "Time?",
        max_output_tokens: 100,
        tool_choice: "required" as const,
        parallel_tool_calls: false,
      },
      tools: [
        {
          type: "function",
          name: "clock",
          strict: true,
          parameters: { type: "object", properties: {}, additionalProperties: false, required: [] },
        },
      ],
      store: true,
    });
    expect(called.output).toMatchObject([{ type: "function_call", name: "clock", arguments: "{}" }]);
    const [{ call_id }] = called.output as unknown as [{ call_id: string }];
    const next = await openai.responses.create({
      ...{ model: STORY, previous_response_id: called.id, max_output_tokens: 5 },
      input: [{ type: "function_call_output", call_id, output: "noon" }],
    });
    expect(next.usage!.input_tokens).toBeGreaterThan(called.usage!.input_tokens);
    expect((await openai.responses.retrieve(called.id)).id).toBe(called.id);
    expect((await openai.responses.inputItems.list(called.id)).data).toHaveLength(1);
    await openai.responses.delete(called.id);
    await expect(openai.responses.retrieve(called.id)).rejects.toMatchObject({
      status: 404,
      code: "response_not_found",
    });
    await expect(openai.responses.retrieve(whole.id)).rejects.toMatchObject({ status: 404 });
  });

  it("embeds: floats and base64 are the same vectors, of unit length", async () => {
    const input = ["a fox", "an owl"];
    const base64 = await openai.embeddings.create({ model: STORY, input });
    const floats = await openai.embeddings.create({ model: STORY, input, encoding_format: "float" });
    for (const [index, { embedding }] of floats.data.entries()) {
      expect(base64.data[index].embedding).toEqual(embedding);
      expect(embedding.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
    }
    await expect(openai.embeddings.create({ model: STORY, input, dimensions: 3 })).rejects.toMatchObject({
      ...{ status: 400, param: "dimensions" },
    });
  });

  it("lists models, and gets its own classes of errors", async () => {
    const { data } = await openai.models.list();
    expect(data.map(({ id }) => id)).toEqual([STORY]);
    expect((await openai.models.retrieve(STORY)).id).toBe(STORY);
    await expect(openai.chat.completions.create({ ...chat, model: "gpt" })).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    await expect(openai.chat.completions.create({ ...chat, temperature: 9 })).rejects.toBeInstanceOf(
      OpenAI.BadRequestError,
    );
    const stranger = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });
});

describe("the AI SDK", () => {
  it("generates, streams, and makes objects", async () => {
    const provider = createOpenAICompatible({
      name: "own",
      baseURL: `${listening.url}/v1`,
      apiKey: KEY,
      includeUsage: true,
    });
    const asked = { model: provider(STORY), prompt: "Tell me a story", maxOutputTokens: 12, seed: 7, maxRetries: 0 };
    expect((await generateText(asked)).text).toBe(told);
    const { textStream, usage } = streamText(asked);
    let text = "";
    for await (const piece of textStream) text += piece;
    expect([text, (await usage).outputTokens]).toEqual([told, 12]);
  });
});

describe("LangChain", () => {
  it("invokes, streams and embeds", async () => {
    const configuration = { baseURL: `${listening.url}/v1` };
    const lang = new ChatOpenAI({
      model: STORY,
      apiKey: KEY,
      configuration,
      maxTokens: 12,
      maxRetries: 0,
      modelKwargs: { seed: 7 },
    });
    expect((await lang.invoke("Tell me a story")).content).toBe(told);
    let text = "";
    for await (const chunk of await lang.stream("Tell me a story")) text += chunk.content;
    expect(text).toBe(told);
    const vectors = await new OpenAIEmbeddings({ model: STORY, apiKey: KEY, configuration }).embedDocuments(["a", "b"]);
    expect(vectors.map(({ length }) => length)).toEqual([256, 256]);
  });
});

describe("Anthropic's client", () => {
  it("sends messages, streams them, counts their tokens, calls tools", async () => {
    const anthropic = new Anthropic({ baseURL: listening.url, apiKey: KEY, maxRetries: 0 });
    const asked = { model: STORY, messages, max_tokens: 12, temperature: 0 };
    const whole = await anthropic.messages.create(asked);
    const greedy = await model.chat(messages, { maxTokens: 12, temperature: 0 }).text();
    expect([whole.content, whole.stop_reason]).toEqual([[{ type: "text", text: greedy }], "max_tokens"]);
    expect(await anthropic.messages.stream(asked).finalText()).toBe(greedy);
    const { input_tokens: counted } = await anthropic.messages.countTokens({ model: STORY, messages });
    expect(whole.usage.input_tokens + whole.usage.cache_read_input_tokens!).toBe(counted);
    const called = await anthropic.messages.create({
      ...{ ...asked, max_tokens: 100, tool_choice: { type: "tool" as const, name: "clock" } },
      tools: [{ name: "clock", strict: true, input_schema: { type: "object" as const, additionalProperties: false } }],
      stream: false,
    });
    expect(called.content.at(-1)).toMatchObject({ type: "tool_use", name: "clock" });
    expect(called.stop_reason).toBe("tool_use");
    await expect(anthropic.messages.create({ ...asked, model: "x" })).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });
});
