/** Answers with calls, from messages to results: parts, reasons, ids, choices. */
import { describe, expect, it } from "vitest";
import type { ChatOptions } from "../src/engine/chat-request.ts";
import type { AnswerPart } from "../src/tools/call.ts";
import { scripted } from "./scripted-chat.ts";
import { refusal } from "./storyteller.ts";

const hello = [{ role: "user", content: "Weather in Zürich?" }];
const weather = { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } };
const tools = [weather, { type: "function", function: { name: "clock", parameters: {} } }];
const strict = (parameters: object) => ({ ...weather, strict: true, parameters });
const asked: ChatOptions = { tools, seed: 7 };
const json = (name: string, given: string) => `{"name": "${name}", "parameters": ${given}}`;
const ZURICH = '{"city": "Zürich 🗼"}';
const MARKS = ["<|python_start|>", "<|python_end|>"];
const LLAMA4 = `<|python_start|>I look.<|python_end|>${json("get_weather", ZURICH)}${json("clock", "{}")}`;

/** The vocabulary is not the template's: that its marks are text is told too. */
const told = ({ warnings }: { warnings: readonly string[] }) =>
  warnings.filter((warning) => warning.startsWith("TOOL_"));

async function partsOf(generation: { parts(): AsyncIterable<AnswerPart> }): Promise<AnswerPart[]> {
  const parts: AnswerPart[] = [];
  for await (const part of generation.parts()) parts.push(part);
  return parts;
}

describe("an answer with calls", () => {
  it("gives text and calls as parts, and tells them apart in its result", async () => {
    const answer = scripted("llama4", [LLAMA4], MARKS).chat(hello, asked);
    let text = "";
    const [parts] = await Promise.all([
      partsOf(answer),
      (async () => {
        for await (const piece of answer) text += piece;
      })(),
    ]);
    const result = await answer.result();
    expect([text, result.text, result.finishReason, told(result)]).toEqual(["I look.", "I look.", "tool-calls", []]);
    const [first, second] = result.toolCalls;
    expect(result.toolCalls).toEqual([
      { id: expect.stringMatching(/^[A-Za-z0-9]{9}$/), name: "get_weather", arguments: { city: "Zürich 🗼" } },
      { id: expect.stringMatching(/^[A-Za-z0-9]{9}$/), name: "clock", arguments: {} },
    ]);
    expect(first.id).not.toBe(second.id);
    const grown = parts.filter((part) => part.type === "tool-call-arguments" && part.index === 0);
    expect(grown.length).toBeGreaterThan(3);
    expect(grown.map((part) => "text" in part && part.text).join("")).toBe(ZURICH);
    expect(parts.filter(({ type }) => type !== "text" && type !== "tool-call-arguments")).toEqual([
      { type: "tool-call-start", index: 0, id: first.id, name: first.name },
      { type: "tool-call", index: 0, ...first },
      { type: "tool-call-start", index: 1, id: second.id, name: second.name },
      { type: "tool-call", index: 1, ...second },
    ]);
    expect(JSON.parse(JSON.stringify(result))).toEqual({ ...result, limit: undefined });
  });

  it("has its control tokens where they stand, also behind text that a stop string holds back", async () => {
    const { text, toolCalls } = await scripted("llama4", [LLAMA4], MARKS)
      .chat(hello, { ...asked, stop: "look.!" })
      .result();
    expect([text, toolCalls.length]).toEqual(["I look.", 2]);
  });

  it("has the ids of its seed and prompt", async () => {
    const ids = async (options: ChatOptions, content = "?") => {
      const messages = [{ role: "user", content }];
      const { toolCalls } = await scripted("llama4", [LLAMA4], MARKS).chat(messages, options).result();
      return toolCalls.map(({ id }) => id).join();
    };
    const same = await ids(asked);
    expect(await ids(asked)).toBe(same);
    expect(await ids({ ...asked, seed: 8 })).not.toBe(same);
    expect(await ids({ ...asked, seed: 2n ** 63n + 7n })).not.toBe(same);
    expect(await ids(asked, "and then?")).not.toBe(same);
  });

  it.each<[string, string, ChatOptions, unknown[]]>([
    ["words stand behind its calls", `${json("clock", "{}")} So.`, {}, ["stop", 1, " So."]],
    [
      "a stop string stands behind its calls",
      `${json("clock", "{}")}\nUser:`,
      { stop: "User:" },
      ["tool-calls", 1, ""],
    ],
    [
      "a stop string is in a call",
      json("get_weather", ZURICH),
      { stop: "Z" },
      ["stop", 0, json("get_weather", '{"city": "').slice(0, -1)],
    ],
    [
      "it is cut within a call",
      json("get_weather", ZURICH),
      { maxTokens: 40 },
      ["length", 0, expect.stringContaining('{"name"')],
    ],
    ["it calls nothing", "Warm.\n", {}, ["stop", 0, "Warm.\n"]],
  ])("where %s", async (_, answer, options, expected) => {
    const generation = scripted("llama3.2", [answer]).chat(hello, { ...asked, ...options });
    const parts = await partsOf(generation);
    const result = await generation.result();
    const { text, finishReason, toolCalls } = result;
    expect([finishReason, toolCalls.length, text]).toEqual(expected);
    expect(parts.map((part) => (part.type === "text" ? part.text : "")).join("")).toBe(text);
    expect(told(result).length).toBe(/Z|40/.test(JSON.stringify(options)) ? 1 : 0);
  });

  it("that breaks off in the arguments says so, and its text follows", async () => {
    const broken = json("get_weather", '{"city": 1, }');
    const parts = await partsOf(scripted("llama3.2", [broken]).chat(hello, asked));
    const types = parts.map(({ type }) => type).filter((type) => type !== "tool-call-arguments");
    expect([types[0], types[1]]).toEqual(["tool-call-start", "tool-call-broken"]);
    expect(types.slice(2).every((type) => type === "text")).toBe(true);
  });
});

describe("tools", () => {
  it("are not shown and not looked for with toolChoice none", async () => {
    const model = scripted("llama3.2", [json("clock", "{}"), ""]);
    const result = await model.chat(hello, { ...asked, toolChoice: "none" }).result();
    expect([result.text, result.toolCalls, result.finishReason]).toEqual([json("clock", "{}"), [], "stop"]);
    await model.chat(hello).result();
    expect(model.prompts[0]).toBe(model.prompts[1]);
    expect(refusal(() => model.chat(hello, { tools: ["x"], toolChoice: "none" })).code).toBe("REQ_MESSAGE");
  });

  it("of a template that teaches no dialect stay text, with a warning; toolFormat names one", async () => {
    const call = '<tool_call>{"name": "clock", "arguments": {}}</tool_call>';
    const plain = "{{ tools | tojson }}{{ messages[0].content }}";
    const model = scripted(plain, [call, call]);
    const text = await model.chat(hello, asked).result();
    expect([text.text, text.warnings]).toEqual([call, [expect.stringMatching(/^TOOL_FORMAT: /)]]);
    const { toolCalls, warnings } = await model.chat(hello, { ...asked, toolFormat: "hermes" }).result();
    expect([toolCalls.length, warnings]).toEqual([1, []]);
    const without = await scripted(plain, [""]).chat(hello, { toolFormat: "hermes" }).result();
    expect(without.warnings).toEqual([expect.stringMatching(/^TOOL_FORMAT: /)]);
  });

  it("must be called only where the template teaches how", () => {
    const { chat } = scripted("{{ messages[0].content }}", []);
    const error = refusal(() => chat(hello, { ...asked, toolChoice: "required" }));
    expect(error).toMatchObject({ code: "TOOLS_UNSUPPORTED", at: { field: "toolChoice" } });
    expect(refusal(() => chat(hello, { tools: [strict({})] }))).toMatchObject({ at: { field: "tools" } });
  });

  it("must be called: what the model would rather say is no answer", async () => {
    const { chat } = scripted("chatml-tools", ["I would rather not."]);
    const { text } = await chat(hello, { ...asked, toolChoice: "required" }).result();
    expect("<tool_call>".startsWith(text.slice(0, 8))).toBe(true);
  });

  it("must be called behind a mark that is a control token: it stands in the prompt", async () => {
    const model = scripted("mistral-tools", [' [{"name": "clock", "arguments": {}}]'], ["[TOOL_CALLS]"]);
    const result = await model.chat(hello, { ...asked, toolChoice: { name: "clock" } }).result();
    expect(model.prompts[0].endsWith("[TOOL_CALLS]")).toBe(true);
    expect([result.text, result.toolCalls.length, result.finishReason]).toEqual(["", 1, "tool-calls"]);
  });

  it("without a name are shown, and a warning says that they cannot be called", async () => {
    const bare = { type: "code_interpreter" };
    const result = await scripted("llama3.2", ["So."])
      .chat(hello, { tools: [...tools, bare] })
      .result();
    expect(told(result)).toEqual(["TOOL_NAME: calls of 1 tools without a name stay text"]);
  });

  it.each<[string, object, string, string]>([
    ["a choice", { toolChoice: "any" }, "OPTION_RANGE", "toolChoice"],
    ["a choice of another kind", { toolChoice: 3 }, "REQ_PARAM", "toolChoice"],
    ["a choice that was not offered", { toolChoice: { name: "__proto__" } }, "OPTION_RANGE", "toolChoice.name"],
    [
      "a choice with more in it",
      { toolChoice: { name: "clock", type: "function" } },
      "REQ_UNSUPPORTED_PARAM",
      "toolChoice.type",
    ],
    ["a choice among none", { tools: [], toolChoice: "required" }, "OPTION_RANGE", "toolChoice"],
    ["a format", { toolFormat: "xml" }, "OPTION_RANGE", "toolFormat"],
    ["a format of another kind", { toolFormat: null }, "REQ_PARAM", "toolFormat"],
    [
      "a call in Python of a name",
      { tools: [{ name: "my tool" }], toolChoice: "required", toolFormat: "pythonic" },
      "TOOLS_UNSUPPORTED",
      "tools",
    ],
    ["a format beside tools", { responseFormat: { type: "json" } }, "REQ_PARAM", "responseFormat"],
    [
      "a schema",
      { tools: [strict({ properties: { a: { "x-none": 1 } } })] },
      "SCHEMA_UNSUPPORTED",
      "tools.get_weather.parameters/properties/a/x-none",
    ],
  ])("%s that cannot be is refused", (_, options, code, field) => {
    const error = refusal(() => scripted("llama4", []).chat(hello, { ...asked, ...options }));
    expect(error).toMatchObject({ code, at: { field } });
  });
});
