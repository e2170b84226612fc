// What the numbers were measured on.

import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";

/** What native code or V8 would use, and what decides such a comparison. */
const DECIDING = ["avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm"];

export function machine() {
  const [{ model }] = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    processor: model.trim(),
    flags: flags(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
  };
}

function flags() {
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
    const all = new Set(line[1].trim().split(" "));
    return DECIDING.filter((flag) => all.has(flag));
  } catch {
    return null; // not Linux
  }
}

export function describe({ date, processor, flags: known, cores, memoryGiB, system, node }) {
  return [
    `${processor}, ${cores} cores, ${memoryGiB} GiB; ${known === null ? "flags unknown" : known.join(" ") || "none of the deciding flags"}`,
    `${system}, driver on Node ${node}, ${date} UTC`,
  ].join("\n");
}
