// What the numbers were measured on.

import { cpus, release, totalmem, type } from "node:os";
import { probe } from "../probe.mjs";

/** What native code or V8 would use, and what decides such a comparison. */
const DECIDING = ["avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm"];

export function machine() {
  return {
    ...probe(DECIDING),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
  };
}

export function describe({ date, processor, flags: known, cores, memoryGiB, system, node }) {
  return [
    `${processor}, ${cores} cores, ${memoryGiB} GiB; ${known === null ? "flags unknown" : known.join(" ") || "none of the deciding flags"}`,
    `${system}, driver on Node ${node}, ${date} UTC`,
  ].join("\n");
}
