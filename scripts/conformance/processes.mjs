import { spawn } from "node:child_process";

/** Runs to the end -> { code, out, err }; kills it after `limitMs`. */
export function run(command, args, { cwd, limitMs = 120_000, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const text = { out: "", err: "" };
    child.stdout.on("data", (piece) => (text.out += piece));
    child.stderr.on("data", (piece) => (text.err += piece));
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal, ...text });
    });
  });
}

/** The same, and an error with what it said where it does not end with 0. */
export async function succeed(command, args, options) {
  const { code, out, err } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command.split("/").at(-1)} ended with ${code}: ${lastLines(err || out)}`);
  return out;
}

const lastLines = (text) => text.trim().split("\n").slice(-3).join(" | ").slice(0, 400);
