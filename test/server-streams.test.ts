/** Streams and their ends: readers that leave or take nothing, errors in the middle, full queues, closing; what is counted and told. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, loadModel, type Model } from "../dist/src/index.js";
import { createServer, type RequestReport } from "../dist/src/server/create-server.js";
import { eventsOf, get, onPort, openStory, post, posted, STORY } from "./served.ts";
import { byteModel } from "./small-models.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const messages = [{ role: "user", content: "Tell me a story" }];
const long = { prompt: "Once", max_tokens: 400, ignore_eos: true, stream: true };
let model: Model;
beforeAll(async () => {
  model = await openStory();
});
afterAll(() => model.dispose());

const idle = () => expect.poll(() => model.activity.load, { interval: 5 }).toEqual({ running: 0, waiting: 0 });

describe("a stream", () => {
  it("of chat begins with the role, ends with the reason, then usage, then [DONE]; each event is one line", async () => {
    const handler = await createServer(model, { metrics: false });
    const asked = { messages, max_tokens: 5, seed: 1, stream: true, stream_options: { include_usage: true } };
    const events = (await eventsOf(await post(handler, CHAT, asked))).map(({ data }) => data);
    expect(events[0].choices[0].delta).toEqual({ role: "assistant", content: "", refusal: null });
    expect(events.at(-3).choices[0]).toMatchObject({ delta: {}, finish_reason: "length" });
    expect(events.at(-2)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } });
    expect(events.at(-1)).toBe("[DONE]");
    expect(new Set(events.slice(0, -1).map(({ id }) => id)).size).toBe(1);
  });

  it("carries whatever a model writes, also what looks like an event", async () => {
    const handler = await createServer(model, { metrics: false });
    const evil = '\n\ndata: {"evil":1}\r\n\u2028event: x';
    const asked = { messages, stream: true, response_format: { type: "choice", choices: [evil] } };
    const events = await eventsOf(await post(handler, CHAT, asked));
    expect(events.map(({ data }) => data.choices?.[0].delta.content ?? "").join("")).toBe(evil);
  });

  it("gives several answers at once, each as by itself", async () => {
    const handler = await createServer(model, { metrics: false });
    const asked = { messages, max_tokens: 20, seed: 4, n: 4 };
    const whole = await posted(handler, CHAT, asked);
    const streamed = Array(4).fill("");
    for (const { data } of await eventsOf(await post(handler, CHAT, { ...asked, stream: true })))
      if (data !== "[DONE]") streamed[data.choices[0].index] += data.choices[0].delta.content ?? "";
    expect(streamed).toEqual(whole.choices.map((choice: { message: { content: string } }) => choice.message.content));
  });

  it("shows signs of life while a prompt is read", async () => {
    const handler = await createServer(model, { metrics: false, heartbeat: 10 });
    // Whoever holds the steps lets nobody in.
    const work = model.activity.onStep(() => {});
    const prompt = "Once upon a time there was a fox. ".repeat(45);
    const response = await post(handler, TEXT, { prompt, max_tokens: 1, stream: true });
    expect(await response.text()).toMatch(/^(: alive\n\n)+data: /);
    work();
  });

  it("ends its work when the reader leaves", async () => {
    const reports: RequestReport[] = [];
    const handler = await createServer(model, { metrics: false, onRequest: (report) => reports.push(report) });
    const reader = (await post(handler, TEXT, long)).body!.getReader();
    await reader.read();
    await reader.cancel();
    await idle();
    expect(reports).toMatchObject([{ aborted: true, status: 499, error: "client_closed" }]);
    expect(handler.active).toBe(0);
  });

  it.each([0, 1, 3])(
    "ends when its client left behind %i events, also where its host cancels nothing",
    async (read) => {
      const handler = await createServer(model, { metrics: false });
      const client = new AbortController();
      const request = new Request(`http://localhost${TEXT}`, {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
        ...{ body: JSON.stringify(long), signal: client.signal },
      });
      const reader = (await handler(request)).body!.getReader();
      for (let event = 0; event < read; event++) await reader.read();
      client.abort();
      await expect.poll(() => handler.active, { interval: 5 }).toBe(0);
      await idle();
      await handler.close();
    },
  );

  it("ends its work when the reader takes nothing", async () => {
    const reports: RequestReport[] = [];
    const handler = await createServer(model, {
      metrics: false,
      stall: 50,
      onRequest: (report) => reports.push(report),
    });
    const reader = (await post(handler, TEXT, long)).body!.getReader();
    await reader.read();
    await expect.poll(() => reports, { interval: 5 }).toMatchObject([{ aborted: true, status: 499 }]);
    await idle();
    await expect(reader.read().then(() => reader.read())).rejects.toThrow();
  });

  it("whose reader takes nothing is not waited for when the server closes, though it might stall for 30 s", async () => {
    const reports: RequestReport[] = [];
    const handler = await createServer(model, { metrics: false, onRequest: (report) => reports.push(report) });
    const reader = (await post(handler, TEXT, long)).body!.getReader();
    await reader.read();
    const begun = performance.now();
    await handler.close(20);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(reports).toMatchObject([{ route: TEXT, aborted: false, error: "server_closing" }]);
    await idle();
  });

  it("that is refused before anything is computed has its status, not an event", async () => {
    await using small = await createModel(byteModel(32), { threads: 0, maxWaiting: 1, sequences: 1, seed: 1 });
    const handler = await createServer(small, { metrics: false });
    const streams = await Promise.all(Array.from({ length: 4 }, () => post(handler, TEXT, { ...long, prompt: "x" })));
    const refused = streams.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0].headers.get("retry-after")).toBe("1");
    expect((await refused[0].json()).error.code).toBe("QUEUE_FULL");
    for (const { status, body } of streams) if (status === 200) await body!.cancel();
  });

  it("that fails in the middle ends with an error event and no [DONE]", async () => {
    const handler = await createServer(model, { metrics: false, deadline: 60 });
    const events = await eventsOf(await post(handler, TEXT, long));
    expect(events.at(-1)!.data).toMatchObject({ error: { code: "DEADLINE", type: "server_error" } });
    expect(events.length).toBeGreaterThan(1);
    const anthropic = { model: STORY, max_tokens: 400, messages, stream: true };
    const last = (await eventsOf(await post(handler, "/v1/messages", anthropic))).at(-1)!;
    if (last.event === "error") expect(last.data).toMatchObject({ type: "error", error: { code: "DEADLINE" } });
  });
});

it("an abort during a prompt of 10,000 tokens frees the work within 100 ms", async () => {
  await using large = await loadModel(new URL("../models/storyteller-q8_0.gguf", import.meta.url), {
    ...{ threads: 1, context: 8192, sequences: 1 },
  });
  const handler = await createServer(large, { metrics: false });
  const controller = new AbortController();
  const prompt = Array.from({ length: 8000 }, (_, index) => 300 + (index % 1000));
  const listening = await onPort(handler);
  const asked = fetch(`${listening.url}${TEXT}`, {
    ...{ method: "POST", signal: controller.signal, headers: { "content-type": "application/json" } },
    body: JSON.stringify({ prompt, max_tokens: 4 }),
  });
  asked.catch(() => {});
  await expect.poll(() => large.activity.load.running, { interval: 1 }).toBe(1);
  controller.abort();
  const left = performance.now();
  await expect.poll(() => large.activity.load.running, { interval: 1, timeout: 5000 }).toBe(0);
  expect(performance.now() - left).toBeLessThan(100);
  expect(handler.active).toBe(0);
  await listening.close();
});

describe("closing", () => {
  it("is heard of by all who asked for it", async () => {
    const handler = await createServer(model, { metrics: false });
    const response = await post(handler, TEXT, long);
    const closed = [handler.close(10_000), handler.close(20)];
    await response.text();
    await Promise.all(closed);
    expect(handler.active).toBe(0);
  });

  it("takes nothing new, lets what runs end, and ends it after the grace", async () => {
    const handler = await createServer(model, { metrics: false });
    const short = post(handler, TEXT, { prompt: "Once", max_tokens: 20, seed: 1 });
    const endless = await post(handler, TEXT, { ...long, max_tokens: 500 });
    const closed = handler.close(150);
    expect((await get(handler, "/health")).status).toBe(503);
    expect((await short).status).toBe(200);
    const events = await eventsOf(endless);
    const last = events.at(-1)!.data;
    if (last !== "[DONE]") expect(last).toMatchObject({ error: { code: "server_closing" } });
    await closed;
    expect(handler.active).toBe(0);
  });
});

describe("what is told", () => {
  it("a report of each request has figures and names, and no text or key", async () => {
    const reports: RequestReport[] = [];
    const handler = await createServer(model, {
      ...{
        keys: [{ key: "a-secret-key", name: "tester" }],
        onRequest: (report: RequestReport) => reports.push(report),
      },
    });
    const headers = { authorization: "Bearer a-secret-key" };
    await post(handler, CHAT, { messages: [{ role: "user", content: "SECRET" }], max_tokens: 3, seed: 1 }, headers);
    await post(handler, CHAT, { messages, temperature: "SECRET" }, headers);
    expect(reports[0]).toMatchObject({
      ...{ route: CHAT, status: 200, key: "tester", model: STORY, completionTokens: 3, finish: "length", error: null },
    });
    expect(reports[1]).toMatchObject({ status: 400, error: "invalid_value" });
    expect(JSON.stringify(reports)).not.toMatch(/SECRET|secret/);
    const metrics = await (await get(handler, "/metrics", headers)).text();
    expect(metrics).not.toMatch(/SECRET|secret/);
    for (const line of [
      `wasmaverick_requests_total{route="${CHAT}",status="200"} 1`,
      `wasmaverick_tokens_total{model="${STORY}",kind="completion"} 3`,
      `wasmaverick_sequences_running{model="${STORY}"} 0`,
      `wasmaverick_first_token_seconds_count{model="${STORY}"} 1`,
    ])
      expect(metrics).toContain(line);
    expect(metrics).toMatch(/wasmaverick_step_seconds_count\{model="storyteller-q8_0"\} [1-9]/);
  });

  it("the same fingerprint and seed give the same answer; the fingerprint is of weights, build and version", async () => {
    const handler = await createServer(model, { metrics: false });
    const asked = { messages, max_tokens: 16, seed: 12 };
    const [first, second] = [await posted(handler, CHAT, asked), await posted(handler, CHAT, asked)];
    expect(first.choices).toEqual(second.choices);
    expect(first.system_fingerprint).toMatch(/^fp_[0-9a-f]{32}-(simd|relaxed)-\d+\.\d+\.\d+$/);
  });

  it("openapi.json describes every route, with the schemas that check", async () => {
    const { openapi, paths } = await (
      await get(await createServer(model, { metrics: false }), "/v1/openapi.json")
    ).json();
    expect(openapi).toBe("3.1.0");
    expect(Object.keys(paths)).toEqual([
      ...[CHAT, TEXT, "/v1/responses", "/v1/responses/{id}", "/v1/responses/{id}/input_items", "/v1/embeddings"],
      ...["/v1/messages", "/v1/messages/count_tokens", "/tokenize", "/detokenize", "/apply-template"],
      ...["/v1/models", "/v1/models/{id}", "/health", "/metrics", "/v1/openapi.json"],
    ]);
    const { schema } = paths[CHAT].post.requestBody.content["application/json"];
    expect([schema.required, schema.additionalProperties]).toEqual([["messages"], false]);
  });
});

it("lm-eval's way: ids as prompts, echo and one alternative: the sum of a continuation is its score", async () => {
  const handler = await createServer(model, { metrics: false });
  const context = model.tokenizer.encode("Once upon a time", { addBos: true });
  const more = model.tokenizer.encode(" there was a little girl");
  const asked = { prompt: [[...context, ...more]], max_tokens: 1, temperature: 0, logprobs: 1, echo: true };
  const { choices } = await posted(handler, TEXT, asked);
  const { tokens, token_logprobs: logprobs, top_logprobs: top } = choices[0].logprobs;
  expect(tokens.length).toBe(context.length + more.length + 1);
  const sum = logprobs.slice(context.length, -1).reduce((all: number, one: number) => all + one, 0);
  const { nll } = await model.score(more, { prompt: context });
  expect(sum).toBe(-nll.reduce((all, one) => all + one, 0));
  for (const [index, logprob] of logprobs.entries())
    if (index > 0) expect(Math.max(...(Object.values(top[index]) as number[]))).toBeGreaterThanOrEqual(logprob);
});

it("nothing of a request is kept: the heap is as large after a thousand as after a few hundred", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  await using small = await createModel(byteModel(32), { threads: 0, seed: 1 });
  const handler = await createServer(small);
  const heapAfter = async (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      const asked = Array.from({ length: 100 }, (_, index) =>
        post(handler, TEXT, { prompt: `x${index}`, stream: true }),
      );
      await Promise.all(asked.map(async (response) => await (await response).text()));
    }
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = await heapAfter(3);
  // An answer that is kept, with its pieces, is 20 kB; collections differ by one megabyte.
  expect((await heapAfter(10)) - before).toBeLessThan(3_000_000);
});
