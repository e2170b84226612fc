// Who takes part: a row each, how it is started, what it is asked.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FULL = { prompt: 512, generate: 128 };
/** wllama takes half a minute for what the others do in one or two seconds. */
const SHORT = { prompt: 64, generate: 32 };
const CONTEXT = 2048;

export const GROUPS = ["ours", "llama.cpp", "node-llama-cpp", "wllama"];

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** `missing` says why a row cannot run. */
export function roster({ only, pythons }) {
  const rows = [
    ours("simd", 20),
    ours("relaxed", 20),
    ours("relaxed", 26, "--wide"),
    ...pythons.map(llamaCpp),
    nodeLlamaCpp(1),
    nodeLlamaCpp(2),
    wllama(),
  ];
  return rows.filter(({ group }) => only.includes(group));
}

function ours(build, major, ...more) {
  return {
    ...row("ours", "wasmaverick", `${build}, ${more.length > 0 ? "wide" : "narrow"}, Node ${major}`, 2),
    command: nodeOf(major),
    script: here("engines/ours.mjs"),
    options: ["--build", build, ...more],
    missing: absent(nodeOf(major)) ?? absent(here("../../dist/src/index.js")),
  };
}

function llamaCpp(python) {
  return {
    ...row("llama.cpp", "llama.cpp", "native", 2),
    command: python,
    script: here("engines/llama-cpp.py"),
    missing: absent(python),
  };
}

function nodeLlamaCpp(threads) {
  return {
    ...row("node-llama-cpp", "node-llama-cpp", "native", threads),
    command: process.execPath,
    script: here("engines/node-llama-cpp.mjs"),
    missing: absent(here("node_modules/node-llama-cpp")),
  };
}

function wllama() {
  return {
    ...row("wllama", "wllama", "wasm", 2),
    ...SHORT,
    fewerRounds: true,
    takesText: true,
    command: nodeOf(26),
    script: here("engines/wllama.mjs"),
    missing: absent(nodeOf(26)) ?? absent(here("node_modules/@wllama/wllama")),
  };
}

function row(group, name, build, threads) {
  return { group, name, build, threads, options: [], ...FULL };
}

/** The command line of a row for one model file. */
export function argumentsOf({ script, threads, options }, file) {
  return [script, file, "--threads", `${threads}`, "--context", `${CONTEXT}`, ...options];
}

export function nodeOf(major) {
  const running = Number.parseInt(process.versions.node, 10);
  return running === major ? process.execPath : here(`node_modules/node-${major}/bin/node`);
}

function absent(path) {
  return existsSync(path) ? undefined : `not installed: no ${path}`;
}
