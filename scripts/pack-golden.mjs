/**
 * Packs the reference tensors of the model cases into test/golden, one file per case (format: test/golden/README.md).
 *
 *   node scripts/pack-golden.mjs SHARED_GOLDEN_DIR
 *
 * SHARED_GOLDEN_DIR is what the golden generator wrote: a folder per case with config.json, model-f32.gguf,
 * model.safetensors, golden.safetensors, generate.json. The weights are kept once, as the GGUF file; the SHA-256 of
 * every other file that test/golden.ts makes from them goes along, so that a test can hold the copies to the originals.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const CASES = ["text-a-scout", "text-b-maverick", "text-c-top2", "text-d-guard", "text-e-8192", "text-f-edges"];
/** Other architectures, whose taps are `hidden.0..n`: embedding, after each layer, the last one normed. */
const LLAMA_CASES = ["dense-llama3", "mixtral"];
const LAYOUTS = {
  "text-a-scout": { linearised: "text-a-linearised", sharded: "text-a-sharded", split: "text-a-split" },
};
const STEPS = 32767;

/** Name -> { dtype, shape, bytes } of a safetensors file. */
function readSafetensors(path) {
  const file = readFileSync(path);
  const dataAt = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(file.toString("utf8", 8, dataAt));
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => [name, { dtype, shape, bytes: Buffer.from(file.subarray(dataAt + begin, dataAt + end)) }],
    ),
  );
}

/** Byte 0 of every element, then byte 1 of every element, ...: exponents stand together and compress. */
function planes(bytes, width) {
  const count = bytes.length / width;
  const out = Buffer.alloc(bytes.length);
  for (let plane = 0; plane < width; plane++)
    for (let i = 0; i < count; i++) out[plane * count + i] = bytes[i * width + plane];
  return out;
}

/** Values as 16-bit integers, the largest magnitude being 32767. */
function sixteenBits(bytes) {
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const max = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const steps = Int16Array.from(values, (value) => (max === 0 ? 0 : Math.round((value / max) * STEPS)));
  return { max, bytes: Buffer.from(steps.buffer) };
}

class Pack {
  tensors = {};
  parts = [];
  at = 0;

  add(name, type, shape, bytes, width, more = {}) {
    this.tensors[name] = { type, shape, at: this.at, bytes: bytes.length, ...more };
    this.parts.push(planes(bytes, width));
    this.at += bytes.length;
  }

  addTap(name, { dtype, shape, bytes }) {
    if (dtype === "I32") this.add(name, "i32", shape, bytes, 4);
    else if (dtype !== "F32") throw new Error(`${name} is ${dtype}`);
    else if (name === "logits" || name.endsWith(".logits")) this.add(name, "f32", shape, bytes, 4);
    else {
      const { max, bytes: steps } = sixteenBits(bytes);
      this.add(name, "i16", shape, steps, 2, { max });
    }
  }

  write(path, header) {
    const text = Buffer.from(JSON.stringify({ ...header, tensors: this.tensors }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    writeFileSync(path, gzipSync(Buffer.concat([length, text, ...this.parts]), { level: 9 }));
  }
}

function texts(folder) {
  const names = ["config.json", "generation_config.json", "generate.json"];
  return Object.fromEntries(
    names
      .filter((name) => existsSync(join(folder, name)))
      .map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
}

const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Hashes of the files of a folder that hold weights. */
function hashes(folder, prefix) {
  const names = readdirSync(folder).filter((name) => /^model.*\.(safetensors|gguf|index\.json)$/.test(name));
  return Object.fromEntries(names.sort().map((name) => [prefix + name, sha256(join(folder, name))]));
}

/** bfloat16 of a f32 bit pattern, to nearest, ties to even. */
const roundedToBf16 = (bits) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

function checkBf16(wide, narrow) {
  for (const [name, { bytes }] of wide) {
    const rounded = narrow.get(name).bytes;
    for (let i = 0; i < bytes.length / 4; i++)
      if (roundedToBf16(bytes.readUInt32LE(4 * i)) !== rounded.readUInt16LE(2 * i))
        throw new Error(`text-b-bf16: ${name}[${i}] is not text-b-maverick rounded to bfloat16`);
  }
}

function tapName(name, golden) {
  const index = Number(/^hidden\.(\d+)$/.exec(name)?.[1]);
  if (Number.isNaN(index)) return name;
  if (index === 0) return "embed";
  return golden.has(`hidden.${index + 1}`) ? `layers.${index - 1}.out` : "norm";
}

function packCase(from, to, name) {
  const folder = join(from, name);
  const pack = new Pack();
  const gguf = readFileSync(join(folder, "model-f32.gguf"));
  pack.add("model-f32.gguf", "f32", [gguf.length / 4], gguf, 4);
  const golden = readSafetensors(join(folder, "golden.safetensors"));
  for (const [tap, tensor] of golden) pack.addTap(tapName(tap, golden), tensor);
  const long = join(folder, "long.safetensors");
  if (existsSync(long)) for (const [tap, tensor] of readSafetensors(long)) pack.addTap(`long.${tap}`, tensor);
  const sha = hashes(folder, "");
  for (const [layout, other] of Object.entries(LAYOUTS[name] ?? {}))
    Object.assign(sha, hashes(join(from, other), `${layout}/`));
  pack.write(join(to, `${name}.gz`), { texts: texts(folder), sha256: sha });
}

function packBf16(from, to) {
  const folder = join(from, "text-b-bf16");
  checkBf16(
    readSafetensors(join(from, "text-b-maverick", "model.safetensors")),
    readSafetensors(join(folder, "model.safetensors")),
  );
  const pack = new Pack();
  for (const [tap, tensor] of readSafetensors(join(folder, "golden.safetensors"))) pack.addTap(tap, tensor);
  pack.write(join(to, "text-b-bf16.gz"), {
    weights: "text-b-maverick",
    texts: texts(folder),
    sha256: hashes(folder, ""),
  });
}

/** A multimodal model under its released names, what its processor gives and what each prompt's taps are, by prompt. */
function packVision(from, to) {
  const folder = join(from, "vision-v");
  const pack = new Pack();
  for (const [name, { shape, bytes }] of readSafetensors(join(folder, "model.safetensors")))
    pack.add(`model/${name}`, "f32", shape, bytes, 4);
  for (const prompt of ["one", "two", "grid"]) {
    for (const [tap, tensor] of readSafetensors(join(folder, `golden-${prompt}.safetensors`))) {
      if (tap === "pixel_values") pack.add(`${prompt}/${tap}`, "f32", tensor.shape, tensor.bytes, 4);
      else if (tap === "logits") pack.add(`${prompt}/${tap}`, "f32", tensor.shape, tensor.bytes, 4);
      else pack.addTap(`${prompt}/${tap}`, tensor);
    }
  }
  pack.write(join(to, "vision-v.gz"), { texts: texts(folder), sha256: hashes(folder, "") });
}

/** What the processor makes of drawn pictures, widened from bf16. */
function packImages(from, to) {
  const folder = join(from, "vision-v", "images");
  const pack = new Pack();
  for (const [name, { shape, bytes }] of readSafetensors(join(folder, "images.safetensors"))) {
    const wide = Buffer.alloc(bytes.length * 2);
    for (let i = 0; i < bytes.length / 2; i++) wide.writeUInt16LE(bytes.readUInt16LE(2 * i), 4 * i + 2);
    pack.addTap(name, { dtype: "F32", shape, bytes: wide });
  }
  pack.write(join(to, "vision-images.gz"), {
    texts: { "images.json": readFileSync(join(folder, "images.json"), "utf8") },
    sha256: {},
  });
}

const from = process.argv[2];
if (from === undefined) {
  console.error("usage: node scripts/pack-golden.mjs SHARED_GOLDEN_DIR");
  process.exit(2);
}
const to = fileURLToPath(new URL("../test/golden/", import.meta.url));
mkdirSync(to, { recursive: true });
for (const name of [...CASES, ...LLAMA_CASES]) packCase(from, to, name);
packBf16(from, to);
packVision(from, to);
packImages(from, to);
for (const name of readdirSync(to).filter((file) => file.endsWith(".gz")))
  console.log(`${(statSync(join(to, name)).size / 1e6).toFixed(2).padStart(6)} MB  ${name}`);
