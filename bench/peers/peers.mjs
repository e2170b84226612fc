#!/usr/bin/env node
// wasmaverick beside what users would pick instead: the same files, the same ids, one run, interleaved. README.md says what is compared.

import { statSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { interleave } from "./interleave.mjs";
import { describe, machine } from "./machine.mjs";
import { results } from "./results.mjs";
import { GROUPS, roster } from "./roster.mjs";
import { table } from "./table.mjs";
import { openVocabulary } from "./vocabulary.mjs";

const USAGE =
  "usage: node peers.mjs MODEL.gguf [MODEL.gguf ...] [--rounds 2] [--only ours,llama.cpp] [--python PATH]... [--json]";

const { files, rounds, only, pythons, json } = readOptions();
const host = machine();
const progress = (line) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${line}`);

console.log(json ? JSON.stringify({ machine: host, rounds }) : describe(host));
for (const file of files) {
  const vocabulary = await openVocabulary(file).catch((error) => {
    console.error(`${file}: ${error.message}`);
    process.exit(1);
  });
  const { entries, idle } = await interleave(roster({ only, pythons }), file, vocabulary, rounds, progress);
  progress("");
  const rows = results(entries);
  if (json) for (const row of rows) console.log(JSON.stringify({ file: basename(file), idle, ...row }));
  else print(file, rows, idle);
}

function print(file, rows, idle) {
  const notes = [...new Set(rows.flatMap((row) => row.notes))];
  console.log(
    `\n${basename(file)}, ${(statSync(file).size / 1e6).toFixed(0)} MB; ${rounds} rounds, best / median of them; ratios: prompt / generate, of the best\n`,
  );
  console.log(table(rows));
  if (rows.some(({ group }) => group === "wllama"))
    console.log("wllama: shorter, half the rounds, and the ids as text, since it takes no ids");
  for (const note of notes) console.log(note);
  const whose = idle.share > 0 ? `: ${idle.engine} while ${idle.while} ran` : "";
  console.log(`an engine that waited took at most ${(idle.share * 100).toFixed(1)} % of one core${whose}`);
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "2" },
        only: { type: "string", default: GROUPS.join(",") },
        python: {
          type: "string",
          multiple: true,
          default: [fileURLToPath(new URL("venv/bin/python", import.meta.url))],
        },
        json: { type: "boolean", default: false },
      },
    });
    const wanted = values.only.split(",");
    const stranger = wanted.find((name) => !GROUPS.includes(name));
    if (stranger !== undefined) throw new Error(`--only ${stranger}: not one of ${GROUPS.join(", ")}`);
    const count = Number(values.rounds);
    if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--rounds ${values.rounds}: not a count`);
    if (positionals.length === 0) throw new Error("no model file");
    return { files: positionals, rounds: count, only: wanted, pythons: values.python, json: values.json };
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}
