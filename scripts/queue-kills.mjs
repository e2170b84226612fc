/**
 * A batch through Redis whose workers are killed at random, again and again, and itself now and then. Every line must be answered once, in
 * order, with the bits of a batch of one process; nothing of it may be left in Redis.
 *
 *   npm run queue-kills -- [--model PATH] [--kills 50] [--workers 3] [--lines 6000] [--tokens 12] [--seed N]
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { randomOf } from "./grammar/vocabulary.mjs";
import { NO_REDIS, startCommand, startRedis, startWorker } from "./queue-kills/processes.mjs";

const BUNDLED = fileURLToPath(new URL("../models/storyteller-q8_0.gguf", import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: "string", default: BUNDLED },
    kills: { type: "string", default: "50" },
    workers: { type: "string", default: "3" },
    lines: { type: "string", default: "6000" },
    tokens: { type: "string", default: "12" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
  },
});
if (NO_REDIS) {
  console.error(`npm run queue-kills: ${NO_REDIS}`);
  process.exit(2);
}
const [kills, workers, lines, tokens, seed] = ["kills", "workers", "lines", "tokens", "seed"].map((name) =>
  Number(values[name]),
);
const random = randomOf(seed);
console.log(`seed ${seed}: ${lines} lines of ${tokens} tokens, ${workers} workers, ${kills} kills`);

const folder = mkdtempSync(join(tmpdir(), "wasmaverick-kills-"));
const at = (name) => join(folder, name);
const asked = Array.from({ length: lines }, (_, index) => ({
  ...{ custom_id: `${index}`, method: "POST", url: "/v1/completions" },
  body: { prompt: `Tell me of ${index % 50}, ${index}`, max_tokens: tokens, seed: index, ignore_eos: true },
}));
writeFileSync(at("in.jsonl"), asked.map((line) => JSON.stringify(line)).join("\n"));
const redis = await startRedis();
const client = new Redis(redis.url);
const batch = () => startCommand("batch", at("in.jsonl"), at("out.jsonl"), "--queue", redis.url);
const results = (name) => (existsSync(at(name)) ? readFileSync(at(name), "utf8").split("\n").slice(0, -1) : []);

const begun = performance.now();
const killed = { workers: 0, batches: 0, lines: 0 };
const alive = new Set();
let done = false;
/** Starts another one in the place of each that is killed. */
async function worker() {
  const started = await startWorker(redis.url, "--lost-after", "1", "--at-once", "8", values.model);
  alive.add(started);
  void started.ended.then(() => {
    alive.delete(started);
    if (!done) void worker();
  });
}
await Promise.all(Array.from({ length: workers }, worker));
let running = batch();
let ended = running.ended;
while (killed.workers < kills) {
  await pause(300 + random() * 2000);
  const written = results("out.jsonl").length;
  if (written === lines) throw new Error(`the batch ended after ${killed.workers} kills, expected more --lines`);
  const victims = [...alive];
  if (victims.length === 0) continue;
  killed.lines += await client.llen("wasmaverick:lines:active");
  victims[Math.floor(random() * victims.length)].child.kill("SIGKILL");
  killed.workers++;
  if (killed.workers % 10 === 5) {
    running.child.kill("SIGKILL");
    await ended;
    killed.batches++;
    running = batch();
    ended = running.ended;
  }
  console.log(`${killed.workers} kills, ${written} of ${lines} lines written`);
}
const { code, stderr } = await ended;
done = true;
const seconds = (performance.now() - begun) / 1000;
await Promise.all(
  [...alive].map(({ child, ended }) => {
    child.kill("SIGTERM");
    return ended;
  }),
);
const left = await client.keys("wasmaverick:lines:*-*");
client.disconnect();
await redis.end();

const there = results("out.jsonl").map((line) => JSON.parse(line));
await startCommand("batch", at("in.jsonl"), at("here.jsonl"), "--ordered", "--context", "256", "--model", values.model)
  .ended;
const here = results("here.jsonl").map((line) => JSON.parse(line));
const choices = ({ response }) => JSON.stringify(response.body.choices);
const counts = {
  lost: lines - new Set(there.map(({ custom_id: id }) => id)).size,
  doubled: there.length - new Set(there.map(({ custom_id: id }) => id)).size,
  "out of order": there.filter(({ custom_id: id }, index) => id !== `${index}`).length,
  "other bits":
    here.length === there.length ? here.filter((one, index) => choices(one) !== choices(there[index])).length : lines,
  refused: results("errors.jsonl").length,
  "keys left": left.filter((key) => !/-records$|stalled-check$/.test(key)).length,
};
console.log(stderr.trim());
console.log(
  `${killed.workers} workers and ${killed.batches} batches killed in ${seconds.toFixed(0)} s; ${(killed.lines / kills).toFixed(1)} lines were running at a kill`,
);
console.table(counts);
rmSync(folder, { recursive: true });
process.exit(code === 0 && Object.values(counts).every((count) => count === 0) ? 0 : 1);
