import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** The runtimes that npm brings: the same bits, and what breaks ends in a typed error with nothing left running. */

const PROJECT = fileURLToPath(new URL("..", import.meta.url));
const MODEL = `${PROJECT}models/storyteller-q8_0.gguf`;
/** SHA-256 of the logits of scripts/conformance/case.mjs, as `npm run conformance` prints it for every runtime. */
const DIGEST = "5bb981c2f3c66f7d42733fd61dd72efc2a8f5266f8ef15ccb6efba9c52ec26b2";

/** Where npm puts the binary with install scripts, and without. */
function binary(...places: readonly string[]): string | undefined {
  return places
    .map((place) => `${PROJECT}node_modules/${place}`)
    .find((path) => existsSync(path) && statSync(path).size > 2 ** 20);
}

const RUNTIMES = [
  { name: "Node", command: process.execPath, args: [] as string[] },
  {
    name: "Deno",
    command: binary("@deno/linux-x64-glibc/deno", "deno/deno"),
    args: ["run", `--allow-read=${PROJECT}`],
  },
  { name: "Bun", command: binary("@oven/bun-linux-x64/bin/bun", "bun/bin/bun.exe"), args: ["run"] },
];

/** Resolves when the process has ended by itself; a process that is left running is ended, and fails its test. */
function run(command: string, args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(command, args, { cwd: PROJECT, stdio: ["ignore", "pipe", "pipe"], timeout: 30_000 });
  const text = { out: "", err: "" };
  child.stdout.on("data", (piece) => (text.out += piece));
  child.stderr.on("data", (piece) => (text.err += piece));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...text }));
  });
}

const FAULTS = {
  "worker dies": "WORKER_EXIT",
  "worker cannot start": "WORKER_START",
  "no memory": "OOM_MEMORY",
  "source ends early": "GGUF_TENSOR_RANGE",
  "source shrinks while it is read": "FILE_CHANGED",
  "abort while loading": "the signal's reason",
};

for (const { name, command, args } of RUNTIMES) {
  const title = command ? name : `${name} (no binary of it for this platform from npm)`;
  describe.skipIf(!command)(title, () => {
    it.each([
      [1, "simd"],
      [2, "relaxed"],
    ])(
      "%i threads, %s build: the digest of all logits is that of every runtime; the process ends",
      async (threads, build) => {
        const { code, out, err } = await run(command!, [...args, "test/hosts/case.mjs", MODEL, String(threads), build]);
        expect(code, err).toBe(0);
        expect(JSON.parse(out)).toMatchObject({ digest: DIGEST, threads, build });
        expect(err).toBe("");
      },
    );

    it.each(Object.entries(FAULTS))("%s: %s, and the process ends by itself", async (fault, expected) => {
      const { code, out, err } = await run(command!, [...args, "test/hosts/faults.mjs", fault, MODEL]);
      expect(code, err).toBe(0);
      expect(JSON.parse(out).code, out).toBe(expected);
    });
  });
}
