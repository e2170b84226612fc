import { copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../command.mjs";
import { openChromium, outcomeOf } from "./chromium.mjs";
import { APP, MODEL } from "./installed.mjs";
import { problemOf } from "./outcome.mjs";
import { NODE, PAGES, PINS } from "./recipes.mjs";
import { serve } from "./serve.mjs";
import { openViteDev } from "./vite-dev.mjs";

/** Bytes of all that a minified bundle serves: code, worker and both builds of the kernels. Close above what there is. */
const BUDGET = 1_265_000;
/** Of itself it does not minify. */
const UNMINIFIED = "rollup";

/** Builds with each bundler what is in app/, and runs what came out. */
export async function bundles(report, folder, tarball, expected) {
  await report.need("npm install, bundlers", async () => {
    mkdirSync(folder);
    const manifest = { private: true, type: "module", dependencies: { wasmaverick: `file:${tarball}`, ...PINS } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
    for (const file of readdirSync(APP)) copyFileSync(join(APP, file), join(folder, file));
    return { rows: [{ note: "pinned, scripts disabled" }] };
  });

  for (const [name, build] of Object.entries(NODE)) {
    await row(report, `${name}, for node`, name, async () => {
      const out = join(folder, `out-node-${name}`);
      const app = await build(folder, out);
      const outcome = JSON.parse(await run(process.execPath, [app, MODEL], { cwd: out }));
      return { outcome, expected, bytes: bytesUnder(out) };
    });
  }

  const inPage = { ...expected, host: "browser", missing: "REMOTE_STATUS" };
  const browser = await report.need("chromium", async () => {
    const browser = await openChromium(folder);
    return Object.assign(browser, { rows: [{ version: browser.version(), note: "headless; no eval allowed" }] });
  });
  try {
    for (const [name, build] of Object.entries(PAGES)) {
      await row(report, `${name}, for browsers`, name, async () => {
        const out = join(folder, `out-${name}`);
        await build(folder, out);
        const bytes = bytesUnder(out);
        const server = await serve(out, MODEL);
        try {
          return { outcome: await outcomeOf(browser, server.url), expected: inPage, bytes };
        } finally {
          server.close();
        }
      });
    }
    await row(report, "vite, development", "vite", async () => {
      const server = await openViteDev(folder, MODEL);
      try {
        return { outcome: await outcomeOf(browser, server.url), expected: inPage };
      } finally {
        await server.close();
      }
    });
  } finally {
    await browser.close();
  }
}

async function row(report, what, bundler, work) {
  const threads = "0, 2";
  const version = PINS[bundler];
  try {
    const { outcome, expected, bytes } = await work();
    const minified = bundler !== UNMINIFIED;
    const large =
      minified && bytes > BUDGET
        ? `${bytes} bytes, expected at most ${BUDGET} (scripts/package/bundles.mjs)`
        : undefined;
    const problem = problemOf(outcome, expected) ?? large;
    const builds = [...new Set(outcome.answers?.map(({ build }) => build))].join(", ");
    report.row(what, {
      version,
      bytes,
      threads,
      problem,
      note: `node's text (${builds})${minified ? "" : ", not minified"}`,
    });
  } catch (error) {
    report.row(what, { version, threads, problem: error.message });
  }
}

function bytesUnder(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => /\.(js|wasm)$/.test(file))
    .reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
}
