#!/usr/bin/env node
// Kernels as a ladder: plain JavaScript -> SIMD -> relaxed SIMD, one thread, beside what this machine reaches: npm run bench
// A JSON line per row with --json.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { setFlagsFromString } from "node:v8";
import { instantiateSync } from "@assemblyscript/loader";
import { Bench } from "tinybench";
import { matmulF32, matmulQ8, rmsnorm, rope, route, softmax, swiglu } from "./plain.mjs";

const json = process.argv.includes("--json");
setFlagsFromString("--experimental-wasm-relaxed-simd"); // Node 20 only; later ones have it

/** One build over a memory of its own; `take` hands out 64-byte aligned places. */
function open(build) {
  const memory = new WebAssembly.Memory({ initial: 2048, maximum: 2048, shared: true });
  const { exports } = instantiateSync(readFileSync(new URL(`../build/${build}.wasm`, import.meta.url)), {
    env: { memory, now: () => performance.now(), abort() {} },
  });
  let end = 1 << 17;
  const take = (bytes) => {
    const at = end;
    end = Math.ceil((end + bytes) / 64) * 64;
    return at;
  };
  return {
    build,
    exports,
    memory,
    take,
    f32: (at, count) => new Float32Array(memory.buffer, at, count),
    bytes: (at, count) => new Uint8Array(memory.buffer, at, count),
  };
}

const builds = [open("simd"), open("relaxed")];
const noise = (count) => Float32Array.from({ length: count }, (_, index) => Math.sin(index * 12.9898) * 0.7);

/** Fills memory with finite weights: sensible bytes for a type. */
function fillWeights(target, type, bytes) {
  const at = target.take(bytes);
  if (type === "f32") target.f32(at, bytes / 4).set(noise(bytes / 4));
  else target.bytes(at, bytes).fill(0x21);
  return at;
}

const COLS = 2048;
const GROUPS = 64; // 512 outputs
const groupBytes = { f32: COLS * 32, q8_0: (COLS / 32) * 288, q4_0: (COLS / 32) * 160 };

/** All groups of one matrix for h rows; returns a call. */
function tiles(target, type, h) {
  const { exports } = target;
  const weights = fillWeights(target, type, groupBytes[type] * GROUPS);
  const panel = target.take(COLS * 4 * h);
  const scales = target.take((COLS / 32) * 4 * h);
  const blockSums = target.take((COLS / 32) * 4 * h);
  const sums = target.take(h * 32);
  target.f32(scales, (COLS / 32) * h).fill(0.01);
  const tile = {
    f32: (at) => exports.tile_f32_fused(h, sums, at, panel, COLS),
    q8_0: (at) => exports.tile_q8_0_q16(h, sums, at, panel, scales, COLS / 32),
    q4_0: (at) => exports.tile_q4_0_q8(h, sums, at, panel, scales, blockSums, COLS / 32),
  }[type];
  return () => {
    for (let group = 0; group < GROUPS; group++) tile(weights + group * groupBytes[type]);
  };
}

function plainMatmul(type, h) {
  const outputs = GROUPS * 8;
  const out = new Float32Array(h * outputs);
  const x = noise(h * COLS);
  if (type === "f32") {
    const w = noise(outputs * COLS);
    return () => matmulF32(out, w, x, h, outputs, COLS);
  }
  const quants = new Int8Array(outputs * COLS).fill(33);
  const scales = noise((outputs * COLS) / 32);
  return () => matmulQ8(out, quants, scales, x, h, outputs, COLS);
}

const rows = [];
for (const type of ["f32", "q8_0", "q4_0"]) {
  for (const h of [1, 6]) {
    rows.push({
      name: `${h === 1 ? "gemv" : "gemm tile of 6"} ${type}`,
      work: 2 * h * GROUPS * 8 * COLS,
      bytes: groupBytes[type] * GROUPS,
      plain: plainMatmul(type, h),
      wasm: (target) => tiles(target, type, h),
    });
  }
}
rows.push({
  name: "rmsnorm 2048",
  bytes: COLS * 12,
  plain: (() => {
    const x = noise(COLS);
    const out = new Float32Array(COLS);
    return () => rmsnorm(out, x, x, 1e-5);
  })(),
  wasm: (target) => {
    const x = target.take(COLS * 4);
    const out = target.take(COLS * 4);
    target.f32(x, COLS).set(noise(COLS));
    return () => target.exports.rmsnorm_f32(out, x, x, 1e-5, COLS);
  },
});
rows.push({
  name: "swiglu 2048",
  bytes: COLS * 12,
  plain: (() => {
    const x = noise(COLS);
    const out = new Float32Array(COLS);
    return () => swiglu(out, x, x);
  })(),
  wasm: (target) => {
    const x = target.take(COLS * 8);
    const out = target.take(COLS * 4);
    target.f32(x, COLS * 2).set(noise(COLS * 2));
    return () => target.exports.swiglu_f32(out, x, 1, COLS);
  },
});
rows.push({
  name: "rope 64 pairs",
  bytes: 1024,
  plain: (() => {
    const x = noise(128);
    const angles = noise(128);
    return () => rope(x, angles);
  })(),
  wasm: (target) => {
    const x = target.take(512);
    const angles = target.take(512);
    target.f32(x, 128).set(noise(128));
    target.f32(angles, 128).fill(Math.SQRT1_2);
    return () => target.exports.rope_f32(x, angles, 64);
  },
});
rows.push({
  name: "attention block, softmax and values: 6 queries, 64 keys, d 64",
  work: 6 * 64 * 64 * 4,
  plain: (() => {
    const scores = noise(64);
    const out = new Float32Array(64);
    const k = noise(64 * 64);
    const q = noise(64 * 6);
    const s = new Float32Array(64 * 6);
    return () => {
      matmulF32(s, k, q, 6, 64, 64);
      for (let i = 0; i < 6; i++) softmax(out, scores);
      matmulF32(s, k, q, 6, 64, 64);
    };
  })(),
  wasm: (target) => {
    const { exports } = target;
    const head = target.take(64 * 64 * 8);
    const scratch = target.take(1 << 16);
    const query = target.take(256);
    target.f32(head, 64 * 64 * 2).set(noise(64 * 64 * 2));
    target.f32(query, 64).set(noise(64));
    for (let i = 0; i < 6; i++) {
      exports.stage_query(scratch, query, i, 6, 64);
      exports.stage_span(scratch, i, 0, 64, 64);
    }
    return () => exports.attend_block(scratch, head, 0, 6, 64, 0.125);
  },
});
rows.push({
  name: "top-1 gating, 512 rows of 16 experts",
  plain: (() => {
    const logits = noise(512 * 16);
    const picks = new Uint32Array(512);
    const scores = new Float32Array(512);
    return () => route(logits, picks, scores, 512, 16);
  })(),
  wasm: (target) => {
    const logits = target.take(512 * 64);
    target.f32(logits, 512 * 16).set(noise(512 * 16));
    const places = [2048, 2048, 2048, 1024, 16384].map((bytes) => target.take(bytes));
    return () => target.exports.route_f32(places[0], places[1], places[2], places[3], logits, places[4], 512, 16, 1, 0);
  },
});

const bench = new Bench({ time: 120, warmupTime: 40 });
for (const row of rows) {
  bench.add(`${row.name}|javascript`, row.plain);
  for (const target of builds) bench.add(`${row.name}|${target.build}`, row.wasm(target));
}
await bench.run();

if (!json) console.log(`${cpus()[0].model}, one thread, Node ${process.versions.node}; best of the samples\n`);
for (const row of rows) {
  const best = (rung) => bench.getTask(`${row.name}|${rung}`).result.latency.min;
  for (const rung of ["javascript", "simd", "relaxed"]) {
    const ms = best(rung);
    const line = {
      kernel: row.name,
      rung,
      us: ms * 1000,
      gflops: row.work && row.work / ms / 1e6,
      gbs: row.bytes && row.bytes / ms / 1e6,
      timesJavaScript: best("javascript") / ms,
    };
    if (json) console.log(JSON.stringify(line));
    else
      console.log(
        `${row.name.padEnd(62)} ${rung.padEnd(11)} ${line.us.toFixed(1).padStart(9)} us ${row.work ? `${line.gflops.toFixed(1).padStart(6)} GOP/s` : "            "} ${row.bytes ? `${line.gbs.toFixed(1).padStart(6)} GB/s` : "           "} ${line.timesJavaScript.toFixed(1).padStart(5)} x`,
      );
  }
}
