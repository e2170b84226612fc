import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "quantize-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

it("writes the file, says its types as a table or as JSON, and the file runs", async () => {
  const target = join(folder, "small.gguf");
  const text = await run("quantize", "--type", "q4_0", "--output", target);
  expect([text.code, text.stderr]).toEqual([0, expect.stringMatching(/small\.gguf: [\d.]+ MB in [\d.]+ s\n$/)]);
  expect(text.stdout).toMatch(/^ {2}q4_0\s+\d+ tensors\s+[\d.]+ MB$/m);
  const json = await run("quantize", target, "-t", "Q8_0", "-o", join(folder, "large.gguf"), "--json");
  const { types, bytes, recipe } = JSON.parse(json.stdout);
  expect(recipe).toBe("q8_0");
  expect(bytes).toBe(statSync(join(folder, "large.gguf")).size);
  expect(Object.keys(types).sort()).toEqual(["f32", "q8_0"]);
  const story = await run(target, "-p", "Once upon a time", "--max-tokens", "5", "--temperature", "0");
  expect([story.code, story.stdout.trim().split(" ").length]).toEqual([0, 5]);
});

it("refuses what it cannot do in one line, and leaves nothing", async () => {
  const target = join(folder, "never.gguf");
  const cases: [string[], number, RegExp][] = [
    [["-o", target], 2, /expected --type q8_0 \|/],
    [["-t", "q3_k", "-o", target], 2, /got "q3_k"/],
    [["-t", "q4_0"], 2, /expected --output/],
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
