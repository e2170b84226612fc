import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { serveFiles } from "../scripts/serve-files.mjs";
import { openBucket } from "./bucket.ts";
import { CHROMIUM, launch, WHERE } from "./page.ts";
import { PROJECT, RUNTIMES, runToEnd, titleOf } from "./runtimes.ts";
import { serve, binary as workerd } from "./workerd.ts";

/** The starts that README and docs/hosts.md show, run as they stand there. */

const README = readFileSync(join(PROJECT, "README.md"), "utf8");
const HOSTS = readFileSync(join(PROJECT, "docs/hosts.md"), "utf8");
const MODEL = "models/storyteller-q8_0.gguf";
/** A story of the bundled model: words, not an error. */
const STORY = /^[\s\S]{40,}$/;

/** The first block of code behind a bold word of docs/hosts.md. */
function block(after: string): string {
  const [, code] = new RegExp(`^\\*\\*${after}\\*\\*[\\s\\S]*?\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``, "m").exec(HOSTS) ?? [];
  if (code === undefined) throw new Error(`docs/hosts.md shows nothing behind **${after}**`);
  return code;
}

/** A folder as a user has it: the package under node_modules, the model under models/. */
const folder = mkdtempSync(join(tmpdir(), "readme-"));
mkdirSync(join(folder, "node_modules"));
symlinkSync(PROJECT, join(folder, "node_modules/wasmaverick"));
symlinkSync(join(PROJECT, "models"), join(folder, "models"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const runtime of RUNTIMES) {
  it.skipIf(!runtime.command)(`${titleOf(runtime)}: the start runs and ends`, async () => {
    const file = runtime.name === "Deno" ? "story.ts" : "story.mjs";
    writeFileSync(join(folder, file), block(runtime.name === "Bun" ? "Node" : runtime.name));
    const args = [...runtime.args(`${folder},${PROJECT}`), file];
    const { code, out, err } = await runToEnd(runtime.command!, args, folder);
    expect(code, err).toBe(0);
    expect(out).toMatch(STORY);
  });
}

it("the example of use runs and ends", async () => {
  const [, code] = /## Use it\s+```js\n([\s\S]*?)```/.exec(README)!;
  writeFileSync(join(folder, "use.mjs"), code);
  const { code: exit, out, err } = await runToEnd(process.execPath, ["use.mjs"], folder);
  expect(exit, err).toBe(0);
  expect(out.split("\n").filter((line) => STORY.test(line)).length).toBeGreaterThanOrEqual(2);
});

/** What the page of docs/hosts.md writes, once `done` holds of it. `whole`: answered without ranges. */
async function pageText(served: Map<string, string>, whole: [string, Uint8Array][], done: RegExp): Promise<string> {
  for (const path of readdirSync(join(PROJECT, "dist"), { recursive: true, encoding: "utf8" }))
    if (/\.(js|wasm)$/.test(path)) served.set(`node_modules/wasmaverick/dist/${path}`, join(PROJECT, "dist", path));
  const page = `<!doctype html><meta charset="utf-8"><title>story</title><body>${block("A page")}`;
  const contents = new Map<string, string | Uint8Array>([["index.html", page], ...whole]);
  const server = await serveFiles((path) => ({ content: contents.get(path), file: served.get(path) }));
  const browser = await launch();
  try {
    const opened = await browser.newPage();
    await opened.goto(`${server.origin}/index.html`);
    // The text alone: that of the scripts is no child of the body.
    const written = (pattern: string) => {
      const texts = Array.from(document.body.childNodes, (node) => (node instanceof Text ? node.data : ""));
      const text = texts.join("").trim();
      return new RegExp(pattern).test(text) ? text : "";
    };
    const found = await opened.waitForFunction(written, done.source, { timeout: 30_000 });
    return await found.jsonValue();
  } finally {
    await browser.close();
    server.close();
  }
}

it.skipIf(!CHROMIUM)(`the page writes a story, ${WHERE}`, async () => {
  const served = new Map([[MODEL, join(PROJECT, MODEL)]]);
  expect(await pageText(served, [], /[\s\S]{100}/)).toMatch(STORY);
});

it.skipIf(!CHROMIUM)(`the page of a server without ranges says so, ${WHERE}`, async () => {
  expect(await pageText(new Map(), [[MODEL, readFileSync(join(PROJECT, MODEL))]], /./)).toMatch(/^REMOTE_RANGE: /);
});

const missing = "missing" in workerd ? workerd.missing : "";
it.skipIf(missing)(`workerd answers with a story${missing && ` (${missing})`}`, async () => {
  // Beside the built package: workerd's modules are those of the project.
  const place = join(PROJECT, "dist/readme");
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  for (const file of readdirSync(join(PROJECT, "examples/edge")))
    if (file.endsWith(".js") && file !== "worker.js") cpSync(join(PROJECT, "examples/edge", file), join(place, file));
  writeFileSync(join(place, "start.js"), block("workerd"));
  const bucket = await openBucket("storyteller-q8_0.gguf", readFileSync(join(PROJECT, MODEL)));
  const server = await serve({
    entry: "dist/readme/start.js",
    compatibilityDate: "2026-01-01",
    flags: [],
    vars: {},
    buckets: { MODELS: bucket.address },
  });
  try {
    const response = await fetch(server.url);
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(STORY);
  } finally {
    await server.stop();
    bucket.close();
    rmSync(place, { recursive: true, force: true });
  }
});
