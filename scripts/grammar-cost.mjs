/**
 * What `responseFormat` costs at a vocabulary of 202,048 ids (made up): compiling, a state that is new, a state that was seen.
 * With a model, what a format costs its decode steps: node scripts/grammar-cost.mjs [--ids N] [--model FILE [--threads N] [--wide]]
 */

import { checkFormat } from "../dist/src/grammar/format.js";
import { Grammars } from "../dist/src/grammar/grammars.js";
import { stepCost } from "./grammar/step-cost.mjs";
import { makeVocabulary, randomOf } from "./grammar/vocabulary.mjs";

const argumentOf = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const model = argumentOf("--model");
if (model) {
  await stepCost(model, Number(argumentOf("--threads") ?? 2), process.argv.includes("--wide"));
  process.exit();
}

const size = Number(process.argv[process.argv.indexOf("--ids") + 1]) || 202_048;
const texts = makeVocabulary(size);
const END = size - 1;
const grammars = new Grammars({ size, bytesOf: (id) => texts[id] });
/** Milliseconds of the clock, and of processors: others may use the machine too. */
const ms = (work) => {
  const begun = process.cpuUsage();
  const clock = performance.now();
  const result = work();
  const passed = performance.now() - clock;
  const { user, system } = process.cpuUsage(begun);
  return [passed, result, (user + system) / 1000];
};
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN;
const [trie, , work] = ms(() => grammars.compile(checkFormat({ type: "choice", choices: ["a"] })));
console.log(`trie of ${size} ids: ${trie.toFixed(0)} ms (${work.toFixed(0)} ms of processors), once a model`);

const properties = Object.fromEntries(
  Array.from({ length: 200 }, (_, at) => [
    `property_${at}`,
    [
      { type: "string" },
      { type: "integer", minimum: 0, maximum: 999 },
      { enum: ["red", "green", "blue"] },
      { type: "array", items: { type: "number" } },
    ][at % 4],
  ]),
);
const wide = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
const compiled = [];
for (let turn = 0; turn < 9; turn++) {
  const schema = { ...wide, title: String(turn) };
  compiled.push(ms(() => grammars.compile(checkFormat({ type: "json_schema", schema })))[0]);
}
console.log(
  `a schema of 200 properties: ${compiled[0].toFixed(1)} ms the first time, median ${median(compiled).toFixed(1)} ms`,
);

const person = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 40 },
    age: { type: "integer", minimum: 0, maximum: 150 },
    mail: { type: "string", format: "email" },
    notes: { type: "array", items: { type: "string" } },
    friends: { type: "array", items: { $ref: "#" }, maxItems: 5 },
  },
  required: ["name", "age"],
};
const CASES = {
  json: { type: "json" },
  "a person with friends": { type: "json_schema", schema: person },
  "200 properties": { type: "json_schema", schema: wide },
  "regex .*": { type: "regex", pattern: ".*" },
};
const values = new Float32Array(size);
for (const [name, given] of Object.entries(CASES)) {
  const format = checkFormat(given);
  const fresh = [];
  const seen = [];
  const random = randomOf(3);
  const known = new Set();
  for (let text = 0; text < 24; text++) {
    const constraint = grammars.begin(format, [END], false);
    for (let step = 0; step < 80; step++) {
      values.fill(0);
      const { state, masks } = constraint.look();
      const key = masks.automaton.shapeOf(state, masks.vocabulary.longest);
      const [first] = ms(() => constraint.apply(values));
      if (!known.has(key)) fresh.push(first);
      known.add(key);
      values.fill(0);
      seen.push(ms(() => constraint.apply(values))[0]);
      const from = Math.floor(random() * size);
      const at = values.indexOf(0, from);
      const id = at < 0 ? values.indexOf(0) : at;
      if (id < 0 || id === END) break;
      constraint.accept(id);
    }
  }
  console.log(
    `${name}: ${fresh.length} new states, median ${median(fresh).toFixed(2)} ms, longest ${Math.max(...fresh).toFixed(1)}; seen ${(1000 * median(seen)).toFixed(1)} us`,
  );
}
