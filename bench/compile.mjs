// Source to modules: asc for what only the bench needs, V8's flags for how a module is compiled.

import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import asc from "assemblyscript/asc";

const EAGER = ["--no-liftoff", "--no-wasm-lazy-compilation"];
/** Inlining wants the counts that slow code collects: without them V8 14 stops the process. */
const EAGER_24 = [...EAGER, "--no-wasm-inlining"];
const REVECTORIZE = "--experimental-wasm-revectorize";
/** By Node's major version, each tried. Eager: the optimising compiler makes all code at once, so nothing changes while it is measured. */
const KNOWN = {
  20: { eager: EAGER, relaxed: "--experimental-wasm-relaxed-simd" },
  22: { eager: EAGER },
  24: { eager: EAGER_24, wide: REVECTORIZE },
  26: { eager: EAGER_24, wide: REVECTORIZE },
};
const major = Number.parseInt(process.versions.node, 10);
const { eager, relaxed, wide } = KNOWN[major] ?? { eager: [] };

/** An empty custom section: V8 shares code between modules of equal bytes, and wide code must not be the narrow one's. */
const WIDE_SECTION = [0, 5, 4, ...Buffer.from("wide")];

export const wideMissing = wide
  ? process.arch === "x64"
    ? undefined
    : `V8 pairs vectors on x64 alone, this is ${process.arch}`
  : `V8 pairs vectors in Node 24 and 26, this is Node ${major}`;

if (relaxed) setFlagsFromString(relaxed);

/** AssemblyScript files of bench/ as one module; `base` is where its constants go in the memory that all modules share. */
export async function assemble(files, base, features) {
  let binary;
  const said = [];
  const { error } = await asc.main(
    [
      ...[
        ...files,
        "--outFile",
        "module.wasm",
        "--config",
        "none",
        "--optimizeLevel",
        "3",
        "--noAssert",
        "--runtime",
        "stub",
      ],
      ...[
        "--importMemory",
        "--sharedMemory",
        "--initialMemory",
        "1",
        "--maximumMemory",
        "65536",
        "--memoryBase",
        `${base}`,
      ],
      ...["threads", "bulk-memory", ...features].flatMap((feature) => ["--enable", feature]),
    ],
    {
      readFile: async (name) => await readFile(new URL(name, import.meta.url), "utf8").catch(() => null),
      writeFile: (_, contents) => {
        binary = contents;
      },
      stdout: { write: () => {} },
      stderr: { write: (text) => said.push(text) },
    },
  );
  if (error) throw new Error(`asc could not compile bench/${files.join(", ")}: ${said.join("") || error.message}`);
  return binary;
}

export function compile(bytes, { paired = false } = {}) {
  const flags = paired ? [...eager, wide] : eager;
  const source = paired ? Uint8Array.from([...bytes, ...WIDE_SECTION]) : bytes;
  for (const flag of flags) setFlagsFromString(flag);
  try {
    return new WebAssembly.Module(source);
  } finally {
    for (const flag of flags) setFlagsFromString(opposite(flag));
  }
}

function opposite(flag) {
  return flag.startsWith("--no-") ? `--${flag.slice(5)}` : `--no-${flag.slice(2)}`;
}
