// A case by seed and number, what we make of it, and whether that is what jinja2 makes of it.
import { readArguments } from "../../dist/src/tokenizer/call-arguments.js";
import { Budget } from "../../dist/src/tokenizer/template/budget.js";
import { compileTemplate } from "../../dist/src/tokenizer/template/compile.js";
import { runTemplate } from "../../dist/src/tokenizer/template/interpreter.js";
import { Random } from "../mutations/random.mjs";
import { makeValues, Templates } from "./statements.mjs";

const NOW = new Date(2025, 3, 5, 6, 7, 8);

export function makeCase(seed, index) {
  const random = new Random(seed, "template", index);
  const template = new Templates(random).template();
  return { template: random.chance(0.1) ? broken(template, random) : template, values: makeValues(random) };
}

export function ours({ template, values }) {
  try {
    const variables = new Map(
      readArguments(values)
        .parsed.entries()
        .map(([key, value]) => [key.text, value]),
    );
    return { text: runTemplate(compileTemplate(template), variables, NOW, new Budget()).text };
  } catch (error) {
    if (error.name !== "EngineError")
      return { text: undefined, error: "BARE", message: String(error.stack).slice(0, 400) };
    return { error: error.code, message: error.message };
  }
}

const PIECES = [
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  "|",
  ".",
  ",",
  "~",
  "+",
  "-",
  "*",
  "**",
  "==",
  " in ",
  " not ",
  " is ",
  " if ",
  " else ",
  " and ",
  "'",
  '"',
  "%}",
  "{%",
  "{{",
  "}}",
  "#}",
  "{#",
  ":",
  "=",
  "1",
  "x",
  " ",
  "\n",
  "{% break %}",
  "{% endif %}",
  "{% else %}",
  "{% set loop = 1 %}",
  "{% set none = 1 %}",
  "|nope",
  " is nope",
  "nope()",
  "{% nope %}",
  "{% include 'x' %}",
  "{% for %}",
  "*x",
  "**d",
  "x=1",
];

/** One or two words changed: most of what is left is refused. */
function broken(template, random) {
  const tokens = template.match(/\{[%{#][-+]?|[-+]?[%}#]\}|'[^']*'|"[^"]*"|\w+|\s+|[^\w\s]/g) ?? [];
  for (let left = 1 + random.below(2); left > 0; left--) {
    const at = random.below(tokens.length + 1);
    const piece = random.chance(0.3) ? random.pick(tokens) : random.pick(PIECES);
    if (random.chance(0.4)) tokens.splice(at, 1);
    else tokens.splice(at, random.below(2), piece);
  }
  return tokens.join("");
}

const LIMITS = new Set(["TPL_FUEL", "TPL_OUTPUT", "TPL_DEPTH", "TPL_SIZE", "TPL_CYCLE"]);

/** Objects print with their address in Python, and methods with what they belong to. */
const plain = (text) =>
  text
    .replace(/ at 0x[0-9a-f]+>/g, ">")
    .replace(/<(?:[\w.]+\.)?(?:Template)?(\w+) object>/g, (_, name) => `<${name === "Dict" ? "dict" : name}>`)
    .replace(/<class '[\w.]+'>/g, "<method>")
    .replace(/<(?:built-in method|function|bound method|method)[^<>]*(?:<[^<>]*>)?[^<>]*>/g, "<method>")
    .replace(/<(?:list_reverseiterator|reversed|range_iterator|dict_reverse\w+|generator) object[^<>]*>/g, "<iterator>")
    .replace(/<built-in[^>]*>/g, "<method>");

/** What docs/templates.md names: differences by intent. */
const NAMED = [
  ["names in the filter of a set block", (_, expected) => expected.error === "AssertionError"],
  ["objects that print with their address", (_, expected) => /0x[0-9a-f]{9,}/i.test(expected.text ?? "")],
  [
    "constants with unhashable keys that are not reached",
    (_, expected, got) => got.text !== undefined && /^unhashable type/.test(expected.message),
  ],
  [
    "unknown filters and tests that are not reached",
    (_, expected, got) => got.text !== undefined && /^No (?:filter|test) named/.test(expected.message),
  ],
  [
    "slices of constants that have none",
    (_, expected, got) => expected.text !== undefined && /cannot slice|a slice is bounded/.test(got.message),
  ],
  ["complex numbers", (_one, _expected, got) => /no real number/.test(got.message)],
];

export function compare(one, expected, got) {
  if (got.error === "BARE") return { kind: "differ" };
  if (expected.text === undefined && got.text === undefined) return { kind: "same" };
  if (expected.text !== undefined && got.text !== undefined && plain(expected.text) === plain(got.text))
    return { kind: "same" };
  if (LIMITS.has(got.error)) return { kind: "budget" };
  for (const [name, test] of NAMED) if (test(one, expected, got)) return { kind: "named", name };
  return { kind: "differ" };
}
