import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runToEnd } from "./runtimes.ts";
import { projectFolder, STORY, storyModule, storyScript } from "./setups.ts";

/** Every way to start Node that hands its workers something, or takes something from the engine. */

const folder = projectFolder("node-setups", {
  "story.mjs": storyModule(2),
  "default.mjs": storyModule(undefined),
  "story.cjs": storyScript(2),
  "hook.cjs": 'require("node:worker_threads").isMainThread || process.exit(3);',
  "in-worker.mjs": 'import { Worker } from "node:worker_threads"; new Worker(new URL("story.mjs", import.meta.url));',
});
const node = (...args: string[]) => runToEnd(process.execPath, args, folder);
const told = (threads: number) => `node ${threads}${STORY}\n`;

const MAJOR = Number.parseInt(process.versions.node, 10);
const PERMISSION = MAJOR >= 24 ? "--permission" : "--experimental-permission";

it.each<[string, string[]]>([
  ["node -e, an import()", ["-e", storyScript(2)]],
  ["node --input-type=module -e", ["--input-type=module", "-e", storyModule(2)]],
  ["node --test", ["--test", "--test-reporter=tap", "story.mjs"]],
  ["a CommonJS file", ["story.cjs"]],
  ["a worker of the program's own", ["in-worker.mjs"]],
  ["--frozen-intrinsics", ["--no-warnings", "--frozen-intrinsics", "story.mjs"]],
  ["--disable-proto=throw", ["--disable-proto=throw", "story.mjs"]],
  ["--disallow-code-generation-from-strings", ["--disallow-code-generation-from-strings", "story.mjs"]],
  ["--require of what ends every worker", ["--require", "./hook.cjs", "story.mjs"]],
  ["--permission with --allow-worker", [PERMISSION, "--allow-fs-read=*", "--allow-worker", "story.mjs"]],
])("%s: the story with two workers", async (_, args) => {
  const { code, out, err } = await node(...args);
  expect(code, err).toBe(0);
  expect(out).toContain(told(2));
});

it("a program on stdin: the story with two workers", async () => {
  const child = spawn(process.execPath, ["--input-type=module"], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(storyModule(2));
  let out = "";
  for await (const piece of child.stdout) out += piece;
  expect(out).toBe(told(2));
});

it("NODE_OPTIONS that end every worker: the story with two workers", async () => {
  const { code, out, err } = await runToEnd(process.execPath, ["story.mjs"], folder, {
    NODE_OPTIONS: "--require ./hook.cjs",
  });
  expect(code, err).toBe(0);
  expect(out).toBe(told(2));
});

it("--cpu-prof: a profile of the program and one of each worker", async () => {
  const { code, err } = await node("--cpu-prof", "--cpu-prof-dir=profiles", "story.mjs");
  expect(code, err).toBe(0);
  expect(readdirSync(join(folder, "profiles")).length).toBe(3);
});

it("--permission without --allow-worker: the caller's thread, and workers that are asked for are THREADS_UNSUPPORTED", async () => {
  const { code, out, err } = await node(PERMISSION, "--allow-fs-read=*", "default.mjs");
  expect(code, err).toBe(0);
  expect(out).toBe(told(0));
  const asked = await node(PERMISSION, "--allow-fs-read=*", "story.mjs");
  expect(asked.code).toBe(1);
  expect(asked.err).toMatch(/THREADS_UNSUPPORTED: .*--allow-worker/);
});

it("--jitless: WASM_MISSING", async () => {
  const { code, err } = await node("--jitless", "story.mjs");
  expect(code).toBe(1);
  expect(err).toMatch(/EngineError: WASM_MISSING: .*--jitless/);
});
