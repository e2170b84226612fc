import { createRequire } from "node:module";
import { join } from "node:path";
import { findChromium, NAMES } from "../chromium-path.mjs";

const LIMIT_MS = 60_000;

/** `playwright-core` of `folder` drives the Chromium of this machine: it downloads none. */
export async function openChromium(folder) {
  const { chromium } = createRequire(join(folder, "package.json"))("playwright-core");
  // Root, as in containers, has no sandbox.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const executablePath = findChromium();
  if (!executablePath) throw new Error(`no Chromium on PATH, expected one of ${NAMES.join(", ")}`);
  return await chromium.launch({ executablePath, args });
}

/** Opens a page of app/page.js and gives what it says; a page that says nothing rejects with what it did say. */
export async function outcomeOf(browser, url) {
  const page = await browser.newPage();
  const said = [];
  try {
    return await new Promise((resolve, reject) => {
      const give = () => reject(new Error(`${url} gave no outcome in ${LIMIT_MS} ms; it said: ${said.join("; ")}`));
      const timer = setTimeout(give, LIMIT_MS);
      const settle = (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      };
      page.on("console", (message) => {
        const text = message.text();
        if (text.startsWith("outcome ")) settle(JSON.parse(text.slice(8)));
        else said.push(text);
      });
      page.on("pageerror", (error) => settle({ error: `the page threw ${error}; it said: ${said.join("; ")}` }));
      page.on("requestfailed", (request) => said.push(`${request.url()}: ${request.failure()?.errorText}`));
      page.goto(url).catch((error) => settle({ error: String(error) }));
    });
  } finally {
    await page.close();
  }
}
