// One file, all engines: warm-up, then rounds, a round being every engine once, one after the other.

import { setTimeout } from "node:timers/promises";
import { idsOf } from "../../dist/src/cli/bench-measures.js";
import { EngineProcess } from "./engine-process.mjs";
import { argumentsOf } from "./roster.mjs";

const WARM_UP_SEED = 1;
/** After a run thread pools spin for a while before they sleep: not on the next engine's time. */
const SETTLE_MS = 500;

/**
 * Rows with `runs` ({ seed, promptTokens, promptMs, generateMs, ids }), `about`, and `failed` where an engine is missing or ended.
 * `idle`: the most of one core that a waiting engine took while another ran.
 */
export async function interleave(rows, file, vocabulary, rounds, tell) {
  const entries = rows.map((row) => ({ row, runs: [], about: undefined, failed: row.missing, engine: undefined }));
  const usable = () => entries.filter(({ failed }) => failed === undefined);
  let idle = { share: 0 };
  try {
    for (const entry of usable()) {
      tell(`loading ${label(entry.row)}`);
      await attempt(entry, async () => {
        entry.engine = await EngineProcess.start(entry.row.command, argumentsOf(entry.row, file));
        entry.about = entry.engine.about;
      });
    }
    for (const entry of usable()) {
      tell(`warming up ${label(entry.row)}`);
      await attempt(entry, () => run(entry, WARM_UP_SEED, vocabulary));
    }
    for (let round = 0; round < rounds; round++) {
      for (const entry of rotated(usable(), round)) {
        if (entry.row.fewerRounds && round >= Math.ceil(rounds / 2)) continue;
        tell(`round ${round + 1} of ${rounds}: ${label(entry.row)}`);
        const waiting = usable().filter((other) => other !== entry);
        await setTimeout(SETTLE_MS);
        const before = waiting.map(({ engine }) => engine.processorMs);
        const begun = performance.now();
        await attempt(entry, async () => entry.runs.push(await run(entry, WARM_UP_SEED + 1 + round, vocabulary)));
        const elapsed = performance.now() - begun;
        waiting.forEach(({ row, engine }, index) => {
          const share = (engine.processorMs - before[index]) / elapsed;
          if (share > idle.share) idle = { share, engine: label(row), while: label(entry.row) };
        });
      }
    }
  } finally {
    await Promise.all(entries.map(({ engine }) => engine?.stop()));
  }
  return { entries, idle };
}

async function run({ row, engine }, seed, { size, textOf, broken }) {
  const { prompt, generate } = row;
  const ids = idsOf(prompt, seed, size);
  const request = row.takesText ? { text: textOf(ids), broken, generate } : { ids, generate };
  return { seed, promptTokens: prompt, ...(await engine.ask(request)) };
}

/** Who runs first has the coolest processor: another one each round. */
function rotated(list, by) {
  const start = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

async function attempt(entry, work) {
  try {
    await work();
  } catch (error) {
    entry.failed = error.message;
  }
}

const label = ({ name, build, threads }) => `${name} (${build}, ${threads} threads)`;
