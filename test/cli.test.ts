import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { end, run, runWithInput, start } from "./command-line.ts";
import { MODEL, PROJECT } from "./runtimes.ts";

const SHORT = ["--max-tokens", "8", "--seed", "7"];
/** Rewards what was said before: repeats itself to the end of the context, so it is there to be interrupted. */
const ENDLESS = ["-p", "Once", "--temperature", "0", "--frequency-penalty", "-2", "--max-tokens", "8000"];

describe("text", () => {
  test("stdout holds the continuation and one newline, stderr the closing line", async () => {
    const { code, stdout, stderr } = await run("-p", "Once upon a time", ...SHORT);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ there [^\n]+\n$/);
    expect(stderr).toMatch(
      /^prompt 5 tokens, [\d,]+ tok\/s · generated 8 tokens, [\d,]+ tok\/s · \d+ threads? · seed 7 · cut by --max-tokens\n$/,
    );
  });

  test("without a prompt and without a pipe a story begins, and stderr says with what", async () => {
    const { code, stdout, stderr } = await run(...SHORT);
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(8);
    expect(stderr).toContain('continuing "Once upon a time"');
  });

  test("the same seed gives the same text with any number of threads, and a random seed is said", async () => {
    const first = await run("-p", "The fox", "--max-tokens", "30");
    const seed = /seed (\d+)/.exec(first.stderr)![1];
    const again = await run("-p", "The fox", "--max-tokens", "30", "--seed", seed, "--threads", "0", MODEL);
    expect(again.stdout).toBe(first.stdout);
    expect(again.stderr).toContain("no worker threads");
  });

  test("a piped prompt is the one of -p, without the newline of echo", async () => {
    const piped = await runWithInput("Tim saw a kité 🦊\n", ...SHORT);
    const given = await run("-p", "Tim saw a kité 🦊", ...SHORT);
    expect(piped.code).toBe(0);
    expect(piped.stdout).toBe(given.stdout);
  });

  test("--chat answers through the template", async () => {
    const { stdout, stderr } = await run("--chat", "-p", "Tell me a story about a fox.", ...SHORT);
    expect(stdout.length).toBeGreaterThan(8);
    expect(stderr).toContain("prompt 18 tokens");
  });

  test("--stop ends before its text", async () => {
    const { stdout } = await run("-p", "Once", "--seed", "7", "--stop", "xyzzy", "--stop", ".");
    expect(stdout).toMatch(/^[^.]+\n$/);
  });

  test("files and words say what the answer is; a wrong file is told before the model is read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cli-formats-"));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const schema = file("s.json", '{"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 3}');
    const grammar = file("g.gbnf", 'root ::= " yes" | " no"');
    const [listed, chosen, said] = await Promise.all([
      run("-p", "Once", "--json-schema", schema, "--json", "--seed", "1"),
      run("-p", "Once", "--choice", " a", "--choice", " b"),
      run("-p", "Once", "--grammar", grammar, "--ignore-eos", "--speculate", "lookup"),
    ]);
    expect(JSON.parse(listed.stdout).value).toEqual(JSON.parse(JSON.parse(listed.stdout).text));
    expect(chosen.stdout).toMatch(/^ [ab]\n$/);
    expect(said.stdout).toMatch(/^ (yes|no)\n$/);
    for (const [args, line] of [
      [["--json-schema", file("no.json", "{")], "names a file that is no JSON"],
      [["--json-schema", join(folder, "none")], "names a file that cannot be read"],
      [["--json-schema", file("not.json", '{"not": {}}')], "SCHEMA_UNSUPPORTED"],
    ] as const) {
      const { code, stderr, stdout } = await run("no-such-model.gguf", "-p", "x", ...args);
      expect([code === 2 || code === 1, stdout, stderr.includes(line)], stderr).toEqual([true, "", true]);
    }
    rmSync(folder, { recursive: true });
  });

  test("--json prints one object and no text beside it", async () => {
    const { code, stdout } = await run("-p", "Once", "--json", "--max-tokens", "4", "--seed", "18446744073709551615");
    const object = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(object.ids).toHaveLength(4);
    expect(object).toMatchObject({
      text: expect.stringContaining("upon"),
      finishReason: "length",
      usage: { promptTokens: 2, completionTokens: 4 },
      timings: { tokensPerSecond: expect.any(Number) },
      seed: "18446744073709551615",
      model: { name: "storyteller-q8_0.gguf", context: 8192 },
    });
  });

  test("--verbose tells what was chosen, on stderr", async () => {
    const { stdout, stderr } = await run("-p", "Once", "--verbose", "--cache", "q8", "--build", "simd", ...SHORT);
    expect(stderr).toMatch(/^build +simd: asked for$/m);
    expect(stderr).toMatch(/^context +8,192 positions, cache q8, activations q16$/m);
    expect(stdout.split("\n")).toHaveLength(2);
  });
});

/** [arguments, the line on stderr] */
const REFUSED: [args: string[], line: string][] = [
  [["--temprature", "1"], "unknown option, got --temprature, did you mean --temperature?"],
  [["--max_tokens", "5"], "unknown option, got --max_tokens, did you mean --max-tokens?"],
  [["--temp", "1"], "unknown option, got --temp, did you mean --temperature?"],
  [["--xyz"], "unknown option, got --xyz, expected one of wasmaverick --help"],
  [["-x"], "unknown option, got -x, expected one of wasmaverick --help"],
  [["--no-chat"], "unknown option, got --no-chat, expected one of wasmaverick --help"],
  [["--top-k"], "--top-k lacks its value, got nothing, expected a number"],
  [["-p", "--chat"], "-p lacks its value, got the option --chat, expected text (or --prompt=--chat)"],
  [["--top-k", "abc"], '--top-k has a bad value, got "abc", expected a number'],
  [["--top-k="], '--top-k has a bad value, got "", expected a number'],
  [["--top-p", "2"], "--top-p has a bad value, got 2, expected a number in (0, 1]"],
  [["--presence-penalty", "-3"], "--presence-penalty has a bad value, got -3, expected a number in [-2, 2]"],
  [["--max-tokens", "0"], "--max-tokens has a bad value, got 0, expected an integer >= 1"],
  [["--threads", "1.5"], "--threads has a bad value, got 1.5, expected an integer from 0 to 64"],
  [["--cache", "q4"], '--cache has a bad value, got "q4", expected "f32" or "q8"'],
  [["--json=yes"], '--json takes no value, got "yes"'],
  [["-p", "a", "--prompt", "b"], "--prompt is given twice, expected once"],
  [["a.gguf", "b.gguf"], '2 models, got "a.gguf", "b.gguf", expected at most one (a prompt goes after -p, in quotes)'],
  [[""], 'an empty model, got "", expected a GGUF file or a Hugging Face folder'],
  [["--chat"], '--chat without a terminal, expected -p "..." or a message on stdin'],
  [["--tensors"], "--tensors is no option of wasmaverick, expected one of wasmaverick --help"],
  [
    ["inspect", "--seed", "1"],
    "--seed is no option of wasmaverick inspect, expected one of wasmaverick inspect --help",
  ],
];

describe("refusals", () => {
  test("a wrong command line ends with 2 and one line that names what, got and expected", async () => {
    const ended = await Promise.all(REFUSED.map(([args]) => run(...args)));
    expect(ended).toEqual(REFUSED.map(([, line]) => ({ code: 2, stdout: "", stderr: `wasmaverick: ${line}\n` })));
  });

  test("an empty prompt on stdin, and one that is no text, end with 2", async () => {
    const [empty, binary] = await Promise.all([runWithInput(""), runWithInput(Uint8Array.of(0xff, 0xfe, 0x80))]);
    expect(empty).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("stdin is empty") });
    expect(binary).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("expected UTF-8") });
  });

  test("an error of the engine ends with 1, its code and no stack trace", async () => {
    const [missing, noModel, tooLong, forgotten] = await Promise.all([
      run("missing.gguf", "-p", "x"),
      run(`${PROJECT}package.json`, "-p", "x"),
      run("--context", "3", "-p", "Once upon a time"),
      run("Once upon a time"),
    ]);
    const line = (text: string) => ({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(`^wasmaverick: ${text}.*\n$`),
    });
    expect(missing).toEqual(line('FILE_MISSING: no such file or folder, expected .* \\[file "missing.gguf"\\]'));
    expect(noModel).toEqual(line("GGUF_MAGIC: not a GGUF file"));
    expect(tooLong).toEqual(line("CONTEXT_LENGTH: the prompt does not fit the context of 3 positions"));
    expect(forgotten).toEqual(line("FILE_MISSING: no such file \\(a prompt goes after -p\\)"));
  });
});

describe("endings", () => {
  test.each(["2", "0"])("SIGINT while text comes: the closing line and 130 (%s threads)", async (threads) => {
    const child = start([...ENDLESS, "--threads", threads]);
    const ended = end(child);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stdout.endsWith("\n")).toBe(true);
    expect(stderr).toMatch(/^stopped after [\d,]+ tokens? · .* · seed \d+\n$/);
  });

  test("SIGTERM ends with 143, and --json then prints nothing", async () => {
    const child = start([...ENDLESS, "--json", "--verbose"]);
    const ended = end(child);
    await once(child.stderr!, "data");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143, stdout: "" });
  });

  test("SIGINT while the prompt is awaited ends with 130", async () => {
    const child = start([], "pipe");
    const ended = end(child);
    await once(child.stderr!, "data");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stdout: "" });
  });

  test("a reader of stdout that leaves ends it quietly with 0", async () => {
    const child = start(ENDLESS);
    const ended = end(child);
    await once(child.stdout!, "data");
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("inspect", () => {
  test("shows parameters, layers and memory in 80 columns", async () => {
    const { code, stdout, stderr } = await run("inspect", "--tensors");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("11,809,024 total, 5,779,712 active per token");
    expect(stdout).toMatch(/^ +0 {2}dmdMdmdM$/m);
    expect(stdout).toMatch(/^ +experts +q8_0 +12 tensors +6\.29 M +6\.68 MB$/m);
    expect(stdout).toMatch(/^tokenizer +gpt2, rule llama4, 2,048 tokens$/m);
    expect(stdout).toMatch(/^template +of the Llama 4 family, 249 characters\n +[0-9a-f]{64}$/m);
    expect(stdout).toMatch(/^ +q8_0 +8 x 256 x 256 +557 kB {2}blk\.1\.ffn_gate_exps\.weight$/m);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("--json prints one object, with the tensors where they are asked for", async () => {
    const [brief, full] = await Promise.all([run("inspect", MODEL, "--json"), run("inspect", "--json", "--tensors")]);
    expect(JSON.parse(brief.stdout)).toMatchObject({
      parameters: { total: 11809024 },
      tensorCount: 91,
      tokenizer: { bos: { id: 2041 } },
    });
    expect(JSON.parse(full.stdout).tensors).toHaveLength(91);
  });
});

test("--help names every option in 80 columns, --version the version", async () => {
  const [help, version] = await Promise.all([run("--help"), run("--version")]);
  expect(help.stdout).toMatch(/^ {2}-p, --prompt <text> /m);
  expect(Math.max(...help.stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(version.stdout).toMatch(/^wasmaverick \d+\.\d+\.\d+\n$/);
});
