import { describe, expect, test } from "vitest";
import { parseCommand } from "../src/cli/arguments.ts";
import { OPTIONS } from "../src/cli/options.ts";

/** [arguments, what is said] */
const REFUSED: [args: string[], line: string][] = [
  [["-"], 'a model cannot be piped, got "-", expected a path (a file of that name is ./-)'],
  [["inspect", "-"], 'a model cannot be piped, got "-", expected a path (a file of that name is ./-)'],
  [["quantise", "x", "-t", "q4_0"], 'no command and no model, got "quantise", did you mean wasmaverick quantize?'],
  [["Inspect", "x"], 'no command and no model, got "Inspect", did you mean wasmaverick inspect?'],
  [["perp", "--file", "x"], 'no command and no model, got "perp", did you mean wasmaverick perplexity?'],
  [["benchmark"], 'no command and no model, got "benchmark", did you mean wasmaverick bench?'],
  [["help"], 'no command and no model, got "help", did you mean wasmaverick --help?'],
  [["chat"], 'no command and no model, got "chat", did you mean wasmaverick --chat?'],
  [["quantize", "--allow-requantize"], "unknown option, got --allow-requantize, did you mean --requantize?"],
  [["--no-verbose"], "unknown option, got --no-verbose, expected one of wasmaverick --help"],
  [["--system", "Be brief.", "-p", "x"], "--system without a conversation, expected --chat beside it"],
];

test.each(REFUSED)("%j is refused: %s", (args, line) => {
  expect(() => parseCommand(args)).toThrow(new Error(line));
});

describe("a name", () => {
  test("that lies in the folder, has an ending or a slash, or is like no command, is a model", () => {
    for (const model of ["src", "quantise.gguf", "./quantise", "story"])
      expect(parseCommand([model])).toMatchObject({ name: "run", model });
  });
});

describe("temperature and top-p", () => {
  test("are left to the model unless they are given", () => {
    expect(Object.keys((parseCommand([]) as { generate: object }).generate)).toEqual(["seed"]);
    expect(parseCommand(["--temperature", "0", "--top-p", "0.5"])).toMatchObject({
      generate: { temperature: 0, topP: 0.5 },
    });
  });

  test("have in the help the numbers of the library", () => {
    const helpOf = (name: string) => OPTIONS.find((option) => option.name === name)!.help;
    expect(helpOf("temperature")).toMatch(/\(the file's, else 0\.6\)$/);
    expect(helpOf("top-p")).toMatch(/\(the file's, else 0\.9\)$/);
  });
});

test("a seed of -1, and none, is drawn here, so that it can be typed again", () => {
  const seedOf = (...args: string[]) => (parseCommand(args) as { generate: { seed: unknown } }).generate.seed;
  for (const args of [[], ["--seed", "-1"]])
    expect(seedOf(...args)).toSatisfy((seed: number) => Number.isInteger(seed) && seed >= 0 && seed < 1e6);
  expect(seedOf("--seed", "7")).toBe(7);
  expect(seedOf("--seed", "18446744073709551615")).toBe(18446744073709551615n);
});

describe("what the library can do with a prompt", () => {
  test("--special-tokens, --chat-template and --no-generation-config reach it", () => {
    expect(parseCommand(["--special-tokens", "--no-generation-config"])).toMatchObject({
      generate: { specialTokens: true },
      load: { generationConfig: false },
    });
    expect(parseCommand(["--chat", "--chat-template", "rag"])).toMatchObject({ template: "rag" });
  });

  test.each([
    [["--chat-template", "rag"], "--chat-template without a conversation, expected --chat beside it"],
    [
      ["--chat", "--special-tokens"],
      "--special-tokens beside --chat, whose template places them, expected one of them",
    ],
  ])("%j is refused where it would do nothing", (args, message) => {
    expect(() => parseCommand(args)).toThrow(message);
  });
});

describe("options of the answer", () => {
  const generateOf = (...args: string[]) => (parseCommand([...args, "--seed", "1"]) as { generate: object }).generate;

  test.each<[string[], object]>([
    [
      ["--min-tokens", "3", "--ignore-eos", "--typical-p", "0.5", "--top-n-sigma", "1.5"],
      { minTokens: 3, ignoreEos: true, typicalP: 0.5, topNSigma: 1.5 },
    ],
    [["--xtc-probability", "0.5"], { xtc: { probability: 0.5 } }],
    [["--xtc-probability", "1", "--xtc-threshold", "0.2"], { xtc: { probability: 1, threshold: 0.2 } }],
    [
      "--dry-multiplier 0.8 --dry-base 2 --dry-allowed-length 3 --dry-range -1 --dry-breaker . --dry-breaker !".split(
        " ",
      ),
      { dry: { multiplier: 0.8, base: 2, allowedLength: 3, range: -1, sequenceBreakers: [".", "!"] } },
    ],
    [["--logit-bias", "7:-100", "--logit-bias", "9:1.5"], { logitBias: { 7: -100, 9: 1.5 } }],
    [["--stop-ids", "1,22"], { stopIds: [1, 22] }],
    [["--speculate", "lookup", "--deadline", "500"], { speculate: "lookup", deadline: 500 }],
    [["--json-answer"], { responseFormat: { type: "json" } }],
    [["--regex", "[a-z]+"], { responseFormat: { type: "regex", pattern: "[a-z]+" } }],
    [["--choice", "yes", "--choice", "no"], { responseFormat: { type: "choice", choices: ["yes", "no"] } }],
  ])("%j", (args, expected) => {
    expect(generateOf(...args)).toEqual({ ...expected, seed: 1 });
  });

  test("that are a file, the template's, or the model's", () => {
    expect(parseCommand(["--json-schema", "s.json"])).toMatchObject({
      format: { option: "json-schema", path: "s.json" },
    });
    expect(parseCommand(["--grammar", "g.gbnf"])).toMatchObject({ format: { option: "grammar", path: "g.gbnf" } });
    const variables = ["a=true", "b=1.5", "c=x=y", "d="].flatMap((text) => ["--chat-variable", text]);
    expect(parseCommand(["--chat", ...variables])).toMatchObject({ variables: { a: true, b: 1.5, c: "x=y", d: "" } });
    expect(parseCommand(["--prefix-cache", "off"])).toMatchObject({ load: { prefixCache: false } });
    expect(parseCommand(["--prefix-cache", "20MB"])).toMatchObject({ load: { prefixCache: { maxBytes: "20MB" } } });
  });

  test.each([
    ["--xtc-threshold 0.2", "--xtc-threshold does nothing by itself, expected --xtc-probability beside it"],
    ["--dry-breaker x", "--dry-breaker does nothing by itself, expected --dry-multiplier beside it"],
    ["--dry-multiplier 1 --dry-allowed-length 0", "--dry-allowed-length has a bad value, got 0"],
    ["--json-answer --regex x", "options that exclude each other, got --json-answer and --regex"],
    ["--regex \ud800", "--regex has a bad value"],
    ["--logit-bias 7", '--logit-bias has a bad value, got "7", expected id:bias'],
    ["--logit-bias 7:x", "--logit-bias has a bad value"],
    ["--logit-bias 7:1 --logit-bias 7:2", "--logit-bias is given twice for 7, expected once"],
    ["--speculate all", '--speculate has a bad value, got "all", expected "lookup", { draft: a model } or false'],
    ["--chat-variable a=1", "--chat-variable without a conversation, expected --chat beside it"],
    ["--chat --chat-variable a", '--chat-variable has a bad value, got "a", expected name=value'],
    ["--prefix-cache lots", '--prefix-cache has a bad value, got "lots"'],
    ["--json-schema -", '--json-schema cannot be piped, got "-"'],
    ["--min-tokens -1", "--min-tokens has a bad value, got -1"],
  ])("%s is refused", (line, message) => {
    expect(() => parseCommand(line.split(" "))).toThrow(message);
  });
});
