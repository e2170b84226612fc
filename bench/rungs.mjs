// The rungs below threads: modules, what they export over the one memory, and why one is missing.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { assemble, compile, wideMissing } from "./compile.mjs";

/** Where the constants of the bench's own modules go: those of the kernels begin at 1024. */
const SCALAR_BASE = 32 << 10;
const CEILINGS_BASE = 48 << 10;

export const RUNGS = ["javascript", "scalar", "simd", "relaxed", "wide", "threads"];

/** rung -> modules, or { missing: why }. A module can be sent to a worker; its code goes along. */
export async function compileRungs() {
  const [simd, relaxed] = await Promise.all(["simd", "relaxed"].map(kernelBytes));
  const scalar = await assemble(["scalar.ts", "scalar-blocks.ts", "ceilings-scalar.ts"], SCALAR_BASE, []);
  const simdCeilings = await assemble(["ceilings.ts"], CEILINGS_BASE, ["simd"]);
  const relaxedCeilings = await assemble(["ceilings.ts"], CEILINGS_BASE, ["simd", "relaxed-simd"]);
  const rungs = { scalar: [compile(scalar)], simd: [compile(simd), compile(simdCeilings)] };
  if (!WebAssembly.validate(relaxed)) {
    const missing = `Node ${process.versions.node} has no relaxed SIMD`;
    return { ...rungs, relaxed: { missing }, wide: { missing } };
  }
  rungs.relaxed = [compile(relaxed), compile(relaxedCeilings)];
  const missing = wideMissing ?? [relaxed, relaxedCeilings].map(fault).find((found) => found);
  rungs.wide = missing ? { missing } : [compile(relaxed, { paired: true }), compile(relaxedCeilings, { paired: true })];
  return rungs;
}

/** Why V8 does not survive the pairing of a module. Seen: "Fatal error, unreachable code" in Node 26. */
function fault(input) {
  const probe = fileURLToPath(new URL("wide-probe.mjs", import.meta.url));
  const { status, signal, stderr } = spawnSync(process.execPath, [probe], { input });
  if (status === 0) return undefined;
  const said = stderr.toString().match(/^# (?!Fatal error)(.+)$/m)?.[1] ?? signal ?? `exit code ${status}`;
  return `V8 ends the process while it pairs vectors: ${said}`;
}

async function kernelBytes(build) {
  const url = new URL(`../build/${build}.wasm`, import.meta.url);
  return await readFile(url).catch(() => {
    throw new Error(`build/${build}.wasm is missing: npm run build`);
  });
}

/** Exports of each rung that is there. The builds must have equal constants, since they share the memory. */
export function instantiate(rungs, memory) {
  const env = { memory, now: () => performance.now(), abort() {} };
  const constants = new Map();
  const opened = {};
  for (const [rung, modules] of Object.entries(rungs)) {
    if (modules.missing) continue;
    const all = modules.map((module) => new WebAssembly.Instance(module, { env }).exports);
    opened[rung] = Object.assign({}, ...all);
    if (rung !== "scalar")
      constants.set(rung, Buffer.from(new Uint8Array(memory.buffer, 0, SCALAR_BASE)).toString("base64"));
  }
  if (new Set(constants.values()).size > 1)
    throw new Error("the builds differ in their constants: give each a memory of its own");
  return opened;
}
