import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { CHROMIUM, launch, MODEL, openPage, reach, serveProject, stopAfter, textOf, WHERE } from "./page.ts";

/** The example page as a visitor meets it, isolated and not. */

const PROMPT = "One day a small fox";

describe.skipIf(!CHROMIUM)(`the page, ${WHERE}`, () => {
  let browser: Browser;
  let expected: string;

  beforeAll(async () => {
    browser = await launch();
    await using model = await loadModel(MODEL);
    expected = await model.generate(PROMPT, { temperature: 0, maxTokens: 200 }).text();
  });
  afterAll(() => browser?.close());

  it.each([
    {
      kind: "isolated",
      args: [],
      info: /^[1-9]\d* worker threads?: the page is cross-origin isolated; the host has \d+ cores\. .* build /,
    },
    {
      kind: "not isolated",
      args: ["--no-isolation"],
      info: /^No worker threads: the page is not cross-origin isolated \(headers COOP and COEP\)/,
    },
  ])(
    "$kind: loads with progress, writes what Node writes, stops, starts again, says how it runs",
    async ({ kind, args, info }) => {
      const server = await serveProject(...args);
      const { page, complaints } = await openPage(browser, server.url);
      try {
        expect(await page.evaluate(() => crossOriginIsolated)).toBe(kind === "isolated");
        await page.fill("#prompt", PROMPT);
        await page.click("#start");
        expect(await reach(page, "done", "failed")).toBe("done");
        expect(await textOf(page, "written")).toBe(expected);
        expect(await textOf(page, "given")).toBe(PROMPT);
        expect(await textOf(page, "info")).toMatch(info);
        expect(await textOf(page, "speed")).toMatch(/^\d+ tokens, \d+ tokens\/s$/);
        // The bar went all the way before it was hidden.
        expect(await page.locator("#progress").evaluate((bar: HTMLProgressElement) => bar.value)).toBe(1);

        const stopped = await stopAfter(page, 3);
        await page.click("#start");
        expect(await stopped()).toBeLessThan(1000);
        const part = await textOf(page, "written");
        expect(part.length).toBeGreaterThan(0);
        expect(part.length).toBeLessThan(expected.length);
        expect(expected.startsWith(part)).toBe(true);
        expect(await page.locator("#stop").isDisabled()).toBe(true);

        await page.click("#start");
        expect(await reach(page, "done", "failed")).toBe("done");
        expect(await textOf(page, "written")).toBe(expected);
        expect(complaints).toEqual([]);
      } finally {
        await page.close();
        server.stop();
      }
    },
  );

  it("runs as many threads as it is asked for, none too, where it may have more", async () => {
    const server = await serveProject();
    for (const [threads, info] of [
      [1, /^1 worker thread: asked for/],
      [0, /^No worker threads: asked for/],
    ] as const) {
      const { page } = await openPage(browser, `${server.url}?threads=${threads}`);
      await page.fill("#prompt", PROMPT);
      await page.click("#start");
      expect(await reach(page, "done", "failed")).toBe("done");
      expect(await textOf(page, "info")).toMatch(info);
      expect(await textOf(page, "written")).toBe(expected);
      await page.close();
    }
    server.stop();
  });
});
