/** The runtimes that npm brings, and how a script runs in each to its end. */
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const PROJECT = fileURLToPath(new URL("..", import.meta.url));
/** The storyteller that lies in the project. */
export const MODEL = `${PROJECT}models/storyteller-q8_0.gguf`;

/** Where npm puts the binary with install scripts, and without. */
function binary(...places: readonly string[]): string | undefined {
  return places
    .map((place) => `${PROJECT}node_modules/${place}`)
    .find((path) => existsSync(path) && statSync(path).size > 2 ** 20);
}

export interface Runtime {
  readonly name: string;
  /** undefined: npm brings no binary for this platform. */
  readonly command: string | undefined;
  /** In front of the script: the least permissions. `reading`: what it may read. */
  args(reading: string): readonly string[];
}

export const RUNTIMES: readonly Runtime[] = [
  { name: "Node", command: process.execPath, args: () => [] },
  {
    name: "Deno",
    command: binary("@deno/linux-x64-glibc/deno", "deno/deno"),
    args: (reading) => ["run", `--allow-read=${reading}`],
  },
  { name: "Bun", command: binary("@oven/bun-linux-x64/bin/bun", "bun/bin/bun.exe"), args: () => ["run"] },
];

/** What a test's name says of a runtime. */
export const titleOf = ({ name, command }: Runtime) =>
  command ? name : `${name} (skipped: npm has no binary of it for this platform)`;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Resolves when the process has ended by itself; one that is left running is ended, with code null. */
export function runToEnd(
  command: string,
  args: readonly string[],
  cwd: string,
  env?: Readonly<Record<string, string>>,
): Promise<Ended> {
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = spawn(command, args, { cwd, stdio: [...stdio], timeout: 30_000, env: { ...process.env, ...env } });
  const text = { out: "", err: "" };
  child.stdout.on("data", (piece) => {
    text.out += piece;
  });
  child.stderr.on("data", (piece) => {
    text.err += piece;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...text }));
  });
}
