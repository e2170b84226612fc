#!/usr/bin/env node
// The same bits everywhere: npm run conformance [-- --only node,deno]. Packs the built project, installs it with the runtimes into an
// empty folder, runs one case (conformance/case.mjs) in each runtime, build and number of threads, and compares the digests.
// Exit code 1 where any differs or does not run.

import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { run } from "./command.mjs";
import { RUNTIMES } from "./conformance/runtimes.mjs";

const PROJECT = fileURLToPath(new URL("..", import.meta.url));
const MODEL = join(PROJECT, "models/storyteller-q8_0.gguf");
const CASES = ["case.mjs", "in-process.mjs", "page.mjs", "worker.mjs"];

const chosen = readOptions();
const folder = mkdtempSync(join(tmpdir(), "conformance-"));
const digests = new Set();
let failed = 0;
try {
  await install();
  for (const runtime of chosen) await runAll(runtime);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(verdict());
process.exitCode = failed > 0 || digests.size !== 1 ? 1 : 0;

/** The tarball that would be published, and the runtimes, without any install script. */
async function install() {
  // In a clone that was never installed: what is needed to build.
  if (!existsSync(join(PROJECT, "dist/src/index.js")))
    await run("npm", ["install"], { cwd: PROJECT, limitMs: 600_000 });
  const out = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], {
    cwd: PROJECT,
  });
  const [{ filename }] = JSON.parse(out);
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  const packages = [`./${filename}`, ...chosen.flatMap((runtime) => runtime.packages)];
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...packages], {
    cwd: folder,
    limitMs: 600_000,
  });
  for (const name of CASES) copyFileSync(new URL(`conformance/${name}`, import.meta.url), join(folder, name));
}

async function runAll(runtime) {
  let opened;
  try {
    opened = await runtime.open({ folder, model: MODEL });
    for (const one of runtime.cases) await runOne(runtime, opened, one);
  } catch (error) {
    report(runtime.name, opened?.version ?? "", "", error);
  } finally {
    await opened?.close();
  }
}

async function runOne({ name }, opened, { threads, build, wide = false }) {
  const what = `${`${build}${wide ? " wide" : ""}`.padEnd(12)} ${threads} thread${threads === 1 ? " " : "s"}`;
  try {
    const result = await opened.run({ threads, build, wide });
    if (result.build !== build || result.threads !== threads || result.wide !== wide)
      throw new Error(`ran ${JSON.stringify(result)} instead`);
    digests.add(result.digest);
    console.log(
      `${name.padEnd(9)} ${opened.version.padEnd(11)} ${what} ${String(result.rate).padStart(6)} tokens/s  ${result.digest}`,
    );
  } catch (error) {
    report(name, opened.version, what, error);
  }
}

function report(name, version, what, error) {
  failed++;
  console.log(`${name.padEnd(9)} ${version.padEnd(11)} ${what} FAILED: ${withoutDigests(error.message)}`);
}

/** Whoever reads the output takes every long run of hexadecimal digits for a digest. */
function withoutDigests(text) {
  return text.replace(/[0-9a-f]{16,}/gi, "...").replaceAll("\n", " ");
}

function verdict() {
  if (failed > 0) return `${failed} did not run`;
  return digests.size === 1 ? "the same bits everywhere" : `${digests.size} different digests`;
}

function readOptions() {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  if (values.only === undefined) return RUNTIMES;
  const names = values.only.split(",");
  const stranger = names.find((name) => !RUNTIMES.some((runtime) => runtime.name === name));
  if (stranger === undefined) return RUNTIMES.filter((runtime) => names.includes(runtime.name));
  console.error(`--only ${stranger}: not one of ${RUNTIMES.map((runtime) => runtime.name).join(", ")}`);
  process.exit(2);
}
