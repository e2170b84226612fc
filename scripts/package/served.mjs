import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../command.mjs";
import { APP, MODEL } from "./installed.mjs";
import { ROOT } from "./pack.mjs";

/**
 * The subpath `wasmaverick/server` of the installed package: without the packages that serving needs it says which, with them it answers
 * as the model does.
 */
export async function runServed(report, { path, version }, expected) {
  copyFileSync(join(APP, "served.js"), join(path, "served.js"));
  const answer = async () => JSON.parse(await run(process.execPath, ["served.js", MODEL], { cwd: path }));
  const row = async (what, good, note) => {
    const problem = await answer().then(
      (said) => (good(said) ? undefined : `got ${JSON.stringify(said)}`),
      (error) => error.message,
    );
    report.row(what, { version, problem, note });
  };
  await row("server, without its peers", ({ code }) => code === "PEER_MISSING", "PEER_MISSING");
  const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const peers = Object.entries(peerDependencies).map((pair) => pair.join("@"));
  await report.need("npm install, peers", async () => {
    await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...peers], { cwd: path });
    return { rows: [{ note: `${peers.length}, scripts disabled` }] };
  });
  await row("server, with them", ({ text }) => text === expected.texts[0], "node's text");
}
