#!/usr/bin/env node
// Changed and cut pictures of every kind: npm run picture-fuzz -- [--count 1000] [--seed N] [--only png|jpeg|webp|gif] [--case K]
// Each must be read, or refused by a typed error, in bounded time and memory, and good ones be read afterwards as before. `--count`: of
// each kind. Exit code 1 where a promise is broken.

import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { answerOf } from "./mutations/child-answer.mjs";
import { Random } from "./mutations/random.mjs";
import { makeCorpus } from "./pictures/corpus.mjs";
import { mutatePicture } from "./pictures/mutate-picture.mjs";

const WORKER = fileURLToPath(new URL("pictures/worker.mjs", import.meta.url));
const KINDS = ["png", "jpeg", "webp", "gif"];
const JOB = 250;
/** A case that takes longer hangs: its process is ended. */
const HANG_MS = 60_000;
/** Each costs a process, and minutes where it hangs. */
const MOST_LOST = 10;
/** Of the process: 64 million pixels as RGBA, what a decoder holds beside them, and JavaScript itself. */
const MOST_BYTES = 2 * 2 ** 30;

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    only: { type: "string" },
    case: { type: "string" },
    keep: { type: "string" },
  },
});
const seed = Number(options.seed);
const kinds = KINDS.filter((kind) => options.only === undefined || kind === options.only);
if (kinds.length === 0) throw new Error(`no kind ${options.only}, expected one of ${KINDS.join(", ")}`);
const folder = mkdtempSync(join(tmpdir(), "pictures-"));
const progress = join(folder, "progress");
console.log(`pictures: seed ${seed}`);
try {
  const first = options.case === undefined ? 0 : Number(options.case);
  const end = options.case === undefined ? Number(options.count) : first + 1;
  if (options.case !== undefined && options.keep !== undefined) await keep(kinds[0], first);
  console.log(
    "| kind | files | read | refused as | worst, ms (its pixels) | peak of the process |\n|---|---|---|---|---|---|",
  );
  const failures = [];
  for (const kind of kinds) failures.push(...(await fuzz(kind, first, end)));
  for (const { kind, index, what } of failures)
    console.log(`BROKEN by --only ${kind} --seed ${seed} --case ${index}: ${what}`);
  console.log(failures.length === 0 ? "every promise is kept" : `${failures.length} failures`);
  if (failures.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function keep(kind, index) {
  writeFileSync(options.keep, mutatePicture(kind, await makeCorpus(), new Random(seed, kind, index)));
}

/** All cases of a kind, each job in a process of its own: peaks are its own too. */
async function fuzz(kind, first, end) {
  const failures = [];
  const sum = { cases: 0, read: 0, codes: {}, worst: { ms: 0 }, peak: 0 };
  const jobs = [];
  for (let from = first; from < end; from += JOB) jobs.push({ kind, seed, from, to: Math.min(end, from + JOB) });
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    const result = await run(job);
    if (result.lost === undefined) {
      failures.push(...result.failures.map((failure) => ({ kind, ...failure })));
      add(sum, result);
      if (result.peak > MOST_BYTES)
        failures.push({ kind, index: job.from, what: `a peak of ${mebibytes(result.peak)}` });
      continue;
    }
    const index = result.lost;
    failures.push({ kind, index, what: result.why });
    if (failures.length >= MOST_LOST) break;
    for (const part of [
      { ...job, to: index },
      { ...job, from: index + 1 },
    ])
      if (part.from < part.to) jobs.push(part);
  }
  const refused = Object.entries(sum.codes).map(([code, count]) => `${code} ${count}`);
  const worst = `${sum.worst.ms.toFixed(0)} (${sum.worst.pixels ?? 0}, case ${sum.worst.index})`;
  console.log(`| ${kind} | ${sum.cases} | ${sum.read} | ${refused.join(", ")} | ${worst} | ${mebibytes(sum.peak)} |`);
  return failures;
}

/** `{ lost, why }`: the process ended at that case, or was ended since it hung there. */
async function run(job) {
  const child = fork(WORKER, [progress], { serialization: "advanced" });
  let why = "the process ended";
  try {
    await answerOf(child);
    child.send(job);
    let [last, since] = ["", performance.now()];
    const watch = setInterval(() => {
      const now = readFileSync(progress).toString("hex");
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > HANG_MS) {
        why = `no answer within ${HANG_MS / 1000} s`;
        child.kill("SIGKILL");
      }
    }, 500);
    try {
      return await answerOf(child);
    } finally {
      clearInterval(watch);
    }
  } catch {
    return { lost: readFileSync(progress).readUInt32LE(0), why };
  } finally {
    child.kill("SIGKILL");
  }
}

function add(sum, { cases, read, codes, worst, peak }) {
  sum.cases += cases;
  sum.read += read;
  for (const [code, count] of Object.entries(codes)) sum.codes[code] = (sum.codes[code] ?? 0) + count;
  if (worst.ms > sum.worst.ms) sum.worst = worst;
  sum.peak = Math.max(sum.peak, peak);
}

function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
