/** Bytes on a connection that nobody should send: refused before there is a request, and the server goes on. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Listening, listen } from "../dist/src/cli/listen.js";
import type { Model } from "../dist/src/index.js";
import { createServer, type ServerHandler } from "../dist/src/server/create-server.js";
import { openBytes, posted } from "./served.ts";

const TEXT = "/v1/completions";
let model: Model;
let open: ServerHandler;
beforeAll(async () => {
  model = await openBytes();
  open = await createServer({ own: model }, { metrics: false });
});
afterAll(() => model.dispose());

const text = async () => (await posted(open, TEXT, { prompt: "golden", max_tokens: 8, seed: 5 })).choices[0].text;

describe("over a port", () => {
  let listening: Listening;
  beforeAll(async () => {
    listening = await listen(open, { host: "127.0.0.1", port: 0, headersTimeout: 400, requestTimeout: 600 });
  });
  afterAll(() => listening.close());

  /** What comes back for bytes as they are, until the other side closes. */
  const raw = (bytes: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(listening.port, "127.0.0.1");
      let answer = "";
      socket.on("data", (data) => {
        answer += data;
      });
      socket.on("close", () => resolve(answer));
      socket.on("error", () => {});
      socket.write(bytes);
    });
  const HEAD = `POST ${TEXT} HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n`;
  const HOST = "Host: 127.0.0.1\r\n";

  it.each([
    ["CL and TE", `${HEAD}${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ["two lengths", `${HEAD}${HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    ["a negative length", `${HEAD}${HOST}Content-Length: -1\r\n\r\n`, 400],
    ["two hosts", `GET /health HTTP/1.1\r\n${HOST}Host: evil.example\r\nConnection: close\r\n\r\n`, 400],
    ["no host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    ["a bare CR", `GET /health HTTP/1.1\r\n${HOST}X: a\rb\r\n\r\n`, 400],
    ["a head of 20 kB", `GET /health HTTP/1.1\r\n${HOST}X: ${"a".repeat(20_000)}\r\n\r\n`, 431],
    ["a head that never ends", `GET /health HTTP/1.1\r\n${HOST}`, 408],
    ["a body that never ends", `${HEAD}${HOST}Content-Length: 100\r\n\r\n{`, 408],
  ])("H07, H08, H09: %s", async (_, bytes, status) => {
    expect(await raw(bytes)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(await text()).toBe(await text());
  });
});
