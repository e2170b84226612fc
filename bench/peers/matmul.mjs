#!/usr/bin/env node
// One matrix product, rows x 2048 x 2048, ours beside onnxruntime-web; two threads, interleaved: node matmul.mjs [--rounds 3] [--json]

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { EngineProcess } from "./engine-process.mjs";
import { describe, machine } from "./machine.mjs";
import { nodeOf } from "./roster.mjs";

const SIZE = 2048;
const ROWS = [
  { rows: 512, times: 4 },
  { rows: 1, times: 50 },
];

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, json: { type: "boolean", default: false } },
});
const host = machine();
console.log(values.json ? JSON.stringify({ machine: host }) : describe(host));

for (const type of ["f32", "q4_0"]) {
  const engines = [
    { name: "wasmaverick", node: 20, script: "ours-matmul", options: ["--build", "simd"] },
    { name: "wasmaverick", node: 20, script: "ours-matmul", options: ["--build", "relaxed"] },
    { name: "wasmaverick", node: 26, script: "ours-matmul", options: ["--build", "relaxed", "--wide"] },
    { name: "onnxruntime-web", node: 26, script: "onnxruntime", options: [] },
  ];
  for (const engine of engines) await attempt(engine, () => start(engine, type));
  for (const { rows, times } of ROWS) {
    for (const engine of engines) engine.ms = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const engine of engines.filter(({ failed }) => failed === undefined)) {
        await attempt(engine, async () => engine.ms.push(...(await engine.process.ask({ rows, times })).ms));
      }
    }
    if (!values.json) console.log(`\n${type}, ${rows} x ${SIZE} x ${SIZE}, GFLOP/s`);
    for (const engine of engines) print(engine, type, rows);
  }
  for (const engine of engines) await engine.process?.stop();
}

async function start(engine, type) {
  const script = fileURLToPath(new URL(`engines/${engine.script}.mjs`, import.meta.url));
  const sizes = ["--type", type, "--size", `${SIZE}`, "--threads", "2"];
  engine.process = await EngineProcess.start(nodeOf(engine.node), [script, ...sizes, ...engine.options]);
}

async function attempt(engine, work) {
  try {
    await work();
  } catch (error) {
    engine.failed = error.message;
  }
}

function print({ name, node, process: child, ms, failed }, type, rows) {
  const { version = "", build = `Node ${node}` } = child?.about ?? {};
  const sorted = ms.toSorted((a, b) => a - b);
  const gflops = (at) => (2 * rows * SIZE * SIZE) / sorted[at] / 1e6;
  const [best, median] = ms.length === 0 ? [null, null] : [gflops(0), gflops(sorted.length >> 1)];
  if (values.json)
    return console.log(JSON.stringify({ engine: name, version, build, type, rows, best, median, failed }));
  const numbers = best === null ? "" : `best ${best.toFixed(1).padStart(6)}  median ${median.toFixed(1).padStart(6)}`;
  console.log(
    `${name.padEnd(16)} ${version.padEnd(7)} ${build.padEnd(30)} ${numbers}${failed === undefined ? "" : `FAILED: ${failed}`}`,
  );
}
