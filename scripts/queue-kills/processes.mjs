// Redis, workers and batches as processes of this machine, for what kills them.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../free-port.mjs";

const MAIN = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** Why no Redis can be started; empty: it can. */
export const NO_REDIS =
  spawnSync("redis-server", ["--version"]).status === 0 ? "" : "no redis-server on PATH, apt-get install redis-server";

/** A Redis of its own: nothing of it stays. */
export async function startRedis(...options) {
  const folder = mkdtempSync(join(tmpdir(), "wasmaverick-redis-"));
  const port = await freePort();
  const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder];
  const child = spawn("redis-server", [...own, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  await said(child, /ready to accept connections/i);
  return {
    ...{ port, url: `redis://127.0.0.1:${port}` },
    end: async () => {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
      rmSync(folder, { recursive: true });
    },
  };
}

/** A worker that takes lines; `ended` has its exit code, null where a signal ended it. */
export async function startWorker(url, ...options) {
  const worker = startCommand("work", "--queue", url, "--threads", "0", "--context", "256", ...options);
  await said(worker.child, /^ready /m);
  return worker;
}

export function startCommand(...args) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => {
      texts[name] += text;
    });
  const ended = once(child, "close").then(([code]) => ({ code, ...texts }));
  return { child, ended };
}

async function said(child, pattern) {
  let text = "";
  child.stdout.setEncoding("utf8");
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (piece) => {
      text += piece;
      if (pattern.test(text)) resolve();
    });
    child.once("close", (code) => reject(new Error(`${child.spawnargs.join(" ")} ended with ${code}: ${text}`)));
    child.once("error", reject);
  });
}
