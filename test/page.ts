/**
 * examples/browser in a real Chromium: finds the browser, drives the page, and serves it with faults.
 */
import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium, NAMES } from "../scripts/chromium-path.mjs";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const MODEL = join(ROOT, "models/storyteller-q8_0.gguf");
/** The browser that CHROMIUM names, else the first on PATH; undefined: there is none. */
export const CHROMIUM = findChromium();
export const WHERE = CHROMIUM
  ? "in Chromium"
  : `skipped: no Chromium (CHROMIUM names none, PATH has no ${NAMES.join(", ")})`;

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM });

/** `serve.mjs` as a user starts it. */
export async function serveProject(...args: string[]): Promise<{ url: string; stop(): void }> {
  const program = join(ROOT, "examples/browser/serve.mjs");
  const server = spawn(process.execPath, [program, "--port", "0", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const url of createInterface({ input: server.stdout })) return { url, stop: () => void server.kill() };
  throw new Error("serve.mjs ended without an address");
}

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** The same files from this process. `fault` may answer a request itself: whatever it returns but undefined. */
export class FaultyServer {
  fault: Answer = () => undefined;
  url = "";
  readonly #server = createServer(async (request, response) => {
    if (this.fault(request, response) === undefined) await this.#files(request, response);
  });
  #files: Answer = () => {};

  async open(): Promise<void> {
    const { fileHandler } = await import(new URL("../examples/browser/static-files.mjs", import.meta.url).href);
    this.#files = fileHandler(ROOT, { isolated: true, home: "/examples/browser/" });
    await new Promise<void>((listening) => this.#server.listen(0, "localhost", listening));
    this.url = `http://localhost:${(this.#server.address() as AddressInfo).port}/examples/browser/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export interface OpenPage {
  readonly page: Page;
  /** What the page reported: errors and warnings of the console, uncaught exceptions. */
  readonly complaints: string[];
}

/** A page of a fresh profile: nothing is cached. */
export async function openPage(browser: Browser, url: string): Promise<OpenPage> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  await page.fill("#temperature", "0");
  return { page, complaints };
}

/** Resolves when the page's state is one of these. */
export async function reach(page: Page, ...states: string[]): Promise<string> {
  const handle = await page.waitForFunction((wanted) => {
    const state = document.body.dataset["state"]!;
    return wanted.includes(state) && state;
  }, states);
  return (await handle.jsonValue()) as string;
}

export const textOf = (page: Page, id: string): Promise<string> =>
  page.locator(`#${id}`).evaluate((element) => element.textContent ?? "");

/**
 * From now on the page presses its Stop when the story grows for the `nth` time: a message between two processes is slower than a
 * story. The result gives the milliseconds from there to the state "stopped".
 */
export async function stopAfter(page: Page, nth: number): Promise<() => Promise<number>> {
  const handle = await page.evaluateHandle((nth) => {
    // In an object: the promise itself would be awaited here.
    const ms = new Promise<number>((resolve) => {
      let seen = 0;
      let pressed = 0;
      const growth = new MutationObserver(() => {
        if (++seen !== nth) return;
        growth.disconnect();
        pressed = performance.now();
        document.getElementById("stop")!.click();
      });
      growth.observe(document.getElementById("written")!, { childList: true });
      new MutationObserver(() => {
        if (document.body.dataset["state"] === "stopped") resolve(performance.now() - pressed);
      }).observe(document.body, { attributes: true, attributeFilter: ["data-state"] });
    });
    return { ms };
  }, nth);
  return () => handle.evaluate(({ ms }) => ms);
}
