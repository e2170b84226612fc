import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../command.mjs";
import { problemOf } from "./outcome.mjs";
import { ROOT } from "./pack.mjs";

export const MODEL = join(ROOT, "models/storyteller-q8_0.gguf");
export const APP = fileURLToPath(new URL("./app", import.meta.url));

/** The installed package in node, by import and by its command; what it answers is what every bundle must answer. */
export async function runInstalled(report, { path, version }) {
  for (const file of ["prompt.js", "node.js"]) copyFileSync(join(APP, file), join(path, file));
  const outcome = JSON.parse(await run(process.execPath, ["node.js", MODEL], { cwd: path }));
  const expected = { texts: outcome.answers.map(({ text }) => text), host: "node", missing: "FILE_MISSING" };
  const problem =
    problemOf(outcome, expected) ?? (new Set(expected.texts).size === 1 ? undefined : "threads differ in their texts");
  const args = [MODEL, "-p", "Once upon a time there was an owl", "--max-tokens", "16", "--temperature", "0"];
  const said = await run(join(path, "node_modules/.bin/wasmaverick"), args, { cwd: path });
  const wanted = expected.texts[0];
  report.row("command, installed", {
    version,
    problem: said.includes(wanted.trim())
      ? undefined
      : `got ${JSON.stringify(said)}, expected ${JSON.stringify(wanted)}`,
  });
  return {
    ...expected,
    rows: [{ version: process.versions.node, threads: "0, 2", problem, note: JSON.stringify(wanted) }],
  };
}
