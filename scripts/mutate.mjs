#!/usr/bin/env node
// Mutations of real headers and files: npm run mutate [-- --count 1000000] [--seed N] [--processes 2]
// One of them again:                   npm run mutate -- --only "gguf bytes" --seed N --case K [--keep FOLDER]
// What each is held to: mutations/contract.mjs. Exit code 1 where a promise is broken.

import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { serialize } from "node:v8";
import { targetsOf } from "./mutations/cases.mjs";
import { answerOf } from "./mutations/child-answer.mjs";
import { walk } from "./mutations/contract.mjs";
import { makeCorpus } from "./mutations/corpus.mjs";

const WORKER = fileURLToPath(new URL("mutations/worker.mjs", import.meta.url));
/** A case that takes longer than this hangs: its process is ended. */
const HANG_MS = 10_000;
const JOB = 2000;
/** Each costs a process; a leak shows in the first. */
const MOST_SUSPECTS = 200;

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    processes: { type: "string", default: "2" },
    only: { type: "string" },
    case: { type: "string" },
    keep: { type: "string" },
  },
});
const seed = Number(options.seed);
const folder = mkdtempSync(join(tmpdir(), "mutate-"));
const children = new Set();
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => {
    cleanUp();
    process.exit(130);
  });
try {
  await main();
} finally {
  cleanUp();
}

function cleanUp() {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  console.log(`mutations: seed ${seed}`);
  const corpus = await makeCorpus();
  writeFileSync(join(folder, "corpus"), serialize(corpus));
  const weights = Object.entries(targetsOf(corpus)).filter(
    ([name]) => options.only === undefined || name === options.only,
  );
  if (weights.length === 0) throw new Error(`no target ${options.only}`);
  if (options.case !== undefined) return showOne(weights[0][0], Number(options.case));

  await checkSeeds(corpus);
  const start = performance.now();
  const rows = new Map(weights.map(([name]) => [name, { cases: 0, accepted: 0, codes: {}, worst: { ms: 0 } }]));
  const failures = [];
  const suspects = [];
  const jobs = jobsOf(weights);
  const all = Array.from({ length: Number(options.processes) }, (_, slot) =>
    work(slot, jobs, failures, (result) => {
      add(rows.get(result.target), result);
      failures.push(...result.failures);
      suspects.push(...result.suspects);
    }),
  );
  await Promise.all(all);
  failures.push(...(await confirm(suspects)));
  report(rows, failures, suspects, (performance.now() - start) / 1000);
  if (failures.length > 0) process.exitCode = 1;
}

/** What is mutated is accepted as it is, or most mutations would end at the same refusal. */
async function checkSeeds({ ggufs, split, folders, shards, conversation }) {
  const inputs = [
    ...ggufs.map((one) => ({ files: new Map([["m.gguf", one]]), path: "m.gguf" })),
    ...[...folders, shards, split].map((files) => ({
      files: new Map(files.map(([name, one]) => [`m/${name}`, one])),
      path: files === split ? `m/${split[0][0]}` : "m",
    })),
  ];
  for (const input of inputs) {
    const { error } = await walk({ ...input, vocab: 4096, inspected: true }, conversation);
    if (error) throw new Error(`a file that is to be mutated is refused: ${error.message}`);
  }
}

/** Ranges of cases of every target, large targets first. */
function jobsOf(weights) {
  const sum = weights.reduce((total, [, { weight }]) => total + weight, 0);
  return weights.flatMap(([target, { weight }]) => {
    const count = Math.ceil((Number(options.count) * weight) / sum);
    return Array.from({ length: Math.ceil(count / JOB) }, (_, i) => ({
      target,
      seed,
      from: i * JOB,
      to: Math.min(count, (i + 1) * JOB),
    }));
  });
}

/** Feeds one process after the other with jobs; one that hangs or dies is replaced, and the case it was at is a failure. */
async function work(slot, jobs, failures, done) {
  let child = await start(slot);
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    const result = await ask(child, job);
    if (result.lost === undefined) {
      done(result);
      continue;
    }
    const { index, why } = result.lost;
    failures.push({ target: job.target, seed, index, what: why });
    jobs.unshift(
      ...[
        { ...job, to: index },
        { ...job, from: index + 1 },
      ].filter(({ from, to }) => from < to),
    );
    child = await start(slot);
  }
  stop(child);
}

async function start(slot) {
  const progress = join(folder, `progress-${slot}`);
  const child = fork(WORKER, [join(folder, "corpus"), progress], {
    serialization: "advanced",
    execArgv: ["--max-old-space-size=1024"],
  });
  children.add(child);
  await answerOf(child);
  return { child, progress };
}

function stop({ child }) {
  children.delete(child);
  child.kill("SIGKILL");
}

async function ask({ child, progress }, job) {
  child.send(job);
  let last = "";
  let since = performance.now();
  let why = "the process ended";
  const watch = setInterval(() => {
    const now = readFileSync(progress).toString("hex");
    if (now !== last) since = performance.now();
    else if (performance.now() - since > HANG_MS) {
      why = `no answer within ${HANG_MS / 1000} s`;
      child.kill("SIGKILL");
    }
    last = now;
  }, 500);
  try {
    return await answerOf(child);
  } catch {
    children.delete(child);
    return { lost: { index: readFileSync(progress).readUInt32LE(0), why } };
  } finally {
    clearInterval(watch);
  }
}

function add(row, { cases, accepted, codes, worst }) {
  row.cases += cases;
  row.accepted += accepted;
  for (const [code, count] of Object.entries(codes)) row.codes[code] = (row.codes[code] ?? 0) + count;
  if (worst.ms > row.worst.ms) row.worst = worst;
}

/** Peaks of memory also come from garbage of the cases before: each is measured in a process of its own. */
async function confirm(suspects) {
  const failures = [];
  for (const { target, index } of suspects.slice(0, MOST_SUSPECTS)) {
    const opened = await start(0);
    const { suspects: again = [] } = await ask(opened, { target, seed, from: index, to: index + 1 });
    for (const { grown } of again)
      failures.push({ target, seed, index, what: `the peak of memory grew by ${mebibytes(grown)}` });
    stop(opened);
  }
  return failures;
}

function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function report(rows, failures, suspects, seconds) {
  console.log("| target | mutations | accepted | refused, most often as | worst, ms |\n|---|---|---|---|---|");
  let cases = 0;
  for (const [name, row] of rows) {
    const codes = Object.entries(row.codes).sort((a, b) => b[1] - a[1]);
    const top = codes.slice(0, 4).map(([code, count]) => `${code} ${count}`);
    const rest = codes.length > 4 ? `, ${codes.length - 4} more` : "";
    const worst = `${row.worst.ms.toFixed(1)} (case ${row.worst.index}, ${row.worst.bytes} bytes read)`;
    console.log(`| ${name} | ${row.cases} | ${row.accepted} | ${top.join(", ")}${rest} | ${worst} |`);
    cases += row.cases;
  }
  console.log(
    `${cases} mutations in ${seconds.toFixed(0)} s, ${(cases / seconds).toFixed(0)} a second; ${suspects.length} peaks of memory looked at again`,
  );
  const kinds = new Map();
  for (const failure of failures) kinds.set(failure.what, [...(kinds.get(failure.what) ?? []), failure]);
  for (const [what, same] of kinds) {
    const [{ target, index }] = same;
    console.log(`BROKEN ${same.length} times, first by --only "${target}" --seed ${seed} --case ${index}: ${what}`);
  }
  console.log(failures.length === 0 ? "every promise is kept" : `${failures.length} failures`);
}

async function showOne(target, index) {
  const opened = await start(0);
  const result = await ask(opened, { target, seed, from: index, to: index + 1, detail: true });
  stop(opened);
  const { input, ...rest } = result;
  console.log(rest);
  const files =
    input?.files ??
    new Map(input?.template === undefined ? [] : [["template.jinja", { bytes: Buffer.from(input.template) }]]);
  for (const [name, { bytes, size }] of files) {
    console.log(`${name}: ${bytes.length} bytes given, then zeros up to ${size ?? bytes.length}`);
    if (options.keep === undefined) continue;
    const path = join(options.keep, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  if (result.lost || result.failures.length > 0) process.exitCode = 1;
}
