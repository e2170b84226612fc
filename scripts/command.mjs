import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Runs a program to its end and gives its stdout; an exit code other than 0 throws with what it printed. One that is not done after
 * `limitMs` is killed.
 */
export async function run(program, args, { cwd, env, limitMs } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  const [out, err] = [[], []];
  child.stdout.on("data", (piece) => out.push(piece));
  child.stderr.on("data", (piece) => err.push(piece));
  const [code, signal] = await once(child, "close");
  const stdout = Buffer.concat(out).toString();
  if (code === 0) return stdout;
  const said = `${stdout}\n${Buffer.concat(err)}`.trim().slice(-2000);
  throw new Error(`${program} ${args[0]} in ${cwd ?? "."} ended with ${code ?? signal}, expected 0; it said:\n${said}`);
}
