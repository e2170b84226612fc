import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../free-port.mjs";
import { HEADERS } from "./serve.mjs";

const START_MS = 30_000;

/**
 * Vite's development server. It rewrites dependencies into one folder first, away from the files beside them: hence `exclude`.
 * `mpa`: what is missing is missing; else Vite answers with the start page. The page is the one that the build was made of.
 */
export async function openViteDev(folder, model) {
  const config = { appType: "mpa", server: { headers: HEADERS }, optimizeDeps: { exclude: ["wasmaverick"] } };
  writeFileSync(join(folder, "vite.config.js"), `export default ${JSON.stringify(config)};\n`);
  mkdirSync(join(folder, "public"));
  place(model, join(folder, "public/model.gguf"));
  const port = String(await freePort());
  const args = [join(folder, "node_modules/vite/bin/vite.js"), "--host", "127.0.0.1", "--port", port, "--strictPort"];
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, NO_COLOR: "1" } });
  const gone = once(child, "close");
  let said = "";
  try {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`vite is not ready after ${START_MS} ms; it said: ${said}`)),
        START_MS,
      );
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (piece) => {
          said += piece;
          if (!said.includes("Local:")) return;
          clearTimeout(timer);
          resolve();
        });
      }
      child.once("exit", (code) => reject(new Error(`vite ended with ${code}; it said: ${said}`)));
    });
  } catch (error) {
    child.kill();
    throw error;
  }
  return {
    url: `http://127.0.0.1:${port}/`,
    async close() {
      child.kill();
      await gone;
    },
  };
}

function place(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to); // Another file system.
  }
}
