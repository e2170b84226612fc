/** beholder in the real workerd, bundled as a worker is: a pair of quantised files, and questions about pictures of every kind. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quantize } from "../dist/src/index.js";
import { readPicture } from "../src/picture/given.ts";
import { asGif, asWebp } from "./picture-files.ts";
import { binary, serve, type Workerd } from "./workerd.ts";

const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const picture = (name: string) => Uint8Array.from(readFileSync(place(`./golden/pictures/${name}`)));
const answers: { file: string; questions: { question: string; answer: string }[] }[] = JSON.parse(
  new TextDecoder().decode(picture("answers.json")),
);
const MIB = 2 ** 20;

const missing = "missing" in binary ? binary.missing : undefined;
let workerd: Workerd | undefined;
const folder = mkdtempSync(join(tmpdir(), "edge-vision-"));
afterAll(async () => {
  await workerd?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Decoders within it, kernels as modules beside it. */
async function bundled(): Promise<Map<string, string | Uint8Array>> {
  const modules = new Map<string, string | Uint8Array>();
  const kernels = new Map<string, Uint8Array>();
  const bundle = await rolldown({
    input: { worker: place("./edge-vision-worker.mjs") },
    platform: "neutral",
    resolve: { conditionNames: ["workerd", "worker", "import"], mainFields: ["module", "main"] },
    plugins: [
      {
        name: "wasm beside",
        resolveId(source, importer) {
          if (!source.endsWith(".wasm")) return null;
          const name = basename(source);
          kernels.set(name, readFileSync(new URL(source, `file://${importer}`)));
          return { id: `./${name}`, external: true };
        },
      },
    ],
  });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  for (const chunk of output) if (chunk.type === "chunk") modules.set(chunk.fileName, chunk.code);
  for (const [name, bytes] of kernels) modules.set(name, bytes);
  return modules;
}

let form: FormData;
const wanted: string[] = [];

beforeAll(async () => {
  if (missing) return;
  const text = join(folder, "beholder.gguf");
  const { vision } = await quantize(fileURLToPath(new URL("../models/beholder", import.meta.url)), text, {
    ...{ type: "q8_0", visionType: "q8_0" },
  });
  form = new FormData();
  form.append("text", new Blob([readFileSync(text)]));
  form.append("tower", new Blob([readFileSync(vision!.file)]));
  const add = (bytes: Uint8Array<ArrayBuffer>, question: string, answer: string) => {
    form.append("picture", new Blob([bytes]));
    form.append("question", question);
    wanted.push(answer);
  };
  for (const { file, questions } of answers)
    for (const { question, answer } of questions) add(picture(file), question, answer);
  const pixels = await readPicture(picture("02-84x84.png"), "");
  const { question, answer } = answers.find(({ file }) => file === "02-84x84.png")!.questions[0];
  add(asGif(pixels), question, answer);
  // No wasm is compiled there while it runs.
  add(await asWebp(pixels), question, "PICTURE_DECODER");
});

test.skipIf(missing)(
  `workerd answers the reference's questions about pictures within 128 MiB${missing ? ` (skipped: ${missing})` : ""}`,
  async () => {
    workerd = await serve({
      entry: await bundled(),
      ...{ compatibilityDate: "2026-11-01", flags: [], vars: {}, buckets: {} },
    });
    const idle = workerd.peak() ?? 0;
    const response = await fetch(workerd.url, { method: "POST", body: form });
    const text = await response.text();
    expect(response.status, text + workerd.stderr()).toBe(200);
    const said = JSON.parse(text);
    expect(said).toMatchObject({ host: "workerd", answers: wanted });
    expect(said.memory.total).toBeLessThan(64 * MIB);
    const peak = (workerd.peak() ?? idle) - idle;
    console.log(
      `memories of the model ${said.memory.total / MIB} MiB; the process grew by ${(peak / MIB).toFixed(0)} MiB`,
    );
    expect(peak).toBeLessThan(128 * MIB);
  },
);
