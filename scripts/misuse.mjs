#!/usr/bin/env node
// Every public function with values of every kind in each parameter and option: npm run misuse [-- --seed N --count 20000 --only NAME]
// What each call is held to: misuse/contract.mjs. Afterwards the model answers as before. Exit code 1 where a promise is broken.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createModel, loadModel } from "../dist/src/index.js";
import { judge } from "./misuse/contract.mjs";
import { argumentsOf, CONFIG, DOORS, slotsOf } from "./misuse/doors.mjs";
import { VALUES } from "./misuse/values.mjs";
import { Random } from "./mutations/random.mjs";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    /** Calls with two wrong values, after all those with one. */
    count: { type: "string", default: "20000" },
    /** Of the calls with one wrong value so many by chance; absent: all. */
    singles: { type: "string" },
    only: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});
/** After so many calls the model is asked whether it still answers as before. */
const ASK_EVERY = 500;
const MOST_SHOWN = 50;
const MOST_SESSIONS = 500;

const broken = [];
let calls = 0;
let doing = "";
process.on("unhandledRejection", (error) => broken.push(`${doing}: an unhandled rejection: ${error?.stack ?? error}`));

const path = fileURLToPath(new URL("../models/storyteller-q8_0.gguf", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "misuse-"));
process.chdir(folder);
try {
  await main();
} finally {
  process.chdir(tmpdir());
  rmSync(folder, { recursive: true, force: true });
}
for (const one of broken.slice(0, MOST_SHOWN)) console.error(one);
if (broken.length > MOST_SHOWN) console.error(`and ${broken.length - MOST_SHOWN} more`);
console.log(
  `${calls} calls: ${broken.length === 0 ? "every promise is kept" : `${broken.length} promises are broken`}`,
);
if (broken.length > 0) process.exitCode = 1;

async function main() {
  console.log(`misuse: seed ${options.seed}, ${VALUES.length} values`);
  const env = await open();
  const before = await answerOf(env);
  const doors = DOORS.map((door) => ({ door, slots: slotsOf(door) }));
  const chosen = doors.filter(({ door }) => door.name.includes(options.only));
  console.log(`${chosen.length} functions, ${chosen.flatMap(({ slots }) => slots).length} parameters and options`);
  const random = new Random(Number(options.seed), "misuse", 0);
  const singles = chosen.flatMap(({ door, slots }) =>
    slots.flatMap((slot) => VALUES.map((value) => ({ door, slot, value }))),
  );
  const taken = options.singles ? Array.from({ length: Number(options.singles) }, () => random.pick(singles)) : singles;
  for (const { door, slot, value } of taken) await attempt(env, door, [slot], [value], before);
  for (let left = Number(options.count); left > 0; left--) {
    const { door, slots } = random.pick(chosen);
    const [first, second] = [random.pick(slots), random.pick(slots)];
    if (first === second || (first.index === second.index && (first.whole || second.whole))) continue;
    await attempt(env, door, [first, second], [random.pick(VALUES), random.pick(VALUES)], before);
  }
  if ((await answerOf(env)) !== before) broken.push("after all the model answers otherwise");
  await Promise.all([env.model.dispose(), env.speaker.dispose()]);
  const left = readdirSync(folder).filter((name) => name !== "logits" && name !== "adapter");
  if (left.length > 0) broken.push(`files were left behind: ${left}`);
}

async function open() {
  const model = await createModel(CONFIG, { threads: 0 });
  const speaker = await loadModel(path, { threads: 0, context: 64 });
  const logits = join(folder, "logits");
  const bytes = [];
  await model.perplexity("abcdefgh", { saveLogits: (piece) => bytes.push(piece.slice()) });
  writeFileSync(logits, Buffer.concat(bytes));
  const { tokenizer } = speaker;
  return {
    ...{ model, speaker, tokenizer, bytes: model.tokenizer, session: model.session() },
    ...{ path, logits, adapter: writeAdapter(folder), file: readFileSync(path) },
  };
}

/** One matrix of rank 1, as PEFT writes it. */
function writeAdapter(folder) {
  const to = join(folder, "adapter");
  mkdirSync(to);
  writeFileSync(join(to, "adapter_config.json"), JSON.stringify({ peft_type: "LORA", r: 1, lora_alpha: 1 }));
  const name = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  const header = JSON.stringify({
    [`${name}A.weight`]: { dtype: "F32", shape: [1, 1], data_offsets: [0, 4] },
    [`${name}B.weight`]: { dtype: "F32", shape: [1, 1], data_offsets: [4, 8] },
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(join(to, "adapter_model.safetensors"), Buffer.concat([length, Buffer.from(header), Buffer.alloc(8)]));
  return to;
}

async function attempt(env, door, slots, values, before) {
  doing = slots.map(({ name }, at) => `${name} = ${values[at][0]}`).join(", ");
  if (options.verbose) console.log(doing);
  const given = values.map(([, make]) => make());
  const args = slots.reduce((args, slot, at) => slot.put(args, given[at]), argumentsOf(door, env));
  const begun = performance.now();
  const wrong = await judge(() => door.run(env, ...args), slots, given);
  if (options.verbose) console.log(`${Math.round(performance.now() - begun)} ms`);
  if (wrong !== undefined) broken.push(`${doing}: ${wrong}`);
  if (++calls % ASK_EVERY === 0 && (await answerOf(env)) !== before)
    broken.push(`${doing}: the model answers otherwise afterwards`);
}

/** What the models say, and how many sessions find a page: a generation or score that is not closed keeps some. */
async function answerOf({ model, speaker, session }) {
  await session.rewind(0);
  const greedy = { temperature: 0, maxTokens: 6 };
  const { ids } = await model.generate("ab", greedy).result();
  const { text } = await speaker.generate("One day", greedy).result();
  const sessions = [];
  try {
    while (sessions.length < MOST_SESSIONS) {
      sessions.push(model.session());
      await sessions.at(-1).sync([1]);
    }
  } catch (error) {
    if (!/^CACHE_/.test(error.code)) throw error;
  }
  await Promise.all(sessions.map((session) => session.dispose()));
  return JSON.stringify([ids, text, sessions.length]);
}
