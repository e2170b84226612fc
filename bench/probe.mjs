import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** What any numbers are from. `flags`: those of `deciding` that the processor has; null where the system does not say. */
export function probe(deciding) {
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    processor: cpus()[0]?.model.trim() ?? process.arch,
    flags: flagsAmong(deciding),
    node: process.versions.node,
  };
}

function flagsAmong(deciding) {
  try {
    const [, line] = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
    const all = new Set(line.trim().split(" "));
    return deciding.filter((flag) => all.has(flag));
  } catch {
    return null; // not Linux
  }
}
