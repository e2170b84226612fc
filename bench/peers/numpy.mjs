#!/usr/bin/env node
// The NumPy original's cost beside ours at the same shapes, generating 60 tokens: node numpy.mjs [--rounds 3] [--python PATH] [--json]

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { EngineProcess, plainEnvironment } from "./engine-process.mjs";
import { describe, machine } from "./machine.mjs";
import { nodeOf } from "./roster.mjs";

const TOKENS = 60;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    python: { type: "string", default: here("venv/bin/python") },
    json: { type: "boolean", default: false },
  },
});
const host = machine();
console.log(values.json ? JSON.stringify({ machine: host }) : `${describe(host)}\n`);

const rows = [
  ...["float64", "float32"].map(numpy),
  ...["f32", "q8_0", "q4_0"].flatMap((type) => [ours(type, 20, "simd"), ours(type, 26, "relaxed", "--wide")]),
];
for (const row of rows) await attempt(row, row.start);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const row of rows) await attempt(row, async () => row.rates.push(await row.run(round)));
}
const [original] = rows.map(best);
for (const row of rows) print(row);
for (const row of rows) await row.process?.stop();

/** A process a run: it prints one line, "numpy VERSION DTYPE vocab V: N tokens/s", of its median step. */
function numpy(dtype) {
  const row = { name: "numpy", build: dtype, rates: [], start() {} };
  row.run = async () => {
    const args = [here("numpy-baseline.py"), "--dtype", dtype, "--tokens", `${TOKENS}`];
    const { stdout } = await promisify(execFile)(values.python, args, { env: plainEnvironment() });
    const [, version, rate] = /numpy (\S+) .*: ([\d.]+) tokens\/s/.exec(stdout);
    row.version = version;
    return Number(rate);
  };
  return row;
}

function ours(type, node, build, ...wide) {
  const row = { name: "wasmaverick", build: `${type}, ${build}`, rates: [] };
  row.start = async () => {
    const options = ["--type", type, "--threads", "2", "--build", build, ...wide];
    row.process = await EngineProcess.start(nodeOf(node), [here("engines/ours-random.mjs"), ...options]);
    Object.assign(row, row.process.about);
    await row.process.ask({ seed: 1, tokens: TOKENS });
  };
  row.run = async (round) => (await row.process.ask({ seed: round + 2, tokens: TOKENS })).tokensPerSecond;
  return row;
}

async function attempt(row, work) {
  if (row.failed !== undefined) return;
  try {
    await work();
  } catch (error) {
    row.failed = error.message.trim().split("\n").at(-1);
  }
}

function best({ rates }) {
  return rates.length === 0 ? null : Math.max(...rates);
}

function print(row) {
  const { name, version = "", build, rates, failed } = row;
  const median = rates.toSorted((a, b) => a - b)[rates.length >> 1] ?? null;
  const times = best(row) === null || original === null ? null : best(row) / original;
  if (values.json)
    return console.log(JSON.stringify({ engine: name, version, build, best: best(row), median, times, failed }));
  const numbers =
    best(row) === null
      ? ""
      : `best ${best(row).toFixed(1).padStart(6)}  median ${median.toFixed(1).padStart(6)} tokens/s  ${times === null ? "" : `${times.toFixed(1)} x float64`}`;
  console.log(
    `${name.padEnd(12)} ${version.padEnd(7)} ${build.padEnd(36)} ${numbers}${failed === undefined ? "" : `FAILED: ${failed}`}`,
  );
}
