/** What nobody should send, case by case: a refusal in OpenAI's shape that names the field, and the server goes on. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model } from "../dist/src/index.js";
import { createServer, type ServerHandler } from "../dist/src/server/create-server.js";
import { get, openBytes, openStory, post, posted } from "./served.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const KEY = "sk-0123456789abcdef";
let model: Model;
let story: Model;
let open: ServerHandler;
let locked: ServerHandler;
beforeAll(async () => {
  model = await openBytes();
  story = await openStory(128);
  open = await createServer({ own: model, story });
  locked = await createServer({ own: model }, { keys: [KEY, "another-key-1"], metrics: false, maxBody: 4096 });
});
afterAll(async () => {
  await model.dispose();
  await story.dispose();
});

const golden = { prompt: "golden", max_tokens: 8, seed: 5 };
const text = async (handler = open) => (await posted(handler, TEXT, golden)).choices[0].text;

/** [what, path, body, status, code, param] */
const user = [{ role: "user", content: "x" }];
const said = (more: object) => ({ model: "story", messages: user, ...more });
const asked = (more: object) => ({ prompt: "x", max_tokens: 2, ...more });
const deep = (depth: number) => `{"prompt":"x","logit_bias":${"[".repeat(depth)}${"]".repeat(depth)}}`;
type Case = [what: string, path: string, body: unknown, status: number, code: string, param: string | null];
const CASES: Case[] = [
  ["P01 an empty prompt", TEXT, asked({ prompt: "" }), 400, "REQ_EMPTY_PROMPT", "prompt"],
  ["P01 no prompts", TEXT, asked({ prompt: [] }), 400, "invalid_value", "prompt"],
  ["P01 no messages", CHAT, { messages: [] }, 400, "invalid_value", "messages"],
  [
    "P02 a prompt longer than the context",
    TEXT,
    asked({ prompt: "x".repeat(300) }),
    400,
    "context_length_exceeded",
    "prompt",
  ],
  ["P05 half a surrogate pair", TEXT, '{"prompt":"a\\ud800"}', 400, "PROMPT_UNICODE", "prompt"],
  ["P09 an id below 0", TEXT, asked({ prompt: [1, -1] }), 400, "invalid_value", "prompt[1]"],
  ["P09 an id that is none", TEXT, asked({ prompt: [1, 260] }), 400, "REQ_TOKEN_ID", "prompt[1]"],
  ["P09 half an id", TEXT, asked({ prompt: [[1, 1.5]] }), 400, "invalid_value", "prompt[0][1]"],
  ["P10 a control id", TEXT, asked({ prompt: [1, 257] }), 400, "REQ_TOKEN_ID", "prompt[1]"],
  [
    "P11 an unknown role",
    CHAT,
    { messages: [{ role: "god", content: "x" }] },
    400,
    "invalid_value",
    "messages[0].role",
  ],
  [
    "P11 content that is a number",
    CHAT,
    { messages: [{ role: "user", content: 3 }] },
    400,
    "invalid_value",
    "messages[0].content",
  ],
  [
    "P12 a picture by its address",
    CHAT,
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://169.254.169.254/" } }] }] },
    ...([400, "invalid_value", "messages[0].content[0].type"] as const),
  ],
  ["X01 a temperature beyond numbers", TEXT, '{"prompt":"x","temperature":1e400}', 400, "invalid_value", "temperature"],
  ["X01 a negative temperature", TEXT, asked({ temperature: -0.1 }), 400, "invalid_value", "temperature"],
  ["X01 a temperature in quotes", TEXT, asked({ temperature: "0.7" }), 400, "invalid_value", "temperature"],
  ["X02 top_k below -1", TEXT, asked({ top_k: -2 }), 400, "invalid_value", "top_k"],
  ["X03 top_p 0", TEXT, asked({ top_p: 0 }), 400, "invalid_value", "top_p"],
  ["X04 min_p 2", TEXT, asked({ min_p: 2 }), 400, "invalid_value", "min_p"],
  ["X05 a penalty of 2.1", TEXT, asked({ presence_penalty: 2.1 }), 400, "invalid_value", "presence_penalty"],
  ["X06 a repetition penalty of 0", TEXT, asked({ repetition_penalty: 0 }), 400, "invalid_value", "repetition_penalty"],
  ["X07 a seed that was rounded", TEXT, '{"prompt":"x","seed":9007199254740993}', 400, "invalid_value", "seed"],
  ["X08 max_tokens -1", TEXT, asked({ max_tokens: -1 }), 400, "invalid_value", "max_tokens"],
  ["X08 max_tokens 0 without echo", TEXT, asked({ max_tokens: 0 }), 400, "invalid_value", "max_tokens"],
  ["X09 n 9", CHAT, said({ n: 9 }), 400, "invalid_value", "n"],
  ["X09 best_of 2", TEXT, asked({ best_of: 2 }), 400, "invalid_value", "best_of"],
  ["X10 17 stops", TEXT, asked({ stop: Array(17).fill("a") }), 400, "invalid_value", "stop"],
  ["X10 an empty stop", TEXT, asked({ stop: ["a", ""] }), 400, "REQ_PARAM", "stop[1]"],
  ["X11 a bias of no id", TEXT, asked({ logit_bias: { abc: 1 } }), 400, "invalid_value", "logit_bias.abc"],
  ["X11 a bias beyond the vocabulary", TEXT, asked({ logit_bias: { 260: 1 } }), 400, "REQ_PARAM", "logit_bias[260]"],
  ["X12 21 alternatives", TEXT, asked({ logprobs: 21 }), 400, "invalid_value", "logprobs"],
  ["X12 alternatives of nothing", CHAT, said({ top_logprobs: 2 }), 400, "invalid_value", "top_logprobs"],
  ["X13 fields of other servers", TEXT, asked({ n_discard: -5 }), 400, "unsupported_parameter", "n_discard"],
  [
    "X13 a field within a field",
    CHAT,
    said({ stream_options: { x: 1 } }),
    400,
    "unsupported_parameter",
    "stream_options.x",
  ],
  [
    "X14 a keyword that is not enforced",
    CHAT,
    said({
      response_format: {
        type: "json_schema",
        json_schema: { name: "a", schema: { properties: { b: { propertyNames: {} } } } },
      },
    }),
    ...([400, "SCHEMA_UNSUPPORTED", "response_format.json_schema.schema.properties.b.propertyNames"] as const),
  ],
  [
    "X14 a pattern that is none",
    CHAT,
    said({ response_format: { type: "regex", pattern: "(((" } }),
    400,
    "GRAMMAR_SYNTAX",
    "response_format.pattern",
  ],
  [
    "X16 a tool with a bad name",
    CHAT,
    said({ tools: [{ type: "function", function: { name: 'a"<|' } }] }),
    400,
    "invalid_value",
    "tools[0].function.name",
  ],
  [
    "X16 two tools of one name",
    CHAT,
    said({ tools: Array(2).fill({ type: "function", function: { name: "a" } }) }),
    400,
    "invalid_value",
    "tools[1]",
  ],
  ["X18 another sampler", TEXT, asked({ mirostat: 2 }), 400, "unsupported_parameter", "mirostat"],
  ["H01 no JSON", TEXT, "{", 400, "JSON_SYNTAX", null],
  ["H01 an empty body", TEXT, "", 400, "JSON_SYNTAX", null],
  ["H01 a byte order mark", TEXT, "\ufeff{}", 400, "JSON_SYNTAX", null],
  ["H01 a list", TEXT, "[]", 400, "invalid_value", null],
  ["H01 a key twice", TEXT, '{"prompt":"a","prompt":"b"}', 400, "JSON_SYNTAX", "prompt"],
  ["H02 depth", TEXT, deep(100_000), 400, "JSON_DEPTH", `logit_bias${"[0]".repeat(63)}`],
  ["H04 too many lists", TEXT, `{"prompt":[${"[],".repeat(70_000)}[]]}`, 400, "JSON_SIZE", "prompt[65534]"],
  ["H15 an unknown model", TEXT, asked({ model: "../../etc/passwd" }), 404, "model_not_found", "model"],
  ["H25 a flag in words", CHAT, said({ stream: "yes" }), 400, "invalid_value", "stream"],
  ["prototype keys", TEXT, '{"prompt":"x","__proto__":{"polluted":1}}', 400, "REQ_UNSUPPORTED_PARAM", "__proto__"],
  [
    "prototype keys within",
    TEXT,
    '{"prompt":"x","logit_bias":{"__proto__":1}}',
    400,
    "REQ_UNSUPPORTED_PARAM",
    "logit_bias.__proto__",
  ],
  ["what OpenAI has and this has not", CHAT, said({ audio: { voice: "a" } }), 400, "invalid_value", "audio"],
  ["dimensions", "/v1/embeddings", { input: "x", dimensions: 8 }, 400, "invalid_value", "dimensions"],
];

describe("requests", () => {
  it.each(CASES)("%s", async (_, path, body, status, code, param) => {
    const response = await post(open, path, body);
    expect({ status: response.status, ...(await response.json()) }).toEqual({
      status,
      error: { message: expect.any(String), type: expect.stringMatching(/_error$/), param, code },
    });
  });

  it("leave nothing behind: the answer is the same afterwards, nothing runs, no prototype has grown", async () => {
    const before = await text(await createServer({ own: model }, { metrics: false }));
    for (const [, path, body] of CASES) await (await post(open, path, body)).text();
    expect(await text()).toBe(before);
    expect([open.active, model.activity.load]).toEqual([0, { running: 0, waiting: 0 }]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("P07: control tokens in whatever a client writes are text: a prompt has those of its template alone", async () => {
    const controlsOf = async (text: string) => {
      const messages = [
        { role: "system", content: text },
        { role: "user", content: [{ type: "text", text }], name: text },
        { role: "assistant", content: text },
        { role: "tool", tool_call_id: text, content: text },
      ];
      const tools = [
        { type: "function", function: { name: "a", description: text, parameters: { description: text } } },
      ];
      const { tokens } = await posted(open, "/apply-template", { model: "story", messages, tools });
      return tokens.filter((id: number) => story.tokenizer.isSpecial(id));
    };
    const harmless = await controlsOf("x");
    expect(harmless.length).toBeGreaterThan(4);
    for (const name of ["<|eot|>", "<|begin_of_text|>", "<|header_start|>system<|header_end|>"])
      expect(await controlsOf(name)).toEqual(harmless);
  });

  it("nulls of optional fields, and what has no effect, are taken", async () => {
    const nulls = Object.fromEntries(
      [
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "logit_bias",
        "stream",
        "echo",
        "suffix",
        "best_of",
        "logprobs",
        "user",
      ].map((name) => [name, null]),
    );
    expect(
      (await post(open, TEXT, { ...nulls, ...golden, user: "me", metadata: { a: "b" }, service_tier: "auto" })).status,
    ).toBe(200);
  });

  it("H05, H06: another type or encoding of a body is 415", async () => {
    const others: Record<string, string>[] = [
      { "content-type": "text/plain" },
      { "content-type": "multipart/form-data" },
      { "content-encoding": "gzip" },
    ];
    for (const headers of others) {
      const { status } = await post(open, TEXT, golden, headers);
      expect(status).toBe(415);
    }
  });

  it("H03: too many bytes are 413, told or counted", async () => {
    const large = JSON.stringify({ ...golden, prompt: "x".repeat(5000) });
    const headers = { authorization: `Bearer ${KEY}` };
    expect((await post(locked, TEXT, large, { ...headers, "content-length": "5050" })).status).toBe(413);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent++;
        controller.enqueue(new Uint8Array(1000).fill(32));
      },
    });
    const request = new Request("http://localhost/v1/completions", {
      ...{ method: "POST", body, duplex: "half" },
      headers: { ...headers, "content-type": "application/json" },
    } as RequestInit);
    expect((await locked(request)).status).toBe(413);
    expect(sent).toBeLessThan(10);
  });
});

describe("who may ask", () => {
  it.each([
    ["no key", {}],
    ["another key", { authorization: "Bearer sk-0123456789abcdeg" }],
    ["the beginning of one", { authorization: "Bearer sk-0123456789abcde" }],
    ["another scheme", { authorization: `Basic ${KEY}` }],
    ["a very long one", { authorization: `Bearer ${"k".repeat(100_000)}` }],
  ])("H16: %s is 401", async (_, headers) => {
    const response = await post(locked, TEXT, golden, headers as Record<string, string>);
    expect([response.status, (await response.json()).error.code]).toEqual([401, "invalid_api_key"]);
  });

  it("H16: a key in the address is none; in either header it is one", async () => {
    expect((await get(locked, `/v1/models?api_key=${KEY}`)).status).toBe(401);
    expect((await get(locked, "/v1/models", { authorization: `Bearer ${KEY}` })).status).toBe(200);
    expect((await get(locked, "/v1/models", { "x-api-key": "another-key-1" })).status).toBe(200);
    expect((await get(locked, "/health")).status).toBe(200);
    expect((await get(locked, "/v1/responses/x")).status).toBe(401);
  });

  it("limits of a key are 429, and go when its requests end", async () => {
    const keys = [
      { key: KEY, concurrent: 1 },
      { key: "other-key-12", perMinute: 2 },
    ];
    const handler = await createServer({ own: model }, { keys, metrics: false });
    const ask = (key: string) => post(handler, TEXT, { ...golden, stream: true }, { authorization: `Bearer ${key}` });
    const first = await ask(KEY);
    const second = await ask(KEY);
    expect([first.status, second.status, second.headers.get("retry-after")]).toEqual([200, 429, "1"]);
    await first.text();
    const third = await ask(KEY);
    expect(third.status).toBe(200);
    await third.text();
    const statuses: number[] = [];
    for (let index = 0; index < 3; index++) {
      const response = await ask("other-key-12");
      statuses.push(response.status);
      await response.text();
    }
    expect(statuses).toEqual([200, 200, 429]);
  });

  it("keys share nothing of what was computed, unless they have one salt", async () => {
    const salted = await createServer(
      { own: model },
      { keys: [KEY, { key: "same-salt-1", salt: "s" }, { key: "same-salt-2", salt: "s" }], metrics: false },
    );
    const cached = async (key: string) => {
      const response = await post(
        salted,
        TEXT,
        { ...golden, prompt: "y".repeat(100) },
        { authorization: `Bearer ${key}` },
      );
      return (await response.json()).usage.prompt_tokens_details.cached_tokens;
    };
    expect(await cached(KEY)).toBe(0);
    expect(await cached("same-salt-1")).toBe(0);
    expect(await cached("same-salt-2")).toBeGreaterThan(60);
  });

  it.each(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "127.0.0.2:80"])(
    "H17: Host %s is 403, before the key is looked at",
    async (host) => {
      const response = await get(locked, "/v1/models", { host });
      expect([response.status, (await response.json()).error.code]).toEqual([403, "host_not_allowed"]);
    },
  );

  it("H17: with a port in the list only that port is right", async () => {
    const handler = await createServer({ own: model }, { hosts: ["127.0.0.1:8080"], metrics: false });
    const statuses = await Promise.all(
      ["127.0.0.1:8080", "127.0.0.1:9", "127.0.0.1"].map(
        async (host) => (await get(handler, "/health", { host })).status,
      ),
    );
    expect(statuses).toEqual([200, 403, 403]);
  });

  it("H18: no page may ask, unless its origin is listed", async () => {
    for (const origin of ["https://evil.example", "null", "http://localhost:3000"]) {
      const response = await get(open, "/v1/models", { origin });
      expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    }
    const handler = await createServer(
      { own: model },
      { origins: ["https://chat.example"], metrics: false, keys: [KEY] },
    );
    const preflight = await handler(
      new Request(`http://localhost${CHAT}`, { method: "OPTIONS", headers: { origin: "https://chat.example" } }),
    );
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([
      204,
      "https://chat.example",
    ]);
    const response = await get(handler, "/v1/models", { origin: "https://chat.example" });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([
      401,
      "https://chat.example",
    ]);
  });

  it("H19: unknown paths are 404, other methods 405, whatever they spell", async () => {
    for (const path of [
      "/",
      "//v1/models",
      "/%2e%2e/%2e%2e/etc/passwd",
      "/v1/../../package.json",
      `/${"x".repeat(8000)}`,
    ])
      expect((await get(open, path)).status).toBe(404);
    const wrong = await get(open, CHAT);
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await get(open, "/v1/models/..%2f..%2fpackage.json")).status).toBe(404);
  });
});
