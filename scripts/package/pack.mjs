import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../command.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Bytes. Close above what the package has: growth is a decision, made here. The template engine is in it since no dependency
 * is (that one had 414 kB unpacked), q5_1 has kernels of its own, and the server, which no bundle of the engine holds, has 130 kB,
 * the queue 30 kB. Vision, its pictures, wider tiles of the kernels and rows of groups apart (30 kB) made the rest grow.
 */
const BUDGET = { packed: 725_000, unpacked: 2_580_000 };

/** What may lie in the package. */
const WANTED =
  /^(package\.json|README\.md|LICENSE|dist\/(wasmaverick|server)\.d\.ts|dist\/assembly\/abi\.js|dist\/src\/.*\.(js|wasm)|dist\/src\/host\/worker-web\.d\.ts)$/;

/** The tarball of the project as it is built, made without its scripts: they would build it again. */
export async function pack(folder) {
  for (const built of [
    "dist/src/index.js",
    "dist/src/host/simd.wasm",
    "dist/src/host/worker-web.js",
    "dist/wasmaverick.d.ts",
  ]) {
    if (!existsSync(join(ROOT, built))) throw new Error(`${built} is missing: npm run build comes first`);
  }
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const [packed] = Object.values(JSON.parse(await run("npm", args, { cwd: ROOT })));
  const stray = packed.files.map(({ path }) => path).filter((path) => !WANTED.test(path));
  const within = (what, bytes, limit) => ({
    note: `${what}, at most ${limit.toLocaleString("en")}`,
    problem:
      bytes <= limit ? undefined : `${what} ${bytes} bytes, expected at most ${limit} (scripts/package/pack.mjs)`,
    bytes,
  });
  return {
    tarball: join(folder, packed.filename),
    version: packed.version,
    rows: [
      within("packed", packed.size, BUDGET.packed),
      within("unpacked", packed.unpackedSize, BUDGET.unpacked),
      {
        note: `${packed.files.length} files, each wanted`,
        problem: stray.length ? `files that nobody needs: ${stray.join(", ")}` : undefined,
      },
    ],
  };
}

/** An empty folder with the package in it, installed with scripts disabled. */
export async function installPlain(folder, { tarball, version }) {
  const path = join(folder, "plain");
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", tarball], { cwd: path });
  return { path, version, rows: [{ version, note: "into an empty folder, scripts disabled" }] };
}
