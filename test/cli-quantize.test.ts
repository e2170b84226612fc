import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { endBytes, run, start } from "./command-line.ts";

const folder = mkdtempSync(join(tmpdir(), "quantize-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("writes the file, says its types as a table or as JSON, and the file runs", async () => {
  const target = join(folder, "small.gguf");
  const text = await run("quantize", "--type", "q4_0", "--output", target);
  expect([text.code, text.stderr]).toEqual([0, expect.stringMatching(/small\.gguf: [\d.]+ MB in [\d.]+ s\n$/)]);
  expect(text.stdout).toMatch(/^ {2}q4_0\s+\d+ tensors\s+[\d.]+ MB$/m);
  const larger = ["quantize", target, "-t", "Q8_0", "-o", join(folder, "large.gguf")];
  expect(await run(...larger)).toMatchObject({ code: 1, stderr: expect.stringMatching(/QUANTIZE_AGAIN.*requantize/) });
  const json = await run(...larger, "--requantize", "--json");
  const { types, bytes, recipe } = JSON.parse(json.stdout);
  expect(recipe).toBe("q8_0");
  expect(bytes).toBe(statSync(join(folder, "large.gguf")).size);
  expect(Object.keys(types).sort()).toEqual(["f32", "q8_0"]);
  const story = await run(target, "-p", "Once upon a time", "--max-tokens", "5", "--temperature", "0");
  expect([story.code, story.stdout.trim().split(" ").length]).toEqual([0, 5]);
});

it("-o - writes the bytes of the file to stdout, all else to stderr, and no file of that name", async () => {
  const target = join(folder, "file.gguf");
  const [file, piped] = await Promise.all([
    run("quantize", "-t", "q5_0", "-o", target),
    endBytes(start(["quantize", "-t", "q5_0", "-o", "-"])),
  ]);
  expect([file.code, piped.code, existsSync("-")]).toEqual([0, 0, false]);
  expect(Buffer.compare(piped.stdout, readFileSync(target))).toBe(0);
  expect(String(piped.stderr)).toContain(file.stdout);
  expect(String(piped.stderr)).toMatch(/^stdout: [\d.]+ MB in [\d.]+ s$/m);
});

it("a reader that leaves ends it quietly", async () => {
  const child = start(["quantize", "-t", "q5_0", "-o", "-"]);
  let stderr = "";
  child.stderr!.on("data", (text) => {
    stderr += text;
  });
  await once(child.stdout!, "data");
  child.stdout!.destroy();
  const [code] = await once(child, "close");
  expect([code, stderr]).toEqual([0, ""]);
});

it("refuses what it cannot do in one line, and leaves nothing", async () => {
  const target = join(folder, "never.gguf");
  const cases: [string[], number, RegExp][] = [
    [["-o", target], 2, /expected --type q8_0 \|/],
    [["-t", "q3_k", "-o", target], 2, /got "q3_k"/],
    [["-t", "q4_0"], 2, /expected --output/],
    [["-t", "q4_0", "-o", "-", "--json"], 2, /--json beside --output -/],
    [["-", "-t", "q4_0", "-o", target], 2, /a model cannot be piped/],
    [["a.gguf", "b.gguf", "-t", "q4_0"], 2, /2 models, .* \(the new file goes after -o\)/],
    [["-t", "q4_0", "-o", target, "--threads", "-1"], 2, /--threads/],
    [[join(folder, "missing.gguf"), "-t", "q4_0", "-o", target], 1, /FILE_MISSING/],
    [["-t", "q4_0", "-o", join(folder, "no/place.gguf")], 1, /FILE_IO/],
  ];
  for (const [args, code, message] of cases) {
    const got = await run("quantize", ...args);
    expect([args, got.code, got.stderr.split("\n").length]).toEqual([args, code, 2]);
    expect(got.stderr).toMatch(message);
  }
  expect(existsSync(target)).toBe(false);
});
