#!/usr/bin/env node
// Random templates through Python's jinja2, set up as transformers sets it up, and through ours:
//   npm run template-fuzz [-- --count 100000] [--seed N] [--processes 2] [--python python3] [--show 20]
//   npm run template-fuzz -- --seed N --case K          one of them, in full
//   npm run template-fuzz -- --record FILE [--count N]  writes cases with what jinja2 makes of them
// Needs `npm run build`, and a Python with jinja2 (pip install jinja2==3.1.6). Exit code 1 where anything differs.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compare, makeCase, ours } from "./template-fuzz/cases.mjs";
import { record } from "./template-fuzz/record.mjs";
import { Reference } from "./template-fuzz/reference.mjs";

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    processes: { type: "string", default: "2" },
    python: { type: "string", default: "python3" },
    show: { type: "string", default: "20" },
    case: { type: "string" },
    record: { type: "string" },
  },
});
const seed = Number(options.seed);
const count = Number(options.count);
const references = await Reference.start(options.python, options.case === undefined ? Number(options.processes) : 1);
if (references === undefined) {
  console.error(`${options.python} has no jinja2: pip install jinja2==3.1.6, or name another with --python`);
  process.exit(2);
}
try {
  if (options.case !== undefined) await showOne(Number(options.case));
  else if (options.record !== undefined) writeFileSync(options.record, await record(seed, count, references[0]));
  else await main();
} finally {
  for (const reference of references) reference.stop();
}

async function showOne(index) {
  const one = makeCase(seed, index);
  const expected = await references[0].render(one);
  console.log(one.template, "\n", one.values, "\n", { jinja2: expected, ours: ours(one) });
}

async function main() {
  console.log(`template-fuzz: seed ${seed}, ${count} templates, jinja2 ${references[0].version}`);
  const totals = { texts: 0, errors: 0, budget: 0, named: {}, differ: 0 };
  let next = 0;
  const work = async (reference) => {
    while (next < count) {
      const indices = Array.from({ length: Math.min(200, count - next) }, (_, i) => next + i);
      next += indices.length;
      const cases = indices.map((index) => makeCase(seed, index));
      const expected = await Promise.all(cases.map((one) => reference.render(one)));
      for (const [i, one] of cases.entries()) note(indices[i], one, expected[i], ours(one));
    }
  };
  const note = (index, one, expected, got) => {
    const result = compare(one, expected, got);
    if (result.kind === "same") totals[got.text === undefined ? "errors" : "texts"]++;
    else if (result.kind === "budget") totals.budget++;
    else if (result.kind === "named") totals.named[result.name] = (totals.named[result.name] ?? 0) + 1;
    else if (totals.differ++ < Number(options.show)) {
      console.log(`\ncase ${index}: ${JSON.stringify(one.template)}`);
      console.log(`  jinja2 ${JSON.stringify(expected)}\n  ours   ${JSON.stringify(got)}`);
    }
  };
  const start = Date.now();
  await Promise.all(references.map(work));
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  console.log(
    `${totals.texts} texts and ${totals.errors} refusals are equal, ${totals.budget} stopped by a limit, ` +
      `named differences ${JSON.stringify(totals.named)}, ${totals.differ} differ, ${seconds} s`,
  );
  process.exitCode = totals.differ > 0 ? 1 : 0;
}
