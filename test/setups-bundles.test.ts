import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";
import { MODEL, PROJECT, RUNTIMES, runToEnd, titleOf } from "./runtimes.ts";
import { projectFolder, STORY } from "./setups.ts";

/** The engine inside a bundle or an executable, without its package beside it. */

const MAIN = `
import { loadModel } from "wasmaverick";
(async () => {
  const model = await loadModel(${JSON.stringify(MODEL)}, { threads: 2, context: 256 });
  const text = await model.generate("Once upon a time", { maxTokens: 8, temperature: 0 }).text();
  await model.dispose();
  return text;
})().then((text) => console.log(text), (error) => console.log(error.message));
`;
/** Longer than names in messages may be: a place is shown whole. */
const LONG = "a-deep-place/".repeat(12);
const KERNELS = ["simd.wasm", "relaxed.wasm"];
const folder = projectFolder("bundles", { "main.js": MAIN, "package.json": '{ "type": "module" }' });

/** One file of `main.js` and the engine, in a folder of its own that knows no package. */
async function bundle(name: string, format: "esm" | "cjs", condition: string): Promise<string> {
  // What esbuild leaves of an address in CommonJS: nothing.
  const define: Record<string, string> = format === "cjs" ? { "import.meta.url": "undefined" } : {};
  const build = await rolldown({
    input: join(folder, "main.js"),
    platform: "node",
    resolve: { conditionNames: [condition, "import", "default"] },
    external: (id) => id.startsWith("node:") || id.endsWith(".wasm"),
    transform: { define },
    logLevel: "silent",
  });
  const file = join(folder, name, format === "cjs" ? "app.cjs" : "app.mjs");
  await build.write({ file, format });
  return file;
}

const place = (file: string) => {
  for (const name of KERNELS) cpSync(join(PROJECT, "dist/src/host", name), join(file, "..", name));
};

describe.each([
  ["esm", "node"],
  ["cjs", "node"],
  ["esm", "deno"],
] as const)("a bundle (%s, condition %s)", (format, condition) => {
  const runtime = RUNTIMES.find(({ name }) => name.toLowerCase() === condition)!;
  it.skipIf(!runtime.command)(
    `${titleOf(runtime)}: KERNELS_MISSING says where; with them beside it, the story`,
    async () => {
      const file = await bundle(`${LONG}${format}-${condition}`, format, condition);
      const run = () => runToEnd(runtime.command!, [...runtime.args(`${folder},${PROJECT}`), file], folder);
      const missing = await run();
      const build = /(simd|relaxed)\.wasm/.exec(missing.out)?.[0];
      expect(missing.out).toContain("KERNELS_MISSING: ");
      expect(missing.out).toContain(JSON.stringify(join(file, "..", build!)));
      expect(missing.code).toBe(0);
      place(file);
      const { out, err } = await run();
      expect(out, err).toBe(`${STORY}\n`);
    },
  );
});

const bun = RUNTIMES.find(({ name }) => name === "Bun")!;
describe.skipIf(!bun.command)(titleOf(bun), () => {
  const build = async (...args: string[]) => {
    const { code, err } = await runToEnd(bun.command!, ["build", join(folder, "main.js"), ...args], folder);
    expect(code, err).toBe(0);
  };

  it("bun build --compile: one file, which tells the story where nothing else is", async () => {
    await build("--compile", "--outfile", join(folder, "compiled/story"));
    const alone = projectFolder("alone");
    rmSync(join(alone, "node_modules"), { recursive: true });
    cpSync(join(folder, "compiled/story"), join(alone, "story"));
    const { out, err } = await runToEnd(join(alone, "story"), [], alone);
    expect(out, err).toBe(`${STORY}\n`);
  });

  it("bun build --target=bun: the story; without the kernels that it wrote KERNELS_MISSING says where", async () => {
    const out = join(folder, "bun");
    mkdirSync(out);
    await build("--target=bun", "--outdir", out, "--asset-naming=[name].[ext]");
    const run = () => runToEnd(bun.command!, ["run", join(out, "main.js")], folder);
    expect((await run()).out).toBe(`${STORY}\n`);
    for (const name of KERNELS) rmSync(join(out, name));
    expect((await run()).out).toMatch(/KERNELS_MISSING: .*bun\/(simd|relaxed)\.wasm/);
  });
});

it("a file that is no module: KERNELS_INVALID names it", async () => {
  const file = await bundle("invalid", "esm", "node");
  for (const name of KERNELS) writeFileSync(join(file, "..", name), "<!doctype html>");
  const { out } = await runToEnd(process.execPath, [file], folder);
  expect(out).toMatch(/KERNELS_INVALID: .*\[file "(simd|relaxed)\.wasm"\]/);
});
