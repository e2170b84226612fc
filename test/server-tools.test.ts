/** Calls of tools over the APIs, with answers that are written down beforehand. */
import { describe, expect, it } from "vitest";
import { createServer, type ServerHandler } from "../src/server/create-server.ts";
import { scripted } from "./scripted-chat.ts";
import { eventsOf, post, posted } from "./served.ts";

const call = (name: string, given = "{}") => `<tool_call>\n{"name": "${name}", "arguments": ${given}}\n</tool_call>`;
const TWO = `I look.\n${call("weather", '{"city": "Zürich"}')}\n${call("clock")}`;
const names = ["weather", "clock"];
const tools = names.map((name) => ({ type: "function", function: { name, parameters: { type: "object" } } }));
const messages = [{ role: "user", content: "Weather?" }];

/** A model of which the server sees what it asks of any. */
async function serve(answers: readonly string[]): Promise<{ handler: ServerHandler; prompts: readonly string[] }> {
  const { chat, tokenizer, prompts } = scripted("chatml-tools", answers);
  const info = {
    name: "scripted",
    fingerprint: "0".repeat(32),
    build: { name: "simd" },
    adapters: [],
    context: 1 << 20,
  };
  const model = { chat, tokenizer, info, generate: () => {} };
  return { handler: await createServer({ scripted: model as never }, { metrics: false }), prompts };
}

const calls = [
  {
    id: expect.stringMatching(/^\w{9}$/),
    type: "function",
    function: { name: "weather", arguments: '{"city":"Zürich"}' },
  },
  { id: expect.stringMatching(/^\w{9}$/), type: "function", function: { name: "clock", arguments: "{}" } },
];

describe("calls", () => {
  it("of chat completions are whole, whether streamed or not, and go back as they came", async () => {
    const { handler, prompts } = await serve([TWO, TWO, "It is sunny."]);
    const asked = { messages, tools, seed: 1 };
    const { choices } = await posted(handler, "/v1/chat/completions", asked);
    expect(choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { content: "I look.", tool_calls: calls },
    });
    const streamed = await eventsOf(await post(handler, "/v1/chat/completions", { ...asked, stream: true }));
    const deltas = streamed.flatMap(({ data }) => data.choices?.[0].delta.tool_calls ?? []);
    expect(deltas).toEqual(calls.map((one, index) => ({ index, ...one })));
    const [{ message }] = choices;
    const results = message.tool_calls.map(({ id }: { id: string }) => ({
      role: "tool",
      tool_call_id: id,
      content: "sunny",
    }));
    const next = await posted(handler, "/v1/chat/completions", { messages: [...messages, message, ...results], tools });
    expect(next.choices[0].message.content).toBe("It is sunny.");
    expect(prompts[2]).toContain("<tool_response>\nsunny\n</tool_response>");
  });

  it("are one where parallel_tool_calls is false: the answer ends behind it", async () => {
    const { handler } = await serve([TWO, TWO]);
    const asked = { messages, tools, seed: 1, parallel_tool_calls: false };
    const { choices, usage } = await posted(handler, "/v1/chat/completions", asked);
    expect(choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { tool_calls: [calls[0]] } });
    expect(choices[0].message.tool_calls).toHaveLength(1);
    expect(usage.completion_tokens).toBeGreaterThan(5);
    const streamed = await eventsOf(await post(handler, "/v1/chat/completions", { ...asked, stream: true }));
    expect(streamed.flatMap(({ data }) => data.choices?.[0].delta.tool_calls ?? [])).toHaveLength(1);
    expect(streamed.at(-1)!.data).toBe("[DONE]");
  });

  it("of responses are items between which text is a message, streamed or not", async () => {
    const { handler } = await serve([TWO, TWO]);
    const asked = {
      input: "Weather?",
      seed: 1,
      tools: tools.map(({ function: own }) => ({ type: "function", ...own })),
    };
    const { output } = await posted(handler, "/v1/responses", asked);
    const shown = (items: { type: string; name?: string }[]) => items.map(({ type, name }) => name ?? type);
    expect(shown(output)).toEqual(["message", "weather", "clock"]);
    const events = await eventsOf(await post(handler, "/v1/responses", { ...asked, stream: true }));
    expect(shown(events.at(-1)!.data.response.output)).toEqual(["message", "weather", "clock"]);
    expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, index) => index));
  });

  it("of Anthropic's messages are blocks, and their results go back", async () => {
    const { handler, prompts } = await serve([TWO, TWO, "It is sunny."]);
    const asked = {
      ...{ model: "scripted", max_tokens: 500, messages },
      tools: names.map((name) => ({ name, input_schema: { type: "object" } })),
    };
    const { content, stop_reason: reason } = await posted(handler, "/v1/messages", asked);
    expect([content.map(({ type }: { type: string }) => type), reason]).toEqual([
      ["text", "tool_use", "tool_use"],
      "tool_use",
    ]);
    const events = await eventsOf(await post(handler, "/v1/messages", { ...asked, stream: true }));
    expect(events.map(({ event }) => event).filter((event) => event !== "content_block_delta")).toEqual([
      "message_start",
      ...Array(3).fill(["content_block_start", "content_block_stop"]).flat(),
      ...["message_delta", "message_stop"],
    ]);
    const result = { type: "tool_result", tool_use_id: content[1].id, content: "sunny" };
    const told = [...messages, { role: "assistant", content }, { role: "user", content: [result] }];
    const next = await posted(handler, "/v1/messages", { ...asked, messages: told });
    expect([next.content, next.stop_reason]).toEqual([[{ type: "text", text: "It is sunny." }], "end_turn"]);
    expect(prompts[2]).toContain("<tool_response>\nsunny\n</tool_response>");
  });
});
