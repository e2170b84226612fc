/**
 * Other people's set-ups: the package, packed and installed into an empty folder beside each tool, must tell the same story there.
 * npm run setups [-- --only jest,next] [-- --keep]. Needs npm's registry and a built dist/; a minute or three. docs/hosts.md says what each needs.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { run } from "./command.mjs";
import { pack } from "./package/pack.mjs";
import { Report } from "./package/report.mjs";
import { BUNDLED } from "./setups/bundled.mjs";
import { COMPILED } from "./setups/compiled.mjs";
import { NEXT } from "./setups/next.mjs";
import { RUNNERS } from "./setups/runners.mjs";
import { STORY } from "./setups/story.mjs";

const { values } = parseArgs({ options: { only: { type: "string" }, keep: { type: "boolean", default: false } } });
const wanted = values.only?.split(",");
const tools = [RUNNERS, COMPILED, BUNDLED, NEXT].flat().filter(({ name }) => !wanted || wanted.includes(name));
if (tools.length === 0) throw new Error(`npm run setups: no such set-up, got --only ${values.only}`);

const folder = mkdtempSync(join(tmpdir(), "wasmaverick-setups-"));
const report = new Report();
try {
  const { tarball } = await report.need("npm pack", () => pack(folder));
  for (const tool of tools) await runAll(tool, join(folder, tool.name), tarball);
} finally {
  if (values.keep) console.log(`left in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
console.log(report.failed ? `\n${report.failed} of ${report.count} failed` : `\nall ${report.count} hold`);
process.exitCode = report.failed ? 1 : 0;

/** One folder a tool; its set-ups one after the other. */
async function runAll({ name, packages, files = {}, manifest = {}, setups }, place, tarball) {
  const version = Object.values(packages)[0] ?? process.versions.node;
  try {
    write(place, { "package.json": JSON.stringify({ private: true, ...manifest }), ...files });
    const named = Object.entries(packages).map(([one, version]) => `${one}@${version}`);
    const how = ["install", "--ignore-scripts", "--no-audit", "--no-fund"];
    await run("npm", [...how, tarball, ...named], { cwd: place, limitMs: 600_000 });
  } catch (error) {
    return report.row(name, { version, problem: error.message });
  }
  for (const setup of setups) {
    try {
      write(place, setup.files ?? {});
      const said = await setup.run(place);
      const problem = said.includes(STORY) ? undefined : `got ${JSON.stringify(said.slice(-600))}, expected ${STORY}`;
      report.row(`${name}: ${setup.name}`, { version, problem, note: setup.note ?? "the story" });
    } catch (error) {
      report.row(`${name}: ${setup.name}`, { version, problem: error.message });
    }
  }
}

function write(place, files) {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, file)), { recursive: true });
    writeFileSync(join(place, file), text);
  }
}
