#!/usr/bin/env node
// A tile through a vision tower of the released size, random weights: npm run vision-bench -- [--type bf16] [--threads 2] [--wide]
// [--build simd|relaxed] [--activations q16|q8|f32] [--layers 34] [--tiles 1] [--runs 3]. Time a tile, GFLOP/s and their share of what the same tile kernel reaches
// alone, where the time goes, how long an abort takes, memory. Time of the bytes of weights that are not made is none: they repeat.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { KernelChoices } from "../dist/src/model/run/choices.js";
import { Loader, loadWeights } from "../dist/src/model/run/load.js";
import { makeTowerMemory, planTower, Tower } from "../dist/src/model/vision/tower.js";
import { mapVision, matricesOfVision } from "../dist/src/model/vision/weights.js";
import { openKernels } from "../dist/src/runtime/module.js";
import { Threads } from "../dist/src/runtime/threads.js";
import { isFloat } from "../dist/src/weight-types.js";
import { profiled, readProfile } from "./vision/profile.mjs";
import { tileRate } from "./vision/tile-rate.mjs";
import { CONFIG, TEXT, towerCheckpoint } from "./vision/tower-weights.mjs";

const { values } = parseArgs({
  options: {
    type: { type: "string", default: "bf16" },
    threads: { type: "string", default: "2" },
    wide: { type: "boolean", default: false },
    build: { type: "string" },
    activations: { type: "string", default: "q16" },
    layers: { type: "string", default: String(CONFIG.layers) },
    tiles: { type: "string", default: "1" },
    runs: { type: "string", default: "3" },
  },
});
const [threadCount, layers, tileCount, runs] = ["threads", "layers", "tiles", "runs"].map((name) =>
  Number(values[name]),
);
const config = { ...CONFIG, layers };
const checkpoint = towerCheckpoint(config, values.type);
const { weights } = mapVision(checkpoint, config, TEXT);
const kernels = await openKernels(values.build, values.wide);
const { dot } = kernels;
const options = { threads: threadCount, wide: kernels.wide.on, dot, activations: values.activations };
const plan = planTower(config, weights, TEXT, options);
const profile = profiled(plan);
const memory = makeTowerMemory(plan);
const threads = await Threads.start(threadCount, kernels.module, [memory], [null], null);
const loader = new Loader(memory, plan.layout.loader, 0, threads);
const begun = performance.now();
await loadWeights([{ layout: plan.layout, loader }], {});
const loaded = performance.now() - begun;
const choices = new KernelChoices([], { plan, memory }, { ...options, tileRows: plan.layout.sizes.tileRows });
await choices.tune(kernels.module, threads, []);
const tower = new Tower(plan, memory, threads, 0);

console.log(
  `${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}, ${kernels.build}${kernels.wide.on ? " wide" : ""}, ${threadCount} threads`,
);
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const packed = plan.layout.matrices.reduce((bytes, { to }) => bytes + to.at.bytes, 0);
console.log(
  `${values.type}, ${layers} layers, ${JSON.stringify(choices.all)}\nmemory ${mib(plan.layout.plan.memoryBytes)}, of it ${mib(packed)} weights; packed in ${(loaded / 1000).toFixed(1)} s; ${tower.together} tiles together`,
);

const tiles = Array.from({ length: tileCount }, (_, tile) =>
  Float32Array.from({ length: tower.tileValues }, (_, at) => Math.sin(at * 0.37 + tile)),
);
const { tokens, rows, hidden } = config;
const ofText = new Set([...weights.adapter, weights.projector]);
const flops = matricesOfVision(weights).reduce(
  (sum, matrix) => sum + 2 * matrix.rows * matrix.cols * (ofText.has(matrix) ? rows : tokens),
  4 * tokens * tokens * hidden * layers,
);
await tower.encode(tiles);
const rates = [];
const seconds = [];
profile.start(memory);
for (let run = 0; run < runs; run++) {
  const rate = await tileRate(kernels, values.type, options);
  const start = performance.now();
  await tower.encode(tiles);
  seconds.push((performance.now() - start) / 1000 / tileCount);
  rates.push(rate);
}
const best = Math.min(...seconds);
const gflops = flops / 1e9 / best;
const rate = Math.max(...rates);
const unit = isFloat(values.type) ? "GFLOP/s" : "GOP/s";
console.log(
  `a tile: ${best.toFixed(2)} s (all runs ${seconds.map((one) => one.toFixed(2)).join(", ")}), ${(flops / 1e12).toFixed(3)} TFLOP: ${gflops.toFixed(0)} ${unit}; the tile kernel alone ${rate.toFixed(0)}: ${((100 * gflops) / rate).toFixed(0)} %`,
);
console.log(readProfile(profile, memory, plan, runs * tileCount));

const late = [];
for (let run = 0; run < 5; run++) {
  const controller = new AbortController();
  const delay = 30 + run * 37;
  const due = performance.now() + delay;
  setTimeout(() => controller.abort(), delay);
  await tower.encode(tiles, controller.signal).catch(() => {});
  late.push(performance.now() - due);
}
console.log(`abort within the tower: worst ${Math.max(...late).toFixed(1)} ms of ${late.length}`);
await threads.dispose();
