// What the numbers are from.

import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { probe } from "./probe.mjs";

/** What decides how fast vector code can be. */
const DECIDING = ["avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "asimddp", "i8mm"];

const BUSY = 0.7;

export function machine() {
  const { flags, ...probed } = probe(DECIDING);
  return {
    ...probed,
    flags: flags ?? [],
    cores: availableParallelism(),
    caches: caches(),
    v8: process.versions.v8,
    load: loadavg()[0],
  };
}

/** Of the first core: "L1d 48K", "L2 2M", "L3 32M"; empty where the system does not say. */
function caches() {
  const root = "/sys/devices/system/cpu/cpu0/cache";
  try {
    return readdirSync(root)
      .filter((name) => name.startsWith("index"))
      .map((name) => ["level", "type", "size"].map((file) => readFileSync(`${root}/${name}/${file}`, "utf8").trim()))
      .filter(([, type]) => type !== "Instruction")
      .map(([level, type, size]) => ({
        name: `L${level}${type === "Data" ? "d" : ""}`,
        kib: Number.parseInt(size, 10),
      }));
  } catch {
    return [];
  }
}

const sized = (kib) => (kib >= 1024 ? `${kib / 1024} MiB` : `${kib} KiB`);

export function describe({ processor, flags: known, cores, caches: all, node, v8, load, date }, streamMib) {
  const last = all.reduce((most, { kib }) => Math.max(most, kib), 0);
  const memory =
    last >= streamMib * 1024
      ? `"memory" is a matrix of ${streamMib} MiB and the last cache has ${sized(last)}: part of it may come from there`
      : `"memory" is a matrix of ${streamMib} MiB`;
  return [
    `${processor}, ${cores} core${cores > 1 ? "s" : ""}${known.length ? `, ${known.join(" ")}` : ""}`,
    `${all.map(({ name, kib }) => `${name} ${sized(kib)}`).join(", ") || "caches unknown"}; ${memory}`,
    `Node ${node}, V8 ${v8}, ${date} UTC${load > BUSY ? `; busy with other work (load ${load.toFixed(1)}): best times stand, those of threads suffer` : ""}`,
  ];
}
