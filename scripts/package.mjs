/**
 * The package as its users get it: packed, checked, installed with scripts disabled into an empty folder, run there, bundled with
 * each bundler, and the bundles run in headless Chromium under a content security policy without eval. Needs npm's registry,
 * a Chromium on PATH and a built dist/. All of it happens in a temporary folder, which goes away; --keep leaves it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundles } from "./package/bundles.mjs";
import { checkTypes } from "./package/consumer-types.mjs";
import { runInstalled } from "./package/installed.mjs";
import { installPlain, pack } from "./package/pack.mjs";
import { lintPackage } from "./package/publish-lint.mjs";
import { Report } from "./package/report.mjs";
import { runServed } from "./package/served.mjs";

const keep = process.argv.includes("--keep");
const unknown = process.argv.slice(2).find((argument) => argument !== "--keep");
if (unknown !== undefined) {
  console.error(`npm run package: unknown argument, got ${unknown}, expected --keep or nothing`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "wasmaverick-package-"));
const report = new Report();
try {
  const packed = await report.need("npm pack", () => pack(folder));
  const plain = await report.need("npm install", () => installPlain(folder, packed));
  await lintPackage(report, packed.tarball);
  await checkTypes(report, plain);
  const expected = await report.need("node, installed", () => runInstalled(report, plain));
  await runServed(report, plain, expected);
  await bundles(report, join(folder, "bundles"), packed.tarball, expected);
} catch (error) {
  if (!report.failed) throw error;
} finally {
  if (keep) console.log(`left in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
console.log(report.failed ? `\n${report.failed} of ${report.count} failed` : `\nall ${report.count} hold`);
process.exit(report.failed ? 1 : 0);
