/** `wasmaverick batch`: every line once, whatever ends the process; the same bits as single requests. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { createServer } from "../dist/src/server/create-server.js";
import { linesOf } from "../src/cli/batch-lines.ts";
import { end, run, start } from "./command-line.ts";
import { MODEL } from "./runtimes.ts";
import { posted } from "./served.ts";
import type { Json } from "./storyteller.ts";

const folder = mkdtempSync(join(tmpdir(), "wasmaverick-batch-"));
const at = (name: string) => join(folder, name);
const LOAD = ["--threads", "0", "--context", "256"];
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const name of ["out.jsonl", "errors.jsonl"]) rmSync(at(name), { force: true });
});

const line = (id: string, url: string, body: object) => ({ custom_id: id, method: "POST", url, body });
const chat = (id: string, seed: number, content = "Tell me a story") =>
  line(id, "/v1/chat/completions", { messages: [{ role: "user", content }], max_tokens: 8, seed });
const write = (lines: readonly unknown[]) =>
  writeFileSync(at("in.jsonl"), lines.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n"));
const read = (name: string): Json[] =>
  readFileSync(at(name), "utf8")
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => JSON.parse(text));
const batch = (...args: string[]) => run("batch", at("in.jsonl"), at("out.jsonl"), ...LOAD, ...args);

describe("a batch", () => {
  it("answers each line as a single request is answered, to the bit; what is wrong goes into the errors", async () => {
    const good = [
      ...Array.from({ length: 20 }, (_, index) => chat(`chat ${index}`, index)),
      line("text", "/v1/completions", { prompt: "The\u2028fox\u2029\u0085", max_tokens: 5, seed: 3 }),
      line("vector", "/v1/embeddings", { input: "owl" }),
    ];
    write([
      ...good,
      "{",
      { method: "POST", url: "/v1/completions", body: {} },
      chat("chat 0", 5),
      line("other", "/v1/files", {}),
      line("cold", "/v1/completions", { prompt: "x", temperature: -1 }),
    ]);
    // Latin-1: read as UTF-8 it would ask for something else.
    appendFileSync(at("in.jsonl"), Buffer.from(`\n${JSON.stringify(chat("latin", 1, "café"))}\n`, "latin1"));
    const { code, stderr } = await batch("--ordered");
    expect([code, stderr]).toEqual([1, "28 of 28 lines done, 6 failed\n"]);
    const results = read("out.jsonl");
    expect(results.map(({ custom_id: id }) => id)).toEqual(good.map(({ custom_id: id }) => id));
    await using model = await loadModel(MODEL, { threads: 0, context: 256 });
    const handler = await createServer(model, { metrics: false });
    for (const [index, { url, body }] of good.entries()) {
      const { choices, data } = await posted(handler, url, body);
      expect(results[index].response.body.choices ?? results[index].response.body.data).toEqual(choices ?? data);
    }
    const errors = read("errors.jsonl");
    expect(errors.map(({ line, custom_id: id, error }) => [line, id, error.code])).toEqual([
      [23, null, "invalid_line"],
      [24, null, "invalid_line"],
      [25, "chat 0", "invalid_line"],
      [26, "other", "invalid_line"],
      [27, "cold", "invalid_value"],
      [28, null, "invalid_line"],
    ]);
  });

  it("goes on after kill -9, again and again: nothing is lost, nothing stands there twice", async () => {
    const count = 120;
    write(Array.from({ length: count }, (_, index) => chat(`${index}`, index, `Tell me of ${index}`)));
    let kills = 0;
    for (let lines = 0; kills < 3; kills++) {
      const child = start(["batch", at("in.jsonl"), at("out.jsonl"), ...LOAD]);
      const ended = end(child);
      const soon = () => readFileSync(at("out.jsonl"), { encoding: "utf8", flag: "a+" }).split("\n").length;
      await expect.poll(soon, { interval: 2, timeout: 30_000 }).toBeGreaterThan(Math.min(lines, count - 20));
      child.kill("SIGKILL");
      await ended;
      lines = soon() + 5;
      // What a crash of the machine may leave: half a line.
      writeFileSync(at("out.jsonl"), '{"id":"req_', { flag: "a" });
    }
    expect((await batch()).code).toBe(0);
    const ids = read("out.jsonl").map(({ custom_id: id }) => Number(id));
    expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
    // All is there: nothing is asked again.
    expect(await batch()).toMatchObject({ code: 0, stderr: "120 of 120 lines done, 0 failed\n" });
    expect(read("out.jsonl").length).toBe(count);
  });

  it("a line that was refused for its custom_id keeps the other of that id from nothing: killed between both, it is asked", async () => {
    write([chat("a", 1), chat("a", 2)]);
    const twice = { id: null, custom_id: "a", line: 2, response: null, error: { code: "invalid_line" } };
    writeFileSync(at("errors.jsonl"), `${JSON.stringify(twice)}\n`);
    expect(await batch()).toMatchObject({ code: 0, stderr: "2 of 2 lines done, 0 failed\n" });
    expect(read("out.jsonl").map(({ custom_id: id }) => id)).toEqual(["a"]);
    expect(read("errors.jsonl").length).toBe(1);
  });

  it("leaves files alone that are no results of a batch", async () => {
    write([chat("a", 1)]);
    writeFileSync(at("out.jsonl"), '{"poem":1}\n');
    const { code, stderr } = await batch();
    expect([code, stderr]).toEqual([1, expect.stringContaining("FILE_EXISTS")]);
    expect(readFileSync(at("out.jsonl"), "utf8")).toBe('{"poem":1}\n');
  });

  it.each([
    [["in.jsonl"], "1 paths, expected two"],
    [["a", "a"], "one path for two things"],
    [["/nowhere", "/tmp/x/out"], "the lines cannot be read, got ENOENT"],
  ])("%j: %s", async (paths, message) => {
    expect(await run("batch", ...paths)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });
});

it("100,000 lines are read in windows, what begins alike together, in bounded memory", async () => {
  const texts = Array.from({ length: 100_000 }, (_, index) =>
    JSON.stringify(line(`${index}`, "/v1/completions", { prompt: `${index % 7} ${"x".repeat(200)}` })),
  );
  writeFileSync(at("in.jsonl"), texts.join("\n"));
  let seen = 0;
  let largest = 0;
  let changes = 0;
  let before = "";
  const indices = new Set<number>();
  for await (const { index, body } of linesOf(
    at("in.jsonl"),
    () => false,
    (window) => {
      largest = Math.max(largest, window.length);
    },
  )) {
    seen++;
    indices.add(index);
    const { prompt } = body as { prompt: string };
    if (prompt !== before) changes++;
    before = prompt;
  }
  expect([seen, indices.size, largest]).toEqual([100_000, 100_000, 1024]);
  expect(changes).toBeLessThan(7 * 100);
});
