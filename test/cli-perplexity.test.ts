import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../dist/src/checkpoint/open.js";
import { loadModel, type Model } from "../dist/src/index.js";
import { run as command, runWithInput as commandWithInput, start } from "./command-line.ts";
import { MODEL } from "./runtimes.ts";

const STORY =
  "Once upon a time there was a fox who lived in a quiet forest. Every day he walked to the river and looked at the moon. " +
  "One day he met a small owl named Luna. They became friends and played with a red kite until the sun went down.";

const folder = mkdtempSync(join(tmpdir(), "perplexity-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  writeFileSync(at("story.txt"), STORY);
  // Another model: the storyteller with a smaller last norm, so less sure of itself.
  const bytes = readFileSync(MODEL);
  const checkpoint = await openCheckpoint(MODEL);
  const { offset, shape } = checkpoint.tensors.get("output_norm.weight")!;
  await checkpoint.close();
  for (let index = 0; index < shape[0]; index++)
    bytes.writeFloatLE(0.8 * bytes.readFloatLE(offset + 4 * index), offset + 4 * index);
  writeFileSync(at("unsure.gguf"), bytes);
});

const run = (...args: string[]) => command("perplexity", ...args);
const runWithInput = (input: string, ...args: string[]) => commandWithInput(input, "perplexity", ...args);

const TEXT = ["--file", at("story.txt"), "--threads", "1"];

/** ln p behind every prefix of the story, from the logits of a session. */
async function rowsOf(file: string): Promise<{ ids: number[]; rows: Float64Array[] }> {
  const model: Model = await loadModel(file, { threads: 1, context: 128 });
  const session = model.session();
  const ids = model.tokenizer.encode(STORY, { addBos: true });
  const rows: Float64Array[] = [];
  for (let length = 1; length < ids.length; length++) {
    await session.sync(ids.slice(0, length));
    const logits = Float64Array.from(await session.logits());
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    rows.push(logits.map((logit) => logit - total));
  }
  await model.dispose();
  return { ids, rows };
}

describe("perplexity", () => {
  test("of a text in one window: e to the mean nll of a session's logits, in 80 columns", async () => {
    const { ids, rows } = await rowsOf(MODEL);
    const mean = -rows.reduce((sum, row, index) => sum + row[ids[index + 1]], 0) / rows.length;
    const [text, json] = await Promise.all([run(...TEXT), run(...TEXT, "--json")]);
    expect(text.code, text.stderr).toBe(0);
    expect(text.stdout).toMatch(`${rows.length}: all but the first, in one window`);
    expect(text.stdout).toMatch(RegExp(`^perplexity  ${Math.exp(mean).toFixed(2)} ± `, "m"));
    expect(text.stderr).toMatch(/^\d+\.\d s, [\d,]+ tok\/s · 1 thread\n$/);
    expect(JSON.parse(json.stdout)).toMatchObject({
      meanNll: expect.closeTo(mean, 9),
      text: { file: "story.txt", ids: ids.length, scored: rows.length, windows: 1, window: 512, stride: null },
      model: { name: "storyteller-q8_0.gguf", context: 512 },
      saved: null,
    });
  });

  test("a text on stdin, with --file - or without, is that of a file", async () => {
    const threads = ["--threads", "1", "--json"];
    const [file, dash, piped, empty] = await Promise.all([
      run(...TEXT, "--json"),
      runWithInput(STORY, "--file", "-", ...threads),
      runWithInput(STORY, ...threads),
      runWithInput("", "--file", "-", ...threads),
    ]);
    const { text, ...measured } = JSON.parse(file.stdout);
    for (const { code, stdout, stderr } of [dash, piped]) {
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toEqual({ ...measured, text: { ...text, file: "stdin" } });
    }
    expect([empty.code, empty.stdout]).toEqual([1, ""]);
    expect(empty.stderr).toMatch(/^wasmaverick: [A-Z_]+: .*\n$/);
  });

  test("--against another model: KL, the difference, equal top tokens", async () => {
    const [p, q] = [await rowsOf(MODEL), await rowsOf(at("unsure.gguf"))];
    const kl = p.rows.map((row, index) =>
      row.reduce((sum, logP, id) => sum + Math.exp(logP) * (logP - q.rows[index][id]), 0),
    );
    const mean = kl.reduce((sum, value) => sum + value, 0) / kl.length;
    const [json, text] = await Promise.all([
      run(at("unsure.gguf"), ...TEXT, "--against", MODEL, "--json"),
      run(at("unsure.gguf"), ...TEXT, "--against", MODEL, "--context", "16"),
    ]);
    expect(json.code, json.stderr).toBe(0);
    const object = JSON.parse(json.stdout);
    expect(mean).toBeGreaterThan(0.01);
    expect(object.kl.mean).toBeCloseTo(mean, 9);
    expect(object.kl.max).toBeCloseTo(Math.max(...kl), 9);
    // The last norm changes all logits by one factor, and no order.
    expect(object.sameTop).toBe(1);
    expect(object.perplexityRatio).toBeCloseTo(object.perplexity / object.reference.perplexity, 9);
    expect(object.reference.name).toBe("storyteller-q8_0.gguf");
    expect(text.stdout).toMatch(/^unsure\.gguf {2}against storyteller-q8_0\.gguf$/m);
    expect(text.stdout).toMatch(/^scored +\d+: the second half of \d+ windows of 16; \d+ behind them left out$/m);
    expect(Math.max(...text.stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("--save-logits, then --logits: the same nll to the bit, and no part of a file beside it", async () => {
    const saved = await run(
      ...TEXT,
      "--save-logits",
      at("story.logits"),
      "--context",
      "32",
      "--stride",
      "16",
      "--json",
    );
    expect(saved.code, saved.stderr).toBe(0);
    const { meanNll, text, saved: file } = JSON.parse(saved.stdout);
    expect(file).toEqual({ file: "story.logits", bytes: statSync(at("story.logits")).size });
    expect(file.bytes).toBe(64 + text.scored * (16 + 2 * 2048));
    expect(readdirSync(folder).sort()).toEqual(["story.logits", "story.txt", "unsure.gguf"]);
    const again = JSON.parse((await run(...TEXT, "--logits", at("story.logits"), "--json")).stdout);
    expect(again.reference.meanNll).toBe(meanNll);
    expect(again).toMatchObject({ meanNll, text: { window: 32, stride: 16 }, sameTop: 1 });
    expect(again.kl.max).toBeLessThan(1e-7);
  });

  test("an end on its way leaves no file", async () => {
    writeFileSync(at("long.txt"), STORY.repeat(200));
    const args = ["perplexity", "--file", at("long.txt"), "--save-logits", at("cut.logits"), "--threads", "1"];
    const child = start(args);
    while (!readdirSync(folder).some((name) => name.startsWith("cut.logits"))) {
      if (child.exitCode !== null) throw new Error("it ended before it wrote");
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill("SIGTERM");
    const [code] = await once(child, "close");
    expect(code).toBe(143);
    expect(readdirSync(folder).filter((name) => name.startsWith("cut"))).toEqual([]);
  });

  test("refusals: a code, one line, nothing on stdout", async () => {
    writeFileSync(at("binary.txt"), Uint8Array.of(0xff, 0xfe));
    const cases: [string[], number, string][] = [
      [[], 2, "no text, got nothing, expected --file path/to/text.txt, or a text on stdin"],
      [[...TEXT, "--save-logits", "-"], 2, '--save-logits cannot be piped, got "-"'],
      [[...TEXT, "--logits", "-"], 2, '--logits cannot be piped, got "-"'],
      [[...TEXT, "--against", "-"], 2, '--against cannot be piped, got "-"'],
      [[...TEXT, "--logits", "a", "--against", "b"], 2, "exclude each other, got --against and --logits"],
      [[...TEXT, "--context", "2"], 2, "--context has a bad value, got 2, expected an integer from 4"],
      [[...TEXT, "--stride", "512"], 1, "OPTION_RANGE: stride, got 512, expected an integer from 1 to 511"],
      [["--file", at("none.txt")], 1, 'FILE_MISSING: no such file [file "none.txt"]'],
      [["--file", "/dev/zero"], 1, "FILE_TOO_LARGE: the text is too long"],
      [["--file", folder], 1, "FILE_IO: the file cannot be read (EISDIR)"],
      [["--file", at("binary.txt")], 1, "PROMPT_UNICODE: the file is not text"],
      [[...TEXT, "--logits", at("story.txt")], 1, "LOGITS_FORMAT: not a file of logits"],
      [
        [...TEXT, "--save-logits", at("story.txt")],
        1,
        "FILE_EXISTS: another file lies where the logits would be saved",
      ],
      [[...TEXT, "--save-logits", join(folder, "no", "x")], 1, "FILE_IO: the file cannot be written (ENOENT)"],
      [[...TEXT, "--max-memory", "1MB"], 1, "MODEL_TOO_LARGE"],
    ];
    const ended = await Promise.all(cases.map(([args]) => run(...args)));
    ended.forEach(({ code, stdout, stderr }, index) => {
      expect([code, stdout, stderr.trimEnd().split("\n").length], stderr).toEqual([cases[index][1], "", 1]);
      expect(stderr).toContain(cases[index][2]);
    });
    expect(readFileSync(at("story.txt"), "utf8")).toBe(STORY);
  });
});
