/** The workerd binary, serving modules of this repository as they lie on disk. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { collectModules } from "../scripts/module-graph.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);
const PLATFORM = `${process.platform}-${process.arch}`.replace("x64", "64").replace("win32", "windows");

/** Path of the binary, or why there is none. WORKERD names another one. */
export const binary = findBinary();

function findBinary(): { path: string } | { missing: string } {
  if (process.env.WORKERD) return { path: process.env.WORKERD };
  try {
    const own = createRequire(require.resolve("workerd/package.json"));
    return {
      path: own.resolve(`@cloudflare/workerd-${PLATFORM}/bin/workerd${PLATFORM.startsWith("win") ? ".exe" : ""}`),
    };
  } catch {
    return { missing: `workerd is not installed for ${PLATFORM}` };
  }
}

/** Copies a module and all it imports into `folder`, under their paths. */
function copyModules(entry: ServeOptions["entry"], folder: string): string[] {
  const modules = typeof entry === "string" ? collectModules(ROOT, entry, { home: "", condition: "workerd" }) : entry;
  for (const [path, bytes] of modules) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return [...modules.keys()];
}

export interface ServeOptions {
  /** A module of the repository, or all modules by name, that of the worker first. */
  readonly entry: string | ReadonlyMap<string, string | Uint8Array>;
  readonly compatibilityDate: string;
  readonly flags: readonly string[];
  readonly vars: Readonly<Record<string, string>>;
  /** Bindings of R2 buckets, and where they are served. */
  readonly buckets: Readonly<Record<string, string>>;
}

export interface Workerd {
  readonly url: string;
  /** Peak resident memory of the process in bytes, where the system tells. */
  peak(): number | undefined;
  stderr(): string;
  /** Asks it to end, and resolves with its exit code or signal. */
  stop(): Promise<number | NodeJS.Signals | null>;
  /** Ends it whatever it does. */
  kill(): Promise<unknown>;
}

export async function serve(options: ServeOptions): Promise<Workerd> {
  if ("missing" in binary) throw new Error(binary.missing);
  const folder = mkdtempSync(join(tmpdir(), "wasmaverick-workerd-"));
  const modules = copyModules(options.entry, folder);
  writeFileSync(join(folder, "config.capnp"), configOf(options, modules));
  // Descriptor 3: workerd says there on which port it listens.
  const child = spawn(binary.path, ["serve", "config.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code, signal]) => {
    rmSync(folder, { recursive: true });
    return code ?? signal;
  });
  const port = await Promise.race([
    portOf(child),
    ended.then((code) => Promise.reject(new Error(`workerd ended with ${code}: ${stderr}`))),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    peak() {
      if (process.platform !== "linux") return undefined;
      const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      return Number(line![1]) * 1024;
    },
    stderr: () => stderr,
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
    kill() {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const said = JSON.parse(line);
    if (said.event === "listen") return said.port;
  }
  throw new Error("workerd listens nowhere");
}

function configOf({ compatibilityDate, flags, vars, buckets }: ServeOptions, modules: readonly string[]): string {
  const text = JSON.stringify;
  const list = (items: readonly string[]) => `[\n    ${items.join(",\n    ")}\n  ]`;
  const kind = (path: string) => (path.endsWith(".wasm") ? "wasm" : "esModule");
  const names = Object.keys(buckets);
  return `using Workerd = import "/workerd/workerd.capnp";
const worker :Workerd.Worker = (
  compatibilityDate = ${text(compatibilityDate)},
  compatibilityFlags = ${list(flags.map((flag) => text(flag)))},
  modules = ${list(modules.map((path) => `(name = ${text(path)}, ${kind(path)} = embed ${text(path)})`))},
  bindings = ${list([
    ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...names.map((name) => `(name = ${text(name)}, r2Bucket = ${text(`bucket ${name}`)})`),
  ])}
);
const config :Workerd.Config = (
  services = ${list([
    '(name = "main", worker = .worker)',
    ...names.map(
      (name) => `(name = ${text(`bucket ${name}`)}, external = (address = ${text(buckets[name])}, http = ()))`,
    ),
  ])},
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
`;
}
