/** Conversations with tools: rounds, results, errors, limits, aborts. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type RunToolsOptions, runTools } from "../src/engine/tool-rounds.ts";
import { scripted } from "./scripted-chat.ts";
import { refusal } from "./storyteller.ts";

const hello = [{ role: "user", content: "Weather?" }];
const call = (name: string, given = "{}") => `<tool_call>\n{"name": "${name}", "arguments": ${given}}\n</tool_call>`;
const start = (answers: readonly string[], options: RunToolsOptions, template = "chatml-tools") => {
  const model = scripted(template, answers);
  return { model, run: runTools((...given) => model.chat(...given), hello, { seed: 1, ...options }) };
};
const nothing = { run: () => null };

describe("runTools", () => {
  it("answers, runs the calls of an answer together, tells what they gave, and answers again", async () => {
    const order: string[] = [];
    const slow = async (name: string) => {
      order.push(`${name} begins`);
      await null;
      order.push(`${name} ends`);
    };
    const tools = {
      weather: {
        description: "Of a city",
        parameters: { type: "object", properties: { city: { type: "string" } } },
        run: async ({ city }: { city: string }, { id, name }: { id: string; name: string }) => {
          await slow("weather");
          return { city, name, id: id.length };
        },
      },
      clock: { run: () => slow("clock").then(() => "12:00") },
    };
    const parts: string[] = [];
    const onPart = ({ type }: { type: string }, round: number) => parts.push(`${round} ${type}`);
    const answers = [
      `I look.\n${call("weather", '{"city": "Zürich"}')}\n${call("clock")}`,
      call("clock"),
      "It is noon.",
    ];
    const { model, run } = start(answers, { tools, onPart });
    const { messages, result, usage, rounds, stoppedBy, warnings } = await run;
    expect([result.text, rounds, stoppedBy]).toEqual(["It is noon.", 3, undefined]);
    expect(warnings.filter((warning) => warning.startsWith("TOOL"))).toEqual([]);
    expect(order.slice(0, 4)).toEqual(["weather begins", "clock begins", "weather ends", "clock ends"]);
    expect(messages.map(({ role, content }) => [role, content])).toEqual([
      ["user", "Weather?"],
      ["assistant", "I look."],
      ["tool", '{"city":"Zürich","name":"weather","id":9}'],
      ["tool", "12:00"],
      ["assistant", ""],
      ["tool", "12:00"],
      ["assistant", "It is noon."],
    ]);
    const ids = messages.flatMap((message) => (message["tool_calls"] ?? []) as { id: string }[]).map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
    expect(messages.flatMap((message) => message["tool_call_id"] ?? [])).toEqual(ids);
    expect(model.prompts[0]).toContain('"description": "Of a city"');
    expect(model.prompts[2]).toContain("<tool_response>\n12:00\n</tool_response>");
    const prompts = model.prompts.map((prompt) => model.tokenizer.encode(prompt, { specialTokens: true }).length);
    expect(usage.promptTokens).toBe(prompts.reduce((sum, length) => sum + length));
    expect(usage.completionTokens).toBeGreaterThan(result.usage.completionTokens);
    expect(parts.filter((part) => part.endsWith("tool-call"))).toEqual(["0 tool-call", "0 tool-call", "1 tool-call"]);
    expect(parts.at(-1)).toBe("2 text");
  });

  it("tells the model what a tool throws, and what it gives that is no JSON", async () => {
    const thrown = [
      new Error("no network"),
      "a word",
      null,
      new Proxy(
        {},
        {
          get: () => {
            throw new RangeError("a trap");
          },
        },
      ),
    ];
    const results = [
      undefined,
      3,
      [1],
      "x\ud800",
      2n,
      {
        toJSON: () => {
          throw new Error("not me");
        },
      },
    ];
    const tools = Object.fromEntries([
      ...thrown.map((error, index) => [
        `t${index}`,
        {
          run: () => {
            throw error;
          },
        },
      ]),
      ...results.map((value, index) => [`r${index}`, { run: () => value }]),
    ]);
    const { run } = start(
      [
        Object.keys(tools)
          .map((name) => call(name))
          .join("\n"),
        "So.",
      ],
      { tools },
    );
    const { messages } = await run;
    const told = messages.filter(({ role }) => role === "tool").map(({ content }) => content);
    expect(told).toEqual([
      "Error: no network",
      'Error: "a word"',
      "Error: null",
      "Error: an object",
      "null",
      "3",
      "[1]",
      "Error: the result is not well-formed Unicode",
      expect.stringMatching(/^Error: .*BigInt/),
      "Error: not me",
    ]);
  });

  it("gives arguments whose keys of prototypes are keys, and keeps what a tool does to them to itself", async () => {
    const seen: unknown[] = [];
    const run = (given: Record<string, unknown>) => {
      seen.push(Object.keys(given), Object.getPrototypeOf(given) === Object.prototype, ({} as { x?: number }).x);
      given["city"] = "changed";
    };
    const json = '{"__proto__": {"x": 1}, "constructor": 2, "city": "here"}';
    const { messages } = await start([call("f", json), "So."], { tools: { f: { run } } }).run;
    expect(seen).toEqual([["__proto__", "constructor", "city"], true, undefined]);
    expect(JSON.stringify(messages[1])).toContain(JSON.stringify(JSON.parse(json)));
  });

  it("ends at its limit with the calls that were not run, and loses nothing", async () => {
    let runs = 0;
    const tools = { f: { run: () => ++runs } };
    const { messages, result, rounds, stoppedBy, warnings } = await start([call("f"), call("f"), call("f")], {
      tools,
      maxRounds: 2,
    }).run;
    expect([runs, rounds, stoppedBy, result.finishReason, result.toolCalls.length]).toEqual([
      1,
      2,
      "maxRounds",
      "tool-calls",
      1,
    ]);
    expect([messages.at(-1)?.role, messages.length]).toEqual(["assistant", 4]);
    expect(warnings).toContainEqual(expect.stringMatching(/^TOOL_ROUNDS: /));
  });

  it("runs no calls of an answer that was cut", async () => {
    const answer = `${call("f")} and this goes on for many more words than fit into the few ids that are left`;
    const { result, rounds, stoppedBy } = await start([answer], { tools: { f: nothing }, maxTokens: 45 }).run;
    expect([result.finishReason, result.toolCalls.length, rounds, stoppedBy]).toEqual(["length", 1, 1, undefined]);
  });

  it("rejects with the signal's reason, also while a tool runs that hears nothing of it", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const signals: AbortSignal[] = [];
    const tools = {
      deaf: { run: () => new Promise(() => {}) },
      f: {
        run: (_: unknown, { signal }: { signal: AbortSignal }) => {
          signals.push(signal);
          queueMicrotask(() => stop.abort(reason));
        },
      },
    };
    const { run } = start([call("deaf") + call("f")], { tools, signal: stop.signal });
    await expect(run).rejects.toBe(reason);
    expect(signals[0].aborted).toBe(true);
  });

  it("demands a call of the first answer only, and keeps tools from all of them", async () => {
    const choices = async (toolChoice: "required" | "none") => {
      const { chat } = scripted("chatml-tools", [call("f"), "So."]);
      const seen: unknown[] = [];
      const heard = (messages: Parameters<typeof chat>[0], options: Parameters<typeof chat>[1]) => {
        seen.push(options?.toolChoice);
        return chat(messages, { ...options, toolChoice: toolChoice === "none" ? "none" : "auto" });
      };
      await runTools(heard, hello, { tools: { f: nothing }, toolChoice });
      return seen;
    };
    expect(await choices("required")).toEqual(["required", "auto"]);
    expect(await choices("none")).toEqual(["none"]);
  });

  it("gives a template that refuses several calls in one answer one after the other", async () => {
    const json = (name: string) => `{"name": "${name}", "parameters": {}}`;
    const { model, run } = start(
      [`${json("f")}${json("g")}`, "So."],
      { tools: { f: nothing, g: nothing } },
      "llama3.1",
    );
    const { messages } = await run;
    expect(messages.map(({ role }) => role).join(" ")).toBe("user assistant tool assistant tool assistant");
    expect(model.prompts[1].match(/"parameters": \{\}/g)).toHaveLength(2);
  });

  it.each<[string, object, string, RegExp]>([
    ["no tools", {}, "REQ_PARAM", /tools/],
    ["a list of tools", { tools: [] }, "REQ_PARAM", /tools/],
    ["a tool of another kind", { tools: { f: () => 1 } }, "REQ_PARAM", /tools\.f/],
    ["a tool that does nothing", { tools: { f: {} } }, "REQ_PARAM", /tools\.f\.run/],
    ["a tool with more", { tools: { f: { ...nothing, schema: {} } } }, "REQ_PARAM", /tools\.f\.schema/],
    ["no rounds", { tools: { f: nothing }, maxRounds: 0 }, "REQ_PARAM", /maxRounds/],
    ["rounds in text", { tools: { f: nothing }, maxRounds: "2" }, "REQ_PARAM", /maxRounds/],
    ["onPart of another kind", { tools: { f: nothing }, onPart: 1 }, "REQ_PARAM", /onPart/],
    ["an unknown option", { tools: { f: nothing }, rounds: 1 }, "REQ_UNSUPPORTED_PARAM", /rounds/],
  ])("refuses %s", async (_, options, code, named) => {
    const error = await start([""], options as RunToolsOptions).run.catch((reason) => reason);
    const { code: found, message } = refusal(() => {
      throw error;
    });
    expect(found).toBe(code);
    expect(message).toMatch(named);
  });
});

it("the example of docs/generation.md runs", async () => {
  const docs = readFileSync(new URL("../docs/generation.md", import.meta.url), "utf8");
  const [, code] = /## Tools\s+```js\n([\s\S]*?)```/.exec(docs)!;
  const asks = call("weather", '{"city": "Zürich"}');
  const { chat } = scripted("chatml-tools", [asks, "21 degrees.", `I look.\n${asks}`]);
  const model = { chat, runTools: (...given: [typeof hello, RunToolsOptions]) => runTools(chat, ...given) };
  const lines: unknown[][] = [];
  const AsyncFunction = (async () => {}).constructor as new (...source: string[]) => (...values: unknown[]) => unknown;
  await new AsyncFunction("model", "console", code)(model, { log: (...line: unknown[]) => lines.push(line) });
  expect(lines[0].slice(0, 2)).toEqual(["21 degrees.", 4]);
  expect(lines.flat()).toContain("weather");
  expect(lines.at(-1)).toEqual([1, "tool-calls"]);
});
