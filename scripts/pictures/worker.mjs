// Reads changed pictures, case after case; before each its number stands in a file, for whoever has to end this process.

import { openSync, writeSync } from "node:fs";
import { EngineError } from "../../dist/src/error.js";
import { readPicture, sizeOf } from "../../dist/src/picture/given.js";
import { Random } from "../mutations/random.mjs";
import { makeCorpus } from "./corpus.mjs";
import { mutatePicture } from "./mutate-picture.mjs";

const progress = openSync(process.argv[2], "w");
const corpus = await makeCorpus();
const whole = new Map();
for (const [kind, files] of Object.entries(corpus))
  whole.set(kind, await Promise.all(files.map((file) => readPicture(file, "picture"))));

process.on("message", async ({ kind, seed, from, to }) => {
  const result = { cases: 0, read: 0, codes: {}, failures: [], worst: { ms: 0 } };
  for (let index = from; index < to; index++) {
    writeSync(progress, Uint8Array.from(new Uint8Array(Uint32Array.of(index).buffer)), 0, 4, 0);
    const bytes = mutatePicture(kind, corpus, new Random(seed, kind, index));
    const { ms, pixels, code, failure } = await readOne(bytes);
    result.cases++;
    if (failure !== undefined) result.failures.push({ index, what: failure });
    else if (code === undefined) result.read++;
    else result.codes[code] = (result.codes[code] ?? 0) + 1;
    if (ms > result.worst.ms) result.worst = { ms, index, pixels };
    if (failure === undefined && ms > MS + pixels * MS_A_PIXEL)
      result.failures.push({ index, what: `slower than ${MS} ms and ${MS_A_PIXEL * 1e6} ms a million pixels` });
  }
  const broken = await brokenDecoder(kind);
  if (broken !== undefined) result.failures.push({ index: to - 1, what: broken });
  result.peak = process.resourceUsage().maxRSS * 1024;
  process.send(result);
});

/** Generous: other work runs beside this. */
const MS = 250;
const MS_A_PIXEL = 2e-3;

async function readOne(bytes) {
  const begun = performance.now();
  let [pixels, code, failure] = [0, undefined, undefined];
  try {
    const { width, height } = sizeOf(bytes, "picture");
    pixels = width * height;
    const picture = await readPicture(bytes, "picture");
    if (picture.data.length !== picture.width * picture.height * 4) failure = "data of another size than the picture";
    if (picture.width !== width || picture.height !== height) failure = "another size than its header's";
  } catch (error) {
    if (!(error instanceof EngineError)) failure = `${error}`.slice(0, 200);
    else if (/^PICTURE_(KIND|LIMIT|DATA)$/.test(error.code)) code = error.code;
    else failure = `${error.code}: ${error.message}`;
  }
  return { ms: performance.now() - begun, pixels, code, failure };
}

/** A decoder that bad files have broken reads good ones no longer. */
async function brokenDecoder(kind) {
  for (const [index, file] of corpus[kind].entries()) {
    const again = await readPicture(file, "picture").catch(() => undefined);
    const before = whole.get(kind)[index];
    if (!again || !Buffer.from(again.data).equals(Buffer.from(before.data)))
      return `good file ${index} is read no longer as before`;
  }
  return undefined;
}

process.send({ ready: true });
