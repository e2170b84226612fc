import type { IncomingMessage, ServerResponse } from "node:http";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, FaultyServer, launch, openPage, reach, textOf, WHERE } from "./page.ts";

/** What can go wrong between a page and its server: each a typed error that the page shows, nothing hangs, the next start works. */

const status =
  (code: number, text = "") =>
  (_: IncomingMessage, response: ServerResponse) =>
    response.writeHead(code, { "content-type": "text/html" }).end(text);

/** Says that the range comes, and breaks off after ten bytes. */
function cut(_: IncomingMessage, response: ServerResponse): unknown {
  const write = response.write.bind(response);
  response.write = ((piece: Buffer) => write(piece.subarray(0, 10), () => response.destroy())) as typeof response.write;
  return undefined;
}

describe.skipIf(!CHROMIUM)(`a page whose server fails, ${WHERE}`, () => {
  const server = new FaultyServer();
  let browser: Browser;

  beforeAll(async () => {
    await server.open();
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    server.close();
  });

  it.each([
    ["the model is not there", ".gguf", status(404), /^REMOTE_STATUS: .*404/],
    ["ranges are not served", ".gguf", status(200, "whole"), /^REMOTE_RANGE: /],
    ["the model breaks off", ".gguf", cut, /^REMOTE_SHORT: /],
    ["the connection breaks", ".gguf", ({ socket }: IncomingMessage) => socket.destroy(), /^REMOTE_FAILED: /],
    ["the kernels are not there", ".wasm", status(404), /^KERNELS_MISSING: .*404/],
    ["a start page comes for the kernels", ".wasm", status(200, "<!doctype html>"), /^KERNELS_INVALID: .*magic word/],
    ["the worker's script is not there", "worker-web.js", status(404), /^WORKER_START: .*could not be loaded/],
    ["the engine is not built", "dist/src/index.js", status(404), /^ENGINE_MISSING: /],
  ])("%s", async (_, path, fault, message) => {
    server.fault = (request, response) => (request.url!.endsWith(path) ? fault(request, response) : undefined);
    const { page } = await openPage(browser, server.url);
    await page.click("#start");
    expect(await reach(page, "done", "failed")).toBe("failed");
    expect(await textOf(page, "failure")).toMatch(message);
    expect(await page.locator("#failure").isVisible()).toBe(true);
    // A browser remembers modules that it failed to fetch: they are asked for again by a reload alone.
    if (path.endsWith("index.js")) await page.reload();
    await recovers(page);
  });

  it("a policy that forbids WebAssembly is told by its name", async () => {
    server.fault = (_, response) => {
      const write = response.writeHead.bind(response);
      response.writeHead = ((code: number, headers: Record<string, string>) => {
        const policy = headers["content-security-policy"]?.replace("'wasm-unsafe-eval' ", "");
        return write(code, policy ? { ...headers, "content-security-policy": policy } : headers);
      }) as typeof response.writeHead;
      return undefined;
    };
    const { page } = await openPage(browser, server.url);
    await page.click("#start");
    expect(await reach(page, "done", "failed")).toBe("failed");
    expect(await textOf(page, "failure")).toMatch(/^KERNELS_INVALID: .*Content Security Policy/i);
    await page.close();
  });

  it("a worker's script of another site, which no browser starts", async () => {
    server.fault = () => undefined;
    const { page } = await openPage(browser, server.url);
    await page.evaluate(() => {
      globalThis.Worker = new Proxy(Worker, {
        construct: (target, [, options]) => new target("https://example.invalid/worker.js", options),
      });
    });
    await page.click("#start");
    expect(await reach(page, "done", "failed")).toBe("failed");
    expect(await textOf(page, "failure")).toMatch(/^WORKER_START: .*SecurityError/);
    await page.close();
  });

  it.each([
    ["the model's header", ({ url }: IncomingMessage) => url!.endsWith(".gguf")],
    ["weights", ({ headers }: IncomingMessage) => Number(/(\d+)-/.exec(headers.range ?? "")?.[1]) > 5_000_000],
    ["the kernels", ({ url }: IncomingMessage) => url!.endsWith(".wasm")],
    ["the worker's script", ({ url }: IncomingMessage) => url!.endsWith("worker-web.js")],
  ])("Stop ends a load that waits for %s", async (_, swallows) => {
    const waiting = new Promise<IncomingMessage>((resolve) => {
      server.fault = (request) => {
        if (!swallows(request)) return undefined;
        resolve(request);
        return "no answer";
      };
    });
    const { page, complaints } = await openPage(browser, server.url);
    await page.click("#start");
    const request = await waiting;
    const pressed = performance.now();
    await page.click("#stop");
    expect(await reach(page, "stopped", "done", "failed")).toBe("stopped");
    expect(performance.now() - pressed).toBeLessThan(1000);
    expect(complaints).toEqual([]);
    // Chromium keeps the request of a worker that was ended before its script came, and lets others of that address wait for it.
    if (request.url!.endsWith("worker-web.js")) request.socket.destroy();
    await recovers(page);
  });

  /** The next start works once the server does. */
  async function recovers(page: Page): Promise<void> {
    server.fault = () => undefined;
    await page.click("#start");
    expect(await reach(page, "done", "failed")).toBe("done");
    expect(await page.locator("#failure").isVisible()).toBe(false);
    await page.close();
  }
});
