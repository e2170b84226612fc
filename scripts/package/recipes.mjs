import { copyFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { run } from "../command.mjs";

/**
 * The least a user writes for each bundler; docs/hosts.md says the same. Every build happens in `folder`, where the package is installed,
 * and leaves in `out` all that is served.
 */

/** What is installed beside the package, never into the project. */
export const PINS = {
  "@rollup/plugin-node-resolve": "16.0.3",
  esbuild: "0.28.2",
  "playwright-core": "1.65.1",
  rollup: "4.68.8",
  vite: "8.3.8",
  webpack: "5.112.2",
  "webpack-cli": "7.3.1",
};

/** What a bundler that reads no addresses leaves to be copied. */
export const BESIDE = ["simd.wasm", "relaxed.wasm"];

const bin = (folder, name) => join(folder, "node_modules/.bin", name);

/** Beside the bundle, under the names that the package exports. */
function copyBeside(folder, out, names) {
  const require = createRequire(join(folder, "package.json"));
  for (const name of names) copyFileSync(require.resolve(`wasmaverick/${name}`), join(out, name));
}

function writePage(out, script) {
  writeFileSync(join(out, "index.html"), `<!doctype html><meta charset="utf-8">${script}\n`);
}

/** Names of the outputs = addresses of the inputs: entries of their own, and `copy` for the kernels. */
const ESBUILD_KERNELS = BESIDE.map((name) => `${name.replace(".wasm", "")}=wasmaverick/${name}`);
const ESBUILD = ["--bundle", "--minify", "--format=esm", "--loader:.wasm=copy"];

export const PAGES = {
  async esbuild(folder, out) {
    const entries = ["app=page.js", "worker-web=wasmaverick/worker-web.js", ...ESBUILD_KERNELS];
    await run(bin(folder, "esbuild"), [...entries, ...ESBUILD, `--outdir=${out}`], { cwd: folder });
    writePage(out, '<script type="module" src="/app.js"></script>');
  },

  async vite(folder, out) {
    writePage(folder, '<script type="module" src="/page.js"></script>');
    await run(bin(folder, "vite"), ["build", "--outDir", out], { cwd: folder });
  },

  async webpack(folder, out) {
    const args = ["--mode", "production", "--entry", "./page.js", "--output-path", out];
    await run(bin(folder, "webpack"), args, { cwd: folder });
    writePage(out, '<script defer src="/main.js"></script>');
  },

  async rollup(folder, out) {
    const args = ["app=page.js", "--plugin", "node-resolve={browser:true}", "--dir", out];
    await run(bin(folder, "rollup"), args, { cwd: folder });
    copyBeside(folder, out, [...BESIDE, "worker-web.js"]);
    writePage(out, '<script type="module" src="/app.js"></script>');
  },
};

/** For node there is one file to run. */
export const NODE = {
  async esbuild(folder, out) {
    await run(
      bin(folder, "esbuild"),
      ["app=node.js", ...ESBUILD_KERNELS, ...ESBUILD, "--platform=node", `--outdir=${out}`],
      { cwd: folder },
    );
    // The files end in .js: their folder says that they are modules.
    writeFileSync(join(out, "package.json"), JSON.stringify({ type: "module" }));
    return join(out, "app.js");
  },
};
