// One kernel up the ladder: rungs measured in turn, checked against each other, held against their roofs.

import { Arena } from "./arena.mjs";
import { fits } from "./cases.mjs";
import { levelOf, roofOf } from "./ceilings.mjs";
import { interleaved } from "./measure.mjs";
import { RUNGS } from "./rungs.mjs";

const BUILDS = ["simd", "relaxed", "wide"];

/**
 * bench: { memory, parts, rungs, opened, team, ceilings, timing }. Returns { rows, failures }; a row: { kernel, shape, group, rung },
 * then { missing }, or { of, threads, best, median (ms), rate, gbs, intensity, roof, ofRoof, times, bits }.
 */
export async function climb(entry, bench) {
  const arena = new Arena(bench.memory, 0, 1, bench.parts);
  const calls = new Map();
  const failures = [];
  if (entry.loop) {
    const loops = [await plainFor(entry.id), bench.opened.scalar];
    const [javascript, scalar] = loops.map((loop, i) => loopCalls(entry.loop, loop[entry.loop.name], arena, i === 1));
    failures.push(...disagreement(javascript, scalar));
    calls.set("javascript", javascript.call).set("scalar", scalar.call);
  }
  const builds = BUILDS.filter((rung) => fits(entry, rung, bench.opened[rung]));
  const bits = {};
  for (const rung of builds) {
    try {
      bits[rung] = bitsOf(entry, strict(bench.opened[rung]), arena.fork());
    } catch (error) {
      failures.push(`${rung}: ${error.message}`);
    }
  }
  if (bits.wide !== bits.relaxed && bits.wide && bits.relaxed) failures.push("wide gives other bits than narrow");
  for (const rung of Object.keys(bits)) calls.set(rung, entry.prepare(bench.opened[rung], arena.fork()).call);

  const rows = [...interleaved(calls, bench.timing)].map(([rung, time]) => ({
    rung,
    of: rung,
    threads: 1,
    ...time,
    bits: bits[rung],
  }));
  const fastest = highest(rows.filter(({ rung }) => BUILDS.includes(rung)));
  if (fastest && bench.team) {
    const time = await bench.team.run(entry.id, fastest.rung, fastest.best, bench.timing.team);
    rows.push({ rung: "threads", of: fastest.rung, threads: bench.team.size, ...time });
  }
  const javascript = rows.find(({ rung }) => rung === "javascript")?.best;
  const all = RUNGS.map(
    (rung) => rows.find((row) => row.rung === rung) ?? { rung, missing: whyMissing(rung, entry, bench) },
  );
  const name = { kernel: entry.kernel, shape: entry.shape, group: entry.group };
  return {
    rows: all.map((row) => ({ ...name, ...(row.missing ? row : rated(row, entry, javascript, bench.ceilings)) })),
    failures,
  };
}

/** The fastest; of those that differ by noise alone the highest rung. */
function highest(rows) {
  const best = Math.min(...rows.map((row) => row.best));
  return rows.findLast((row) => row.best <= best * 1.03);
}

/** Loops of its own for each kernel: V8 must not have seen other types in them. */
async function plainFor(id) {
  const [loops, ofBlocks] = await Promise.all(
    ["plain", "plain-blocks"].map((name) => import(`./${name}.mjs?${encodeURIComponent(id)}`)),
  );
  return { ...loops, ...ofBlocks };
}

/** The loop over typed arrays, or over addresses of copies of them; over the next operands each time where there are several sets. */
function loopCalls({ operands, sizes }, loop, arena, inWasm) {
  const made = operands(arena);
  const sets = Array.isArray(made[0]) ? made : [made];
  const places = new Map();
  const place = (values) => {
    if (!places.has(values)) places.set(values, inWasm ? arena.put(values) : values);
    return places.get(values);
  };
  const all = sets.map((set) => [...set.map(place), ...sizes]);
  const [[first]] = sets;
  const result = () => (inWasm ? arena.view(first.constructor, place(first), first.length) : first);
  let next = 0;
  const call = () => {
    loop(...all[next]);
    next = next + 1 === all.length ? 0 : next + 1;
  };
  return { call, result };
}

/** Both ran once on equal operands; JavaScript sums in f64, rounds half up. */
function disagreement(javascript, scalar) {
  javascript.call();
  scalar.call();
  const [expected, actual] = [javascript.result(), scalar.result()];
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const at = expected.findIndex((value, i) => !(Math.abs(value - actual[i]) <= 0.01 * largest));
  return at < 0 ? [] : [`scalar wasm gives ${actual[at]} where JavaScript gives ${expected[at]}`];
}

/** Wasm takes a missing operand for 0, and a loop that steps by 0 never ends. */
function strict(exports) {
  return Object.fromEntries(
    Object.entries(exports).map(([name, run]) => [
      name,
      (...operands) => {
        if (operands.length === run.length) return run(...operands);
        throw new TypeError(`${name} takes ${run.length} operands, bench/cases/ gives it ${operands.length}`);
      },
    ]),
  );
}

/** What one call leaves in memory. */
function bitsOf(entry, exports, arena) {
  const { call, outputs } = entry.prepare(exports, arena);
  arena.stream.offset = 0;
  call();
  return arena.hash(outputs);
}

/** The roof of a kernel is what takes longer at best: its operations or its bytes. */
function rated(row, entry, javascript, ceilings) {
  const { work, bytes, arithmetic } = entry;
  const roofs = [];
  const under = (roof, amount) => {
    const ceiling = amount && ceilings.of(row.of, row.threads, roof);
    if (ceiling) roofs.push({ roof, least: amount / ceiling / 1e6 });
  };
  if (arithmetic) under(roofOf(row.of, arithmetic), work);
  under(levelOf(entry), bytes);
  const [binding] = roofs.sort((a, b) => b.least - a.least);
  return {
    ...row,
    rate: work && work / row.best / 1e6,
    gbs: bytes && bytes / row.best / 1e6,
    unit: arithmetic === "i16" || arithmetic === "i8" ? "GOP/s" : "GFLOP/s",
    arithmetic,
    intensity: work && bytes && work / bytes,
    roof: binding?.roof,
    ofRoof: binding && binding.least / row.best,
    times: javascript && javascript / row.best,
  };
}

function whyMissing(rung, entry, { rungs, opened, team }) {
  if (rung === "threads") return team ? "no build runs it" : "one thread";
  if (rung === "javascript" || rung === "scalar") return "no plain loop does this";
  if (fits(entry, rung, opened[rung])) return "see below";
  if (!rungs[rung].missing && entry.dot && entry.exports.every((name) => name in opened[rung]))
    return `the processor's dot of bytes, as V8 uses it, is not ${entry.dot}`;
  return rungs[rung].missing ?? `the build has no ${entry.exports.join(", ")}`;
}
