// One process of a run: gets a corpus, then jobs of cases, and answers each with what happened.

import { openSync, readFileSync, writeSync } from "node:fs";
import { deserialize } from "node:v8";
import { openCheckpoint } from "../../dist/src/checkpoint/open.js";
import { openTokenizer } from "../../dist/src/tokenizer/tokenizer.js";
import { targetsOf } from "./cases.mjs";
import { walk } from "./contract.mjs";
import { mountFiles } from "./memory-files.mjs";
import { Random } from "./random.mjs";

const [, , corpusFile, progressFile] = process.argv;
const corpus = deserialize(readFileSync(corpusFile));
const targets = targetsOf(corpus);
const tokenizer = await storytellerTokenizer();

/** Where the watchdog reads, also when this process can no longer say anything. */
const progress = openSync(progressFile, "w");
const current = new Uint32Array(2);

/** Stacks cost as much as reading the file; a failure is run again for its own. */
Error.stackTraceLimit = 0;

/** Peak memory that one case may add, beside twice its bytes. */
const MEMORY = 16 * 2 ** 20;

process.on("message", async (job) => process.send(await runJob(job)));
process.on("disconnect", () => process.exit());
process.send("ready");

async function storytellerTokenizer() {
  mountFiles(new Map([["m.gguf", corpus.vocabulary]]));
  const checkpoint = await openCheckpoint("m.gguf");
  const opened = openTokenizer(checkpoint, checkpoint.metadata.get("tokenizer.ggml.tokens").length);
  await checkpoint.close();
  return opened;
}

class Late extends Error {}

async function runJob({ target, seed, from, to, detail }) {
  const result = { target, cases: to - from, accepted: 0, codes: {}, worst: { ms: 0 }, failures: [], suspects: [] };
  for (let index = from; index < to; index++) {
    current[0] = index;
    current[1]++;
    writeSync(progress, current, 0, 8, 0);
    const input = targets[target].make(new Random(seed, target, index));
    // It does the work of the other stages once more.
    input.inspected = index % 4 === 0;
    const peak = peakBytes();
    let [bytes, grown] = [0, 0];
    try {
      const first = await walk(input, corpus.conversation, tokenizer);
      // Before a late case is run again, whose garbage is none of the input's.
      grown = peakBytes() - peak;
      const stages = await timed(first, input, result.worst, index);
      bytes = stages.bytes;
      if (stages.code === undefined) result.accepted++;
      else result.codes[stages.code] = (result.codes[stages.code] ?? 0) + 1;
      if (detail) Object.assign(result, { times: stages.times, error: String(stages.error ?? "accepted"), input });
    } catch (error) {
      result.failures.push({ target, seed, index, what: await describe(error, input) });
      if (detail) Object.assign(result, { input });
    }
    if (grown > MEMORY + 2 * bytes) result.suspects.push({ target, seed, index, grown });
  }
  return result;
}

/** A case that is late is run again: a busy machine is no fault of the input. */
async function timed(first, input, worst, index) {
  let least = first;
  for (let again = 0; again < 3 && least.late(); again++) {
    const next = await walk(input, corpus.conversation, tokenizer, true);
    if (total(next) < total(least)) least = next;
  }
  const late = least.late();
  if (late)
    throw new Late(`${late[0]} took ${late[1].toFixed(0)} ms for ${least.bytes} bytes (${least.code ?? "accepted"})`);
  const ms = total(least);
  if (ms > worst.ms) Object.assign(worst, { ms, index, bytes: least.bytes });
  return least;
}

function total({ times }) {
  return Object.values(times).reduce((sum, ms) => sum + ms, 0);
}

function peakBytes() {
  return process.resourceUsage().maxRSS * 1024;
}

/** With the stack of a second run, which the error has not. */
async function describe(error, input) {
  if (!(error instanceof Error) || error instanceof Late) return String(error);
  Error.stackTraceLimit = 10;
  try {
    await walk(input, corpus.conversation, tokenizer);
    return `${error.message}, the second time not`;
  } catch (again) {
    return again.stack
      .split("\n")
      .slice(0, 6)
      .join(" | ")
      .replaceAll(/file:\S*\/(?=dist|scripts)/g, "");
  } finally {
    Error.stackTraceLimit = 0;
  }
}
