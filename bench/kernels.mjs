#!/usr/bin/env node
// Every kernel as a ladder, plain JavaScript -> scalar wasm -> SIMD -> relaxed SIMD -> wide -> threads, beside what this machine
// reaches in each rung: npm run bench -- --help

import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createMemory } from "./arena.mjs";
import { cases, uncovered } from "./cases.mjs";
import { STREAM_MIB } from "./ceilings.mjs";
import { page } from "./html.mjs";
import { climb } from "./ladder.mjs";
import { describe, machine } from "./machine.mjs";
import { readOptions, USAGE } from "./options.mjs";
import { compileRungs, instantiate, RUNGS } from "./rungs.mjs";
import { survey } from "./survey.mjs";
import { block, ceilingTable, header, summaryTable } from "./table.mjs";
import { Team } from "./team.mjs";

/** Whole run about four minutes on two cores: a rung of a kernel has `ms`, in `rounds` between which all others have theirs. */
const timing = (quick) => ({
  ms: quick ? 36 : 120,
  rounds: 4,
  ceilings: quick ? { ms: 40, rounds: 2 } : { ms: 160, rounds: 5 },
  teamCeilings: { ms: quick ? 20 : 32, windows: 6 },
  team: quick ? { ms: 40, windows: 8 } : { ms: 120, windows: 20 },
});

const options = ask();
const entries = chosen();
const print = options.json ? () => {} : (text) => console.log(text);
const emit = options.json ? (line, fields) => console.log(JSON.stringify({ line, ...fields })) : () => {};

const about = machine();
emit("machine", { ...about, streamMib: STREAM_MIB });
print(`${describe(about, STREAM_MIB).join("\n")}\n`);

const memory = createMemory(options.threads);
const rungs = await compileRungs();
const opened = instantiate(rungs, memory);
const team = options.threads > 1 ? new Team(options.threads, memory, options.threads, rungs) : undefined;
const bench = { memory, parts: options.threads, rungs, opened, team, timing: timing(options.quick) };

bench.ceilings = await survey(bench);
for (const ceiling of bench.ceilings.rows) emit("ceiling", ceiling);
print(`${ceilingTable(bench.ceilings)}\n`);
const everywhere = new Map(Object.entries(rungs).flatMap(([rung, { missing }]) => (missing ? [[missing, rung]] : [])));
if (!team) everywhere.set("one thread", "threads");
for (const [missing, rung] of everywhere) print(`  no ${rung} rung: ${missing}`);
for (const name of uncovered([rungs.simd, rungs.relaxed])) print(`  no row for ${name}: add it to bench/cases/`);

const climbs = [];
print(`\n${header()}`);
for (const entry of entries) {
  const result = await climb(entry, bench);
  climbs.push(result);
  print(block(result, everywhere));
  for (const row of result.rows) emit("row", row);
  for (const failure of result.failures) emit("failure", { kernel: entry.kernel, shape: entry.shape, failure });
}
await team?.close();

const failed = climbs.filter(({ failures }) => failures.length > 0);
const wide = climbs.filter(({ rows }) => rows.some(({ rung, bits }) => rung === "wide" && bits)).length;
print(`\n${summaryTable(climbs, RUNGS)}\n`);
if (climbs.some(({ rows }) => rows.some(({ ofRoof }) => ofRoof > 1.05))) {
  print("  more than 100 %: the ceiling had a worse moment, or a kernel met its bytes in a nearer cache");
}
if (wide > 0)
  print(
    `  wide: ${wide - failed.filter(({ failures }) => failures.some((text) => text.startsWith("wide"))).length} of ${wide} rows give the bits of narrow code`,
  );
if (options.html) writeFileSync(options.html, page({ about, streamMib: STREAM_MIB, ceilings: bench.ceilings, climbs }));
if (failed.length > 0) {
  console.error(`${failed.length} rows FAILED a check`);
  process.exitCode = 1;
}

function ask() {
  try {
    const read = readOptions(process.argv.slice(2), availableParallelism());
    if (!read.help) return read;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function chosen() {
  const wanted = cases.filter(({ id, group }) => !options.only || options.only.test(id) || options.only.test(group));
  if (wanted.length === 0) {
    console.error(`no kernel matches ${options.only}`);
    process.exit(2);
  }
  return wanted;
}
