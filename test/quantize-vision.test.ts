/**
 * quantize of a model that sees: its tower in a GGUF file of its own beside the new one, found by its name, and what the two say together.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { inspect, loadModel, type Model, quantize } from "../dist/src/index.js";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { run } from "./command-line.ts";
import { codeOf } from "./error-code.ts";
import { visionFiles, visionFolder, visionPrompt } from "./vision-golden.ts";

const folder = mkdtempSync(join(tmpdir(), "quantize-vision-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const place = (name: string): string => {
  mkdirSync(join(folder, name));
  return join(folder, name);
};

const BEHOLDER = fileURLToPath(new URL("../models/beholder", import.meta.url));
const picture = (name: string) =>
  Uint8Array.from(readFileSync(fileURLToPath(new URL(`./golden/pictures/${name}`, import.meta.url))));
const pictures: { file: string; questions: { question: string; ids: number[]; answer: string }[] }[] = JSON.parse(
  new TextDecoder().decode(picture("answers.json")),
);

/** Which of the reference's questions are answered otherwise. */
async function wrongAnswers(model: Model): Promise<string[]> {
  const wrong: string[] = [];
  for (const { file, questions } of pictures) {
    for (const { question, ids, answer } of questions) {
      const content = [
        { type: "image", image: picture(file) },
        { type: "text", text: question },
      ] as const;
      const { text, usage } = await model.chat([{ role: "user", content }], { temperature: 0 }).result();
      expect(usage.promptTokens).toBe(ids.length);
      if (text !== answer) wrong.push(`${file}: ${question} ${text}`);
    }
  }
  return wrong;
}

describe("beholder", () => {
  it.each([
    ["folder", "q8_0", undefined, "bf16"],
    ["folder", "q8_0", "q8_0", "q8_0"],
    ["folder", "q6_k", "f16", "f16"],
  ] as const)(
    "%s as %s, tower as %s: found beside, inspected, and every reference answer",
    async (_, type, visionType, stored) => {
      const at = place(`${type}-${visionType}`);
      const target = join(at, "beholder.gguf");
      const done = await quantize(BEHOLDER, target, { type, ...(visionType && { visionType }) });
      expect(readdirSync(at).sort()).toEqual(["beholder.gguf", "mmproj-beholder.gguf"]);
      expect(done.vision).toMatchObject({
        file: join(at, "mmproj-beholder.gguf"),
        bytes: readFileSync(join(at, "mmproj-beholder.gguf")).length,
      });
      expect(Object.keys(done.vision!.types)).toContain(stored);
      const { vision } = await inspect(target);
      const folders = await inspect(BEHOLDER);
      expect(vision).toMatchObject({ name: "mmproj-beholder.gguf", config: folders.vision!.config });
      expect(vision!.parameters).toBe(folders.vision!.parameters);
      expect(vision!.types).toContain(stored);
      const model = await loadModel(target, { threads: 2, context: 512 });
      try {
        expect(await wrongAnswers(model)).toEqual([]);
      } finally {
        await model.dispose();
      }
      // As a pair once more, into another folder: the tower's bytes are copied.
      const again = join(place(`${type}-${visionType}-again`), "pair.gguf");
      const pair = await quantize(target, again, { type: "q4_0", requantize: true });
      const tensors = async (path: string) => {
        const checkpoint = await openCheckpoint(path);
        const all = [...checkpoint.tensors.values()].map(({ name, shape, type }) => [name, shape, type]);
        await checkpoint.close();
        return all;
      };
      expect(await tensors(pair.vision!.file)).toEqual(await tensors(done.vision!.file));
      expect((await inspect(again)).vision).toMatchObject({ config: vision!.config, types: vision!.types });
    },
  );

  it("the command line: the tower in the table, its file named, left out where that is wished for", async () => {
    const at = place("cli");
    const target = join(at, "b.gguf");
    const both = await run("quantize", BEHOLDER, "-t", "q8_0", "--vision-type", "q8_0", "-o", target);
    expect([both.code, both.stdout]).toEqual([
      0,
      expect.stringMatching(/^ {2}q8_0 +\d+ tensors +\S+ \S+ +vision tower$/m),
    ]);
    expect(both.stderr).toContain("mmproj-b.gguf: ");
    const alone = await run("quantize", BEHOLDER, "-t", "q8_0", "--no-vision", "-o", join(at, "text.gguf"), "--json");
    expect(JSON.parse(alone.stdout).vision).toBeNull();
    expect(readdirSync(at).sort()).toEqual(["b.gguf", "mmproj-b.gguf", "text.gguf"]);
    const cases: [string[], RegExp][] = [
      [["--vision-type", "q4_0", "-o", target], /got|of type "q4_0", expected --vision-type/],
      [["--vision-type", "f16", "--no-vision", "-o", target], /--vision-type beside --no-vision/],
      [["--vision-type", "f16", "-o", "-"], /--vision-type beside --output -/],
    ];
    for (const [args, message] of cases)
      expect(await run("quantize", BEHOLDER, "-t", "q8_0", ...args)).toMatchObject({
        ...{ code: 2, stderr: expect.stringMatching(message) },
      });
  });
});

const TEXT = { type: "q8_0", threads: 0 } as const;

it("an f32 tower becomes f16, and its rows stay within f16's rounding of the golden's", async () => {
  const target = join(place("golden"), "v.gguf");
  const { vision } = await quantize(visionFolder(), target, TEXT);
  expect(Object.keys(vision!.types).sort()).toEqual(["f16", "f32"]);
  const model = await loadModel(target, { threads: 0 });
  const { ids, pixelValues, taps } = visionPrompt("grid");
  const golden = taps.get("projected")!.data;
  const { projected } = await model.trace(ids, { pixelValues, taps: ["projected"] });
  await model.dispose();
  const largest = golden.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const apart = golden.reduce((most, value, i) => Math.max(most, Math.abs(value - projected.data[i])), 0);
  expect(apart / largest).toBeLessThan(2e-3);
});

it("a pair whose tower stays as it is and lies beside: not written again; named after its model it is found among others", async () => {
  const at = place("pair");
  const { text, tower } = visionFiles();
  copyFileSync(text, join(at, "model-f32.gguf"));
  copyFileSync(tower, join(at, "mmproj-f32.gguf"));
  const first = await quantize(join(at, "model-f32.gguf"), join(at, "f16.gguf"), TEXT);
  expect(first.vision).toMatchObject({ file: join(at, "mmproj-f16.gguf") });
  const second = await quantize(join(at, "f16.gguf"), join(at, "other.gguf"), { ...TEXT, type: "q4_0" });
  // mmproj-f32.gguf is free, mmproj-f16.gguf is that of f16.gguf: what would be found is another one.
  expect(second.vision).toMatchObject({ file: join(at, "mmproj-other.gguf") });
  rmSync(join(at, "mmproj-other.gguf"));
  rmSync(join(at, "mmproj-f32.gguf"));
  const third = await quantize(join(at, "f16.gguf"), join(at, "third.gguf"), { ...TEXT, type: "q4_0" });
  expect([third.vision, third.warnings.join("\n")]).toEqual([
    null,
    expect.stringContaining("lies beside the new file"),
  ]);
  expect((await inspect(join(at, "third.gguf"))).vision).toMatchObject({ name: "mmproj-f16.gguf" });
});

it("a stream holds the text alone, with a warning; what cannot be is refused, and leaves nothing", async () => {
  const chunks: Uint8Array[] = [];
  const stream = () => new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
  const done = await quantize(visionFolder(), stream(), TEXT);
  expect([done.vision, done.warnings.join("\n")]).toEqual([
    null,
    expect.stringContaining("VISION_FILE: the vision tower is left out"),
  ]);
  const target = join(folder, "never.gguf");
  await quantize(visionFolder(), join(folder, "alone.gguf"), { ...TEXT, vision: false });
  expect(Buffer.compare(Buffer.concat(chunks), readFileSync(join(folder, "alone.gguf")))).toBe(0);
  expect(existsSync(join(folder, "mmproj-alone.gguf"))).toBe(false);
  const { text, tower } = visionFiles();
  const at = place("own");
  copyFileSync(text, join(at, "m.gguf"));
  copyFileSync(tower, join(at, "mmproj-m.gguf"));
  const codes = await Promise.all(
    [
      () => quantize(visionFolder(), target, { ...TEXT, visionType: "q4_0" as never }),
      () => quantize(visionFolder(), target, { ...TEXT, visionType: "f16", vision: false }),
      () => quantize(visionFolder(), stream(), { ...TEXT, visionType: "f16" }),
      () => quantize(visionFolder(), stream(), { ...TEXT, vision: tower }),
      () => quantize(text, target, { ...TEXT, visionType: "f16" }),
      () => quantize(text, target, { ...TEXT, vision: text }),
      () => quantize(join(at, "m.gguf"), join(at, "mmproj-m.gguf"), TEXT),
      () => quantize(text, join(at, "m.gguf"), { ...TEXT, vision: join(at, "mmproj-m.gguf") }),
    ].map(codeOf),
  );
  expect(codes).toEqual([
    ...["OPTION_RANGE", "OPTION_RANGE", "OPTION_RANGE", "OPTION_RANGE", "VISION_FILE", "VISION_FILE"],
    ...["QUANTIZE_TARGET", "QUANTIZE_TARGET"],
  ]);
  expect(existsSync(target)).toBe(false);
});
