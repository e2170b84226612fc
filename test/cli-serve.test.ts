/** `wasmaverick serve` as a process: ready, reached, asked to end, killed. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { parseCommand } from "../src/cli/arguments.ts";
import { VERSION } from "../src/server/version.ts";
import { end, run, start } from "./command-line.ts";
import { MODEL, PROJECT } from "./runtimes.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

interface Serving {
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: ReturnType<typeof end>;
}

async function serving(...args: string[]): Promise<Serving> {
  const port = args.includes("--port") ? [] : ["--port", "0"];
  const load = args.includes("--config") ? [] : ["--threads", "0", "--context", "512"];
  const child = start(["serve", ...port, ...load, ...args]);
  children.push(child);
  const ended = end(child);
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on("data", (text) => {
      said += text;
      const found = /^ready (\S+)\n$/.exec(said) ?? /"url":"([^"]+)"/.exec(said);
      if (found) resolve(found[1]);
    });
    void ended.then(({ stderr }) => reject(new Error(stderr)));
  });
  return { url, child, ended };
}

const complete = (url: string, more: object = {}, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ prompt: "Once", max_tokens: 8, seed: 1, ...more }),
  });

it("says how to call it, in a line that works; logs a line of JSON a request; ends with 0 on SIGTERM", async () => {
  const { url, child, ended } = await serving("--name", "story");
  const asked = await complete(url, { model: "story" });
  expect((await asked.json()).choices[0].text).toMatch(/^ upon/);
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  expect([code, stdout]).toEqual([0, `ready ${url}\n`]);
  const [banner, curl, ...log] = stderr
    .split("\n\n")
    .flatMap((part) => (part.startsWith("curl") ? part.split("\n") : [part]));
  expect(banner).toContain(`address  ${url}`);
  expect(curl).toMatch(/^curl http:\S+\/v1\/chat\/completions -H 'Content-Type: application\/json' -d '\{.*\}'$/);
  const body = JSON.parse(/-d '(.*)'$/.exec(curl)![1]);
  expect(body).toMatchObject({ model: "story", messages: [{ role: "user" }] });
  expect(log.filter((line) => line !== "").map((line) => JSON.parse(line))).toMatchObject([
    { route: "/v1/completions", status: 200, model: "story", completionTokens: 8, error: null },
  ]);
});

it("on SIGTERM lets a stream end, and takes nothing new", async () => {
  const { url, child, ended } = await serving("--no-log");
  const response = await complete(url, { stream: true, max_tokens: 200, ignore_eos: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value!;
  child.kill("SIGTERM");
  for (let step = await reader.read(); !step.done; step = await reader.read()) text += step.value;
  expect(text).toMatch(/data: \[DONE\]\n\n$/);
  await expect(complete(url)).rejects.toThrow();
  expect((await ended).code).toBe(0);
});

it("kill -9 in the middle of a stream is an error for its reader, and nothing else: the next one serves", async () => {
  const first = await serving("--no-log");
  const response = await complete(first.url, { stream: true, max_tokens: 400, ignore_eos: true });
  const reader = response.body!.getReader();
  await reader.read();
  first.child.kill("SIGKILL");
  const drained = async () => {
    for (let step = await reader.read(); !step.done; step = await reader.read());
  };
  await expect(drained()).rejects.toThrow();
  const second = await serving("--no-log", "--port", new URL(first.url).port);
  expect((await complete(second.url)).status).toBe(200);
});

it("takes keys from a file with limits, and from the environment, and tells none of them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wasmaverick-keys-"));
  const path = join(folder, "keys.json");
  writeFileSync(path, JSON.stringify(["file-key-0001", { key: "file-key-0002", name: "second", perMinute: 1 }]));
  try {
    const { url, child, ended } = await serving("--api-key-file", path, "--json");
    expect((await complete(url)).status).toBe(401);
    for (const [key, status] of [
      ["file-key-0001", 200],
      ["file-key-0002", 200],
      ["file-key-0002", 429],
    ] as const)
      expect((await complete(url, {}, { authorization: `Bearer ${key}` })).status).toBe(status);
    child.kill("SIGTERM");
    const { stdout, stderr } = await ended;
    expect(stdout + stderr).not.toContain("file-key");
    expect(stderr).toContain('"key":"second"');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("serves the models of a file, loads them when they are asked for, and reads it again on SIGHUP", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wasmaverick-models-"));
  const path = join(folder, "models.json");
  const write = (names: string[], preload = false) => {
    const model = { source: MODEL, load: { context: 256, threads: 0 }, preload };
    writeFileSync(path, JSON.stringify({ models: Object.fromEntries(names.map((name) => [name, model])) }));
  };
  write(["first"]);
  try {
    const { url, child, ended } = await serving("--config", path);
    const names = async () => (await (await fetch(`${url}/v1/models`)).json()).data.map(({ id }: { id: string }) => id);
    expect(await names()).toEqual(["first"]);
    expect((await complete(url, { model: "first" })).status).toBe(200);
    write(["second", "third"], true);
    child.kill("SIGHUP");
    await expect.poll(names).toEqual(["second", "third"]);
    const third = async () => (await (await fetch(`${url}/v1/models/third`)).json()).context_length;
    await expect.poll(third, { timeout: 5000 }).toBe(256);
    writeFileSync(path, "{");
    child.kill("SIGHUP");
    expect((await complete(url, { model: "third" })).status).toBe(200);
    expect((await complete(url, { model: "first" })).status).toBe(404);
    child.kill("SIGTERM");
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/reloaded: second, third\n[\s\S]*not reloaded: --config is no JSON/),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("listens elsewhere only with a key; other mistakes are named", async () => {
  const refused = async (...args: string[]) => {
    const { code, stderr } = await run("serve", ...args);
    return [code, stderr];
  };
  expect(await refused("--host", "0.0.0.0")).toEqual([
    2,
    "wasmaverick: --host 0.0.0.0 is reached by others, and nobody needs a key, expected --api-key or --api-key-file beside it\n",
  ]);
  expect(() => parseCommand(["serve", "--api-key", "short"])).toThrow("at least 8 printable characters");
  expect(() => parseCommand(["serve", "--port", "70000"])).toThrow("expected an integer from 0 to 65535");
  expect(parseCommand(["serve", "--host", "0.0.0.0", "--api-key", "long-enough"])).toMatchObject({ host: "0.0.0.0" });
  expect(parseCommand(["serve", "--latency", "200"])).toMatchObject({ load: { latency: 200 } });
  for (const stray of ["--vision=a", "--no-generation-config", "--narrow", "--lora=a", "--latency=5"])
    expect(() => parseCommand(["serve", "--config", "x", stray]), stray).toThrow("beside --config, which says it for");
  expect((await refused("--api-key-file", "/nowhere"))[1]).toContain("--api-key-file cannot be read, got ENOENT");
});

it("an address that is taken is an error of its own", async () => {
  const { url } = await serving("--no-log");
  const { code, stderr } = await run("serve", "--threads", "0", "--port", new URL(url).port);
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining("SERVER_LISTEN: the address cannot be listened on, got EADDRINUSE"),
  ]);
});

it("the version of the server is the package's", () => {
  expect(VERSION).toBe(JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8")).version);
});
