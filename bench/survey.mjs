// The ceilings of this machine, before anything is held against them: each rung, one thread and all.

import { Arena } from "./arena.mjs";
import { fits } from "./cases.mjs";
import { ceilings } from "./ceilings.mjs";
import { interleaved } from "./measure.mjs";

/** Where the pairing of vectors does not make arithmetic faster by this, there is none. */
const PAIRED = 1.25;

/** Roofs by rung and threads. */
export class Ceilings {
  rows = [];

  add(rung, threads, { roof, unit, work, bytes }, { best, median }) {
    const amount = (work ?? bytes) / 1e6;
    const row = { rung, threads, roof, unit, best: amount / best, median: amount / median };
    const at = this.rows.findIndex((other) => other.rung === rung && other.threads === threads && other.roof === roof);
    if (at < 0) this.rows.push(row);
    else if (this.rows[at].best < row.best) this.rows[at] = row;
  }

  /** Plain JavaScript is held against scalar code. */
  of(rung, threads, roof) {
    const from = rung === "javascript" ? "scalar" : rung;
    return this.rows.find((row) => row.rung === from && row.threads === threads && row.roof === roof)?.best;
  }
}

/** bench as in ladder.mjs. The wide rung is taken out of it where V8 accepts the flag and pairs nothing. */
export async function survey(bench) {
  const found = new Ceilings();
  const { rounds, ms } = bench.timing.ceilings;
  const arena = new Arena(bench.memory, 0, 1, bench.parts);
  const jobs = ["scalar", "simd", "relaxed", "wide"].flatMap((rung) =>
    ceilings.filter((entry) => fits(entry, rung, bench.opened[rung])).map((entry) => ({ rung, entry })),
  );
  // Rounds over all of them: a roof that was measured in a bad moment lets kernels reach through it.
  for (let round = 0; round < rounds; round++) {
    for (const { rung, entry } of jobs) {
      const { call } = entry.prepare(bench.opened[rung], arena.fork());
      const time = interleaved(new Map([[entry.id, call]]), { ms: ms / rounds, rounds: 1 }).get(entry.id);
      found.add(rung, 1, entry, time);
      if (!bench.team) continue;
      found.add(
        rung,
        bench.team.size,
        entry,
        await bench.team.run(entry.id, rung, time.best, bench.timing.teamCeilings),
      );
    }
  }
  if (bench.opened.wide) withoutIdleWide(bench, found);
  return found;
}

function withoutIdleWide(bench, found) {
  const [narrow, wide] = ["relaxed", "wide"].map((rung) => found.of(rung, 1, "f32 mul+add"));
  if (wide >= narrow * PAIRED) return;
  bench.rungs.wide = {
    missing: `V8 took the flag and pairs nothing: ${wide.toFixed(0)} GFLOP/s against ${narrow.toFixed(0)}`,
  };
  bench.opened.wide = undefined;
  found.rows = found.rows.filter(({ rung }) => rung !== "wide");
}
