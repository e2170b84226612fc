/** examples/balancer in nginx itself: what begins alike goes to one of two servers, whose cache then has it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Listening, listen } from "../dist/src/cli/listen.js";
import type { Model } from "../dist/src/index.js";
import { createServer, type RequestReport } from "../dist/src/server/create-server.js";
import { freePort } from "../scripts/free-port.mjs";
import { PROJECT } from "./runtimes.ts";
import { openStory } from "./served.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const NO_NGINX = spawnSync("nginx", ["-v"]).status === 0 ? "" : "no nginx on PATH, apt-get install nginx";

describe.skipIf(NO_NGINX)(`two servers behind nginx${NO_NGINX && ` (skipped: ${NO_NGINX})`}`, () => {
  const models: Model[] = [];
  const listening: Listening[] = [];
  /** Of each server, since the test began. */
  const reports: RequestReport[][] = [];
  let nginx: ChildProcess;
  let url: string;

  beforeAll(async () => {
    for (const _ of [0, 1]) {
      const heard: RequestReport[] = [];
      reports.push(heard);
      models.push(await openStory());
      const handler = await createServer(models.at(-1)!, { hosts: ["balancer"], onRequest: (one) => heard.push(one) });
      listening.push(await listen(handler, { host: "127.0.0.1", port: 0 }));
    }
    const folder = temporaryFolder("wasmaverick-balancer");
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    cpSync(join(PROJECT, "examples/balancer/nginx.conf"), join(folder, "nginx.conf"));
    writeFileSync(join(folder, "listen.conf"), `listen 127.0.0.1:${port};`);
    const servers = listening.map((one) => `server 127.0.0.1:${one.port} max_fails=2 fail_timeout=5s;`);
    writeFileSync(join(folder, "servers.conf"), servers.join("\n"));
    nginx = spawn("nginx", ["-p", folder, "-c", "nginx.conf"], { stdio: "ignore" });
    const up = () => fetch(`${url}/health`).then(({ status }) => status);
    await vi.waitFor(async () => expect(await up()).toBe(200), { interval: 10, timeout: 10_000 });
  });
  beforeEach(() => {
    for (const heard of reports) heard.length = 0;
  });
  afterAll(async () => {
    nginx?.kill("SIGTERM");
    if (nginx) await once(nginx, "close");
    for (const one of listening) await one.close();
    for (const model of models) await model.dispose();
  });

  const ask = (body: object, headers: Record<string, string> = {}, path = "/v1/completions") =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ max_tokens: 1, ...body }),
    });
  /** Which server answers. */
  const server = async (...asked: Parameters<typeof ask>): Promise<number> => {
    const before = reports.map(({ length }) => length);
    await (await ask(...asked)).text();
    const [index, ...others] = reports.flatMap(({ length }, index) => (length > before[index] ? [index] : []));
    expect(others).toEqual([]);
    return index;
  };
  /** Where ports, which are others each time, put the first `least` all on one server, more are asked. */
  const unsure = (index: number, least: number, at: ReadonlySet<number>) =>
    index < least || (at.size < 2 && index < 64);
  const prefix = (index: number) => `${index} ${"once upon a time ".repeat(80)}`;

  it("prompts that begin alike are one server's, which has them in its cache; others are spread over both", async () => {
    const at: number[] = [];
    for (let index = 0; unsure(index, 12, new Set(at)); index++) {
      at.push(await server({ prompt: `${prefix(index)}the fox`, seed: index }));
      // Whatever the client writes in front of it, and however the prompt ends.
      expect(await server({ model: "storyteller-q8_0", prompt: `${prefix(index)}the owl` })).toBe(at[index]);
      expect(reports[at[index]].at(-1)!.cachedTokens).toBeGreaterThan(200);
    }
    expect(new Set(at)).toEqual(new Set([0, 1]));
  });

  it("so are chats, Anthropic's messages and bodies of a megabyte", async () => {
    const at = new Set<number>();
    for (let index = 0; unsure(index, 8, at); index++) {
      const content = prefix(index);
      const messages = [{ role: "user", content }];
      const more = [...messages, { role: "assistant", content: "Yes." }, { role: "user", content: "Why?" }];
      const chat = await server({ messages }, {}, "/v1/chat/completions");
      expect(await server({ messages: more }, {}, "/v1/chat/completions")).toBe(chat);
      expect(await server({ messages: more }, {}, "/v1/messages")).toBe(chat);
      expect(await server({ prompt: content + "x ".repeat(2 ** 19) })).toBe(await server({ prompt: content }));
      at.add(chat);
    }
    expect(at).toEqual(new Set([0, 1]));
  });

  it("a client that says what belongs together has its way", async () => {
    const at = new Set<number>();
    for (let index = 0; unsure(index, 8, at); index++) {
      const headers = { "x-prefix": `conversation ${index}` };
      const first = await server({ prompt: "The fox" }, headers);
      expect(await server({ prompt: "Something else" }, headers)).toBe(first);
      at.add(first);
    }
    expect(at).toEqual(new Set([0, 1]));
  });

  it("a stream comes as it is written, and a client that leaves ends its work", async () => {
    const response = await ask({ prompt: "Once", stream: true, max_tokens: 400, ignore_eos: true });
    const reader = response.body!.getReader();
    await reader.read();
    expect(reports.flat()).toEqual([]);
    await reader.cancel();
    await expect.poll(() => reports.flat().map(({ aborted }) => aborted), { timeout: 5000 }).toEqual([true]);
  });

  it("what a server that is gone would answer, the other one answers", async () => {
    await listening.shift()!.close();
    for (let index = 0; index < 8; index++) expect((await ask({ prompt: prefix(index) })).status).toBe(200);
    expect(reports.map(({ length }) => length)).toEqual([0, 8]);
  });
});
