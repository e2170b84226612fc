// One engine, one process: JSON lines in on stdin, JSON lines out on stdout. The first line out says what was loaded, then an answer
// a request.

import { createInterface } from "node:readline";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/**
 * `load()` gives `{ about, run }`: what to print of the engine, and `run({ ids, generate })`, which decodes the prompt, chooses an id,
 * and decodes and chooses `generate` times more: `{ promptMs, generateMs, ids }`, `ids` the first `generate` chosen ones.
 * An error ends the process; its message is the last line of stderr, which the driver shows.
 */
export async function serve(load) {
  try {
    const { about, run } = await load();
    say(about);
    for await (const line of createInterface({ input: process.stdin })) say(await run(JSON.parse(line)));
    process.exit(0);
  } catch (error) {
    console.error(error);
    console.error(String(error).split("\n")[0]);
    process.exit(1);
  }
}

/** Libraries print to stdout as they like; here it belongs to the answers. */
export function quietConsole() {
  for (const name of ["log", "info", "debug", "warn"]) console[name] = (...words) => console.error(...words);
}
