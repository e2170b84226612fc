/**
 * A server under load: streams that come at random, some of which leave, some of which read slowly. Every one that ends must be, to the
 * character, what the model writes alone; afterwards nothing may be left of them.
 *
 *   npm run server-load -- [--model PATH] [--streams 1064] [--seconds 20] [--tokens 32] [--words 0] [--seed 1] [--threads N]
 *     [--against URL]... [--rounds 1]
 *
 * `--words`: of each prompt, behind its beginning. `--against` asks other servers of OpenAI's API (llama-server with the same file, say) the
 * same, for their times: all in turn, so many `--rounds`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadModel } from "../dist/src/index.js";
import { ask, SAMPLING } from "./server-load/ask.mjs";
import { plan } from "./server-load/plan.mjs";
import { table } from "./server-load/table.mjs";

const at = (place) => fileURLToPath(new URL(place, import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: "string", default: at("../models/storyteller-q8_0.gguf") },
    streams: { type: "string", default: "1064" },
    seconds: { type: "string", default: "20" },
    tokens: { type: "string", default: "32" },
    words: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    threads: { type: "string" },
    against: { type: "string", multiple: true, default: [] },
    rounds: { type: "string", default: "1" },
  },
});
const number = (name) => Number(values[name]);
/** Of a round: none asks what another has asked before. */
const asked = (round) =>
  plan({
    streams: number("streams"),
    seconds: number("seconds"),
    tokens: number("tokens"),
    words: number("words"),
    seed: number("seed") + round,
  });
const rounds = number("rounds");

const MIB = 2 ** 20;
const threads = values.threads === undefined ? [] : ["--threads", values.threads];
const child = spawn(
  process.execPath,
  [
    ...["--expose-gc", "--import", at("./server-load/live-heap.mjs"), at("../dist/src/cli/main.js")],
    ...["serve", values.model, "--port", "0", "--no-log", "--context", "1024", ...threads],
  ],
  { stdio: ["ignore", "pipe", "inherit"] },
);
let failed = false;
try {
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  const url = line.trim().split(" ")[1];
  // Once before: what a first load makes stays for all that follow; what a second one adds would be lost.
  for (const server of [url, ...values.against]) await load(server, asked(rounds));
  const before = await settled(url);
  const others = values.against.map((other) => ({ name: other, server: other, rounds: [] }));
  const rows = [{ name: "this server", server: url, rounds: [] }, ...others];
  for (let round = 0; round < rounds; round++)
    for (const row of rows) row.rounds.push(await load(row.server, asked(round)));
  const after = await settled(url);
  const finished = rows[0].rounds.flatMap((round) => round.finished);
  const wrong = await compare(finished);
  console.log(table(rows));
  console.log(`${finished.length} streams ended, ${wrong.length} of them not as they are alone`);
  console.log(
    `reached by the program ${mib(before.live)} -> ${mib(after.live)} MiB, resident ${mib(before.rss)} -> ${mib(after.rss)} MiB`,
  );
  console.log(`descriptors ${before.files} -> ${after.files}`);
  for (const { seed, text, alone } of wrong.slice(0, 3)) console.log({ seed, text, alone });
  // What is resident beyond what is reached is V8's and the allocator's to give back: bounded, not flat.
  failed =
    wrong.length > 0 || after.files > before.files || after.live > before.live + 4 * MIB || after.rss > 1024 * MIB;
} finally {
  child.kill("SIGTERM");
  const [code] = await once(child, "close");
  if (code !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;

async function load(url, streams) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const answers = await Promise.all(streams.map((one) => ask(url, one, begun)));
  const { user, system } = process.cpuUsage(cpu);
  return {
    /** Of processor time that the asking took. */
    asking: (user + system) / 1e6,
    finished: answers.filter(({ end }) => end === "done"),
    left: answers.filter(({ end }) => end === "left").length,
    refused: answers.filter(({ end }) => end === "refused").length,
    errors: answers.filter(({ end }) => end === "error"),
  };
}

/** Of the server's process. */
async function state() {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
  const files = readdirSync(`/proc/${child.pid}/fd`).length;
  const said = once(child.stdout, "data");
  child.kill("SIGUSR2");
  return { rss, files, live: Number(/^live (\d+)/.exec((await said)[0])[1]) };
}

/** When nothing runs, and connections that are kept alive are gone. */
async function settled(url) {
  for (let tries = 0; tries < 100; tries++) {
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
    if (/requests_active 1\n/.test(text) && /sequences_running\{[^}]*\} 0\n/.test(text)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await new Promise((resolve) => setTimeout(resolve, 6000));
  return await state();
}

async function compare(finished) {
  const model = await loadModel(values.model, {
    context: 1024,
    threads: threads.length ? number("threads") : undefined,
  });
  try {
    const wrong = [];
    const { temperature, top_k: topK, top_p: topP, min_p: minP, ignore_eos: ignoreEos } = SAMPLING;
    const sampling = { temperature, topK, topP, minP, ignoreEos };
    for (const { prompt, tokens, seed, text } of finished) {
      const alone = await model.generate(prompt, { ...sampling, maxTokens: tokens, seed }).text();
      if (alone !== text) wrong.push({ seed, text, alone });
    }
    return wrong;
  } finally {
    await model.dispose();
  }
}

function mib(bytes) {
  return Math.round(bytes / MIB);
}
