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
