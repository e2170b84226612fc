import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../command.mjs";
import { collectModules } from "../module-graph.mjs";
import { serveFiles } from "../serve-files.mjs";

/** workerd over the modules of the package; the model comes from a server behind a binding. */
export async function startWorkerd(folder, model) {
  const binary = join(folder, "node_modules/@cloudflare/workerd-linux-64/bin/workerd");
  const version = (await run(binary, ["--version"])).match(/\d{4}-\d{2}-\d{2}/)[0];
  const site = join(folder, "workerd");
  const collected = collectModules(folder, "worker.mjs", { home: "node_modules/wasmaverick", condition: "workerd" });
  const modules = [...collected].map(([path, bytes]) => {
    mkdirSync(dirname(join(site, path)), { recursive: true });
    writeFileSync(join(site, path), bytes);
    return `(name = "${path}", ${path.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${path}")`;
  });
  const models = await serveFiles((path) => ({ file: path === "model.gguf" ? model : undefined }));
  writeFileSync(join(site, "config.capnp"), config(modules, models.origin));
  const child = spawn(binary, ["serve", "config.capnp", "--control-fd=3"], {
    cwd: site,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const [line] = await once(child.stdio[3].setEncoding("utf8"), "data");
  const { port } = JSON.parse(line.split("\n")[0]);
  return {
    version,
    async run({ build }) {
      const response = await fetch(`http://127.0.0.1:${port}/?build=${build}`);
      if (!response.ok) throw new Error(`workerd answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
      return await response.json();
    },
    async close() {
      child.kill();
      models.close();
      await once(child, "exit");
    },
  };
}

const config = (modules, models) => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [${modules.join(", ")}],
      compatibilityDate = "2026-01-01",
      bindings = [(name = "MODEL", service = "models")],
    )),
    (name = "models", external = (address = "${new URL(models).host}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`;
