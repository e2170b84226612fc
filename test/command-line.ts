/** The command line as a child process: started, and read to its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));

export interface Ended {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function start(args: readonly string[], stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: [stdin, "pipe", "pipe"] });
}

export async function end(child: ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await endBytes(child);
  return { code, stdout: String(stdout), stderr: String(stderr) };
}

/** The same for output that is no text. */
export async function endBytes(child: ChildProcess): Promise<{ code: number | null; stdout: Buffer; stderr: Buffer }> {
  const read = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  for (const name of ["stdout", "stderr"] as const) child[name]!.on("data", (bytes: Buffer) => read[name].push(bytes));
  const [code] = await once(child, "close");
  return { code, stdout: Buffer.concat(read.stdout), stderr: Buffer.concat(read.stderr) };
}

export const run = (...args: string[]): Promise<Ended> => end(start(args));

/** A command that ends before it has read its input is none of the test's errors. */
export function runWithInput(input: string | Uint8Array, ...args: string[]): Promise<Ended> {
  const child = start(args, "pipe");
  child.stdin!.on("error", () => {});
  child.stdin!.end(input);
  return end(child);
}
