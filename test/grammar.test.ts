/** Grammars below the model: automaton, patterns, GBNF, limits. Texts of noise under random schemas: scripts/grammar-fuzz.mjs. */
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { run } from "../scripts/command.mjs";
import { makeVocabulary, randomOf } from "../scripts/grammar/vocabulary.mjs";
import { EngineError } from "../src/error.ts";
import { Automaton, matches } from "../src/grammar/automaton.ts";
import { ANY, covers, PLAIN, utf8, without } from "../src/grammar/code-points.ts";
import { checkFormat } from "../src/grammar/format.ts";
import { call, choice, type Fragment, literal, repeat, rule, sequence } from "../src/grammar/fragment.ts";
import { gbnfFragment } from "../src/grammar/gbnf.ts";
import { Grammars } from "../src/grammar/grammars.ts";
import { patternFragment } from "../src/grammar/regex.ts";
import { schemaFragment } from "../src/grammar/schema.ts";

const encoder = new TextEncoder();
const accepts = (fragment: Fragment, text: string) => matches(new Automaton(fragment), encoder.encode(text));
const pattern = (text: string) => patternFragment(text, { field: "pattern" });

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof EngineError) return `${error.code} ${error.at?.field}`;
    throw error;
  }
  return "nothing";
}

describe("texts of noise under random schemas", () => {
  it("400 schemas: each text parses and validates, wherever it was cut; no special id; errors are typed", async () => {
    const script = fileURLToPath(new URL("../scripts/grammar-fuzz.mjs", import.meta.url));
    const seed = Date.now() % 2 ** 31;
    console.log(`grammar-fuzz: seed ${seed}`);
    const args = [script, "--count", "400", "--seed", String(seed)];
    expect(await run(process.execPath, args, { limitMs: 55_000 })).toContain("every promise is kept");
  });
});

it("masks, made new or kept, allow exactly the tokens whose bytes the automaton takes", () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`masks: seed ${seed}`);
  const random = randomOf(seed);
  const size = 3000;
  const texts = makeVocabulary(size);
  const grammars = new Grammars({ size, bytesOf: (id) => texts[id] });
  const member = { type: "string", minLength: 9, maxLength: 30 };
  const formats = [
    { type: "json" },
    { type: "json_schema", schema: { type: "array", items: member, minItems: 2, maxItems: 9 } },
    { type: "json_schema", schema: { type: "object", properties: { a: member, b: { $ref: "#" } }, required: ["a"] } },
    { type: "json_schema", schema: { type: "string", pattern: "^([a-z ]{4,9},){2,20}$" } },
    { type: "regex", pattern: ".{5,40}x?(ab|[^c]{3}){2,9}" },
    { type: "grammar", gbnf: 'root ::= "{" [^"]{3,50} (root | [a-z]{2,7})* "}"' },
  ];
  const values = new Float32Array(size);
  for (const format of formats) {
    for (let text = 0; text < 6; text++) {
      const constraint = grammars.begin(checkFormat(format), [], false);
      for (let step = 0; step < 40 && !constraint.finished; step++) {
        values.fill(0);
        constraint.apply(values);
        const { state, masks } = constraint.look();
        const taken = (id: number) => {
          let at = state.index;
          for (const byte of texts[id] ?? []) if (at >= 0) at = masks.automaton.next(at, byte);
          return texts[id] !== null && at >= 0;
        };
        const wrong = texts.findIndex((_, id) => (values[id] === 0) !== taken(id));
        expect(wrong, `${JSON.stringify(format)}, step ${step}`).toBe(-1);
        const allowed = texts.flatMap((_, id) => (values[id] === 0 ? [id] : []));
        constraint.accept(allowed[Math.floor(random() * allowed.length)]);
      }
    }
  }
});

describe("patterns", () => {
  it("mean what RegExp means (flag u, the whole text)", () => {
    const atoms = ["a", "b", ".", "[ab]", "[^a]", "\\d", "\\W", "é", "(a|bc)", "(?:b*)", "(a?b{1,2})", "\\u{61}"];
    const repeats = ["", "*", "+", "?", "{2}", "{0,2}", "{1,}"];
    const part = fc.tuple(fc.constantFrom(...atoms), fc.constantFrom(...repeats)).map(([atom, times]) => atom + times);
    const some = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
    const whole = fc.array(some, { minLength: 1, maxLength: 3 }).map((ways) => ways.join("|"));
    const texts = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", "é", "1", "😀", "\n"), maxLength: 6 }), {
      minLength: 8,
      maxLength: 8,
    });
    const property = fc.property(whole, texts, (source, list) => {
      const automaton = new Automaton(pattern(source));
      const regex = new RegExp(`^(?:${source})$`, "u");
      for (const text of list) expect(matches(automaton, encoder.encode(text)), text).toBe(regex.test(text));
    });
    fc.assert(property, { numRuns: 400 });
  });

  it.each([
    ["(?=a)b", "GRAMMAR_UNSUPPORTED"],
    ["(?<!a)b", "GRAMMAR_UNSUPPORTED"],
    ["(a)\\1", "GRAMMAR_UNSUPPORTED"],
    ["\\bword", "GRAMMAR_UNSUPPORTED"],
    ["\\p{L}", "GRAMMAR_UNSUPPORTED"],
    ["a^b", "GRAMMAR_UNSUPPORTED"],
    ["(a$)b", "GRAMMAR_UNSUPPORTED"],
    ["(a", "GRAMMAR_SYNTAX"],
    ["a)", "GRAMMAR_SYNTAX"],
    ["[b-a]", "GRAMMAR_SYNTAX"],
    ["[a", "GRAMMAR_SYNTAX"],
    ["*a", "GRAMMAR_SYNTAX"],
    ["a{3,2}", "GRAMMAR_SYNTAX"],
    ["a**", "GRAMMAR_SYNTAX"],
    ["\\", "GRAMMAR_SYNTAX"],
    ["\\y", "GRAMMAR_SYNTAX"],
    [`${"(".repeat(300)}a${")".repeat(300)}`, "GRAMMAR_LIMIT"],
  ])("%s is refused", (source, code) => {
    expect(refusal(() => pattern(source))).toBe(`${code} pattern`);
  });
});

it("UTF-8 of a set of code points is that of each of them, and of no other", () => {
  const edges = [0, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff];
  const point = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 0, max: 0x10ffff }));
  fc.assert(
    fc.property(point, point, point, (a, b, probe) => {
      const set = [[Math.min(a, b), Math.max(a, b)]] as const;
      fc.pre(probe < 0xd800 || probe > 0xdfff);
      const automaton = new Automaton(choice(utf8(set), literal("")));
      for (const one of [probe, a, b]) {
        if (one >= 0xd800 && one <= 0xdfff) continue;
        const inside = one >= set[0][0] && one <= set[0][1];
        expect(matches(automaton, encoder.encode(String.fromCodePoint(one)))).toBe(inside);
      }
    }),
  );
  expect(accepts(utf8(ANY), "\u{10ffff}")).toBe(true);
  expect(matches(new Automaton(utf8(ANY)), Uint8Array.of(0xed, 0xa0, 0x80)), "a surrogate").toBe(false);
  expect(matches(new Automaton(utf8(ANY)), Uint8Array.of(0xc0, 0x80)), "an overlong form").toBe(false);
  expect(covers(ANY, PLAIN) && without(PLAIN, ANY).length === 0).toBe(true);
});

describe("GBNF", () => {
  it("reads llama.cpp's notation: rules, classes, escapes, groups, repeats, comments, bars in the next line", () => {
    const list = gbnfFragment(`# a list
root  ::= item ("," ws item)* | "none" # or none
item ::= [a-z]{2,3} | "\\x41\\u00e9\\n"
       | [^a-z"\\]]
ws ::= " "?
`);
    for (const text of ["ab", "ab, cd,efg", "none", "Aé\n", "5", "ab,Aé\n"])
      expect(accepts(list, text), text).toBe(true);
    for (const text of ["a", "abcd", "ab,", "ab,  cd", '"', "]"]) expect(accepts(list, text), text).toBe(false);
  });

  it("nests as far as the text goes", () => {
    const nested = gbnfFragment('root ::= "(" root ")" | "x"');
    expect(accepts(nested, `${"(".repeat(5000)}x${")".repeat(5000)}`)).toBe(true);
    expect(accepts(nested, "((x)")).toBe(false);
  });

  it.each([
    ['root ::= root | root "a" | "b"', "GRAMMAR_RECURSION"],
    ['root ::= a "x" | "y"\na ::= b\nb ::= " "? root', "GRAMMAR_RECURSION"],
    ['a ::= "b"', "GRAMMAR_SYNTAX"],
    ["root ::= missing", "GRAMMAR_SYNTAX"],
    ['root ::= "a', "GRAMMAR_SYNTAX"],
    ['root ::= ("a"', "GRAMMAR_SYNTAX"],
    ['root ::= "a"\nroot ::= "b"', "GRAMMAR_SYNTAX"],
    ["root = a", "GRAMMAR_SYNTAX"],
    ["", "GRAMMAR_SYNTAX"],
    ['root ::= "a" root', "GRAMMAR_EMPTY"],
  ])("%j is refused", (text, code) => {
    expect(refusal(() => new Automaton(gbnfFragment(text)))).toMatch(code);
  });
});

describe("fragments", () => {
  it("go into each other: a call of a tool out of literals and a schema", () => {
    const text = rule("text", repeat(utf8(without(ANY, [[60, 60]])), 0, Number.POSITIVE_INFINITY));
    const schema = { type: "object", properties: { city: { enum: ["Ulm"] } }, required: ["city"] };
    const used = sequence(literal("<tool_call>"), schemaFragment(schema), literal("</tool_call>"));
    const answer = choice(call(text), sequence(call(text), used));
    expect(accepts(answer, 'so <tool_call>{"city": "Ulm"}</tool_call>')).toBe(true);
    expect(accepts(answer, "nothing to call")).toBe(true);
    expect(accepts(answer, "so <tool_call>{}</tool_call>")).toBe(false);
  });
});

describe("hostile formats cost bounded time and memory", () => {
  const vocabulary = () => new Grammars({ size: 257, bytesOf: (id) => (id < 256 ? Uint8Array.of(id) : null) });
  /** Writes `text` byte by byte, as a model would; the code of what stops it. */
  const drive = (format: unknown, text: string) => {
    const values = new Float32Array(257);
    return refusal(() => {
      const constraint = vocabulary().begin(checkFormat(format), [256], false);
      for (const byte of encoder.encode(text)) {
        values.fill(0);
        constraint.apply(values);
        constraint.accept(byte);
      }
    });
  };
  const cases: [string, unknown, string, RegExp][] = [
    ["(a{1000}){1000}", { type: "regex", pattern: "(a{1000}){1000}" }, "a".repeat(3000), /nothing/],
    ["nested stars", { type: "regex", pattern: "((((a*)*)*)*)*b" }, `${"a".repeat(2000)}b`, /nothing/],
    ["(a|aa){1,9999} of many ways", { type: "regex", pattern: "(a|aa){9999}" }, "a".repeat(9000), /GRAMMAR_LIMIT/],
    ["empty turns", { type: "regex", pattern: "(a?b?c?){1000}d" }, `${"abc".repeat(500)}d`, /nothing/],
    [
      "10^5 choices",
      { type: "choice", choices: Array.from({ length: 1e5 }, (_, at) => `c${at}`) },
      "c99999",
      /nothing/,
    ],
    [
      "10^5 values",
      { type: "json_schema", schema: { enum: Array.from({ length: 1e5 }, (_, at) => at) } },
      "99999",
      /nothing/,
    ],
    ["10^6 choices", { type: "choice", choices: Array.from({ length: 1e6 }, String) }, "", /GRAMMAR_LIMIT/],
    [
      "maxLength 10^9",
      { type: "json_schema", schema: { type: "string", maxLength: 1e9 } },
      `"${"ж".repeat(300)}`,
      /nothing/,
    ],
    [
      "$ref that comes back at once",
      { type: "json_schema", schema: { anyOf: [{ $ref: "#" }, { type: "null" }] } },
      "",
      /GRAMMAR_RECURSION/,
    ],
    ["$ref to itself alone", { type: "json_schema", schema: { $ref: "#" } }, "", /GRAMMAR_EMPTY/],
    [
      "allOf that never ends",
      { type: "json_schema", schema: { allOf: [{ $ref: "#" }, { type: "string" }] } },
      "",
      /GRAMMAR_LIMIT/,
    ],
    ["alternatives that multiply", { type: "json_schema", schema: multiplied(20) }, "", /GRAMMAR_LIMIT/],
    ["depth", { type: "json_schema", schema: nestedArrays(65) }, "", /GRAMMAR_LIMIT/],
    ["depth of 64", { type: "json_schema", schema: nestedArrays(63) }, "[".repeat(20), /nothing/],
    [
      "1,001 properties",
      {
        type: "json_schema",
        schema: { properties: Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [at, true])) },
      },
      "",
      /GRAMMAR_LIMIT/,
    ],
    ["rules that double", { type: "grammar", gbnf: doubling('"a" | "b"') }, "abab", /GRAMMAR_LIMIT/],
    ["rules that double nothing", { type: "grammar", gbnf: doubling('"a"?') }, "a", /GRAMMAR_LIMIT/],
    [
      "repeats of 20,000 parts that may be empty",
      { type: "grammar", gbnf: repeatOf(20_000, "*") },
      "a",
      /GRAMMAR_LIMIT/,
    ],
    ["the same, counted", { type: "grammar", gbnf: repeatOf(20_000, "{0,7}") }, "a", /GRAMMAR_LIMIT/],
    ["40,000 rules in a repeat, each of the next", { type: "grammar", gbnf: chained(40_000) }, "bbb", /nothing/],
    ["150,000 parts", { type: "grammar", gbnf: `root ::= ${".".repeat(150_000)}` }, "a", /GRAMMAR_LIMIT/],
    ["300,000 ways", { type: "grammar", gbnf: `root ::= ${"a|".repeat(300_000)}a\na ::= "b"` }, "b", /nothing/],
    ["a class of 300,000", { type: "grammar", gbnf: `root ::= [${"a".repeat(300_000)}]` }, "a", /nothing/],
    ["a schema that holds itself", { type: "json_schema", schema: circle() }, "", /GRAMMAR_LIMIT/],
  ];
  it.each(cases)("%s", (_, format, text, expected) => {
    const begun = performance.now();
    expect(drive(format, text)).toMatch(expected);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  function nestedArrays(depth: number): object {
    return depth === 0 ? { type: "null" } : { type: "array", items: nestedArrays(depth - 1) };
  }
  function multiplied(times: number): object {
    return {
      allOf: Array.from({ length: times }, (_, at) => ({
        anyOf: [{ minimum: at }, { maximum: at }, { minLength: at }],
      })),
    };
  }
  function doubling(first: string): string {
    const rules = Array.from({ length: 40 }, (_, at) => `r${at + 1} ::= r${at} r${at} | r${at}`);
    return [`root ::= r40`, `r0 ::= ${first}`, ...rules].join("\n");
  }
  function repeatOf(parts: number, times: string): string {
    return `root ::= (${'"a"? '.repeat(parts)})${times}`;
  }
  function chained(rules: number): string {
    const calls = Array.from({ length: rules }, (_, at) => `r${at + 1} ::= r${at}?`);
    return [`root ::= r${rules}{0,9}`, 'r0 ::= "b"', ...calls].join("\n");
  }
  function circle(): object {
    const schema: Record<string, unknown> = {};
    schema.items = schema;
    return schema;
  }
});

describe("a schema that is not enforced in full is refused with its JSON pointer", () => {
  const keywords: Record<string, unknown> = {
    not: {},
    if: {},
    else: {},
    contains: {},
    minContains: 1,
    uniqueItems: true,
    multipleOf: 0.01,
    minProperties: 1,
    maxProperties: 2,
    propertyNames: { maxLength: 3 },
    dependentRequired: {},
    dependentSchemas: {},
    unevaluatedItems: false,
    unevaluatedProperties: false,
    $dynamicRef: "#a",
    $anchor: "a",
    additionalItems: false,
    contentSchema: {},
    madeUp: 1,
  };
  it.each(Object.entries(keywords))("%s", (name, value) => {
    const schema = { type: "object", properties: { "a/b~": { items: { [name]: value } } } };
    const at = `/properties/a~1b~0/items/${name}`;
    expect(refusal(() => checkFormat({ type: "json_schema", schema }))).toBe(`SCHEMA_UNSUPPORTED ${at}`);
  });

  it.each([
    [{ format: "hostname" }, "SCHEMA_UNSUPPORTED /format"],
    [{ pattern: "^(a|b|c){100}", maxLength: 100_000 }, "SCHEMA_UNSUPPORTED /maxLength"],
    [{ format: "date", pattern: "a" }, "GRAMMAR_EMPTY responseFormat"],
    [{ oneOf: [{ type: "number" }, { type: "integer" }] }, "SCHEMA_UNSUPPORTED /oneOf/1"],
    [{ $ref: "https://example.org/x" }, "SCHEMA_UNSUPPORTED /$ref"],
    [{ $ref: "#/$defs/none" }, "SCHEMA_INVALID /$ref"],
    [{ type: "strin" }, "SCHEMA_INVALID /type"],
    [{ properties: { a: 3 } }, "SCHEMA_INVALID /properties/a"],
    [{ minLength: -1 }, "SCHEMA_INVALID /minLength"],
    [{ $defs: { a: { not: {} } } }, "SCHEMA_UNSUPPORTED /$defs/a/not"],
    [{ default: () => 1 }, "SCHEMA_INVALID /default"],
    [{ minimum: Number.NaN }, "SCHEMA_INVALID /minimum"],
    [3, "SCHEMA_INVALID /"],
    [undefined, "SCHEMA_INVALID /"],
    [{ type: "string", minLength: 3, maxLength: 2 }, "GRAMMAR_EMPTY responseFormat"],
    [{ type: "integer", minimum: 3, maximum: 2 }, "GRAMMAR_EMPTY responseFormat"],
    [false, "GRAMMAR_EMPTY responseFormat"],
    [{ properties: { a: false }, required: ["a"] }, "GRAMMAR_EMPTY responseFormat"],
  ])("%j: %s", (schema, expected) => {
    expect(refusal(() => new Automaton(schemaFragment(schema)))).toBe(expected);
  });
});
