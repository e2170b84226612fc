// What is mutated: headers and small files of the repository, once made and handed to every process. No weights: a file is its first
// bytes and its size.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { markTexts, parseGguf, repairOffsets, writeGguf } from "./gguf-model.mjs";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const GOLDEN = join(PROJECT, "test/golden");
/** Reads the golden models. */
const CASES_FILE = join(PROJECT, "test/golden.ts");
const STORYTELLER = join(PROJECT, "models/storyteller-q8_0.gguf");
const TOKENIZERS = join(GOLDEN, "tokenizer");

/** The longer runs of these exercise nothing that the others do not, and unpacking costs seconds. */
const LEFT_OUT = ["text-e-8192"];

/** Of the storyteller's 2,041 ordinary tokens: the bytes and a few merges. Most mutations are to be cheap. */
const TOKENS_KEPT = 270;

/** What a generation_config.json may ask, beside what the storyteller's does. */
const RECOMMENDED = {
  top_k: 40,
  min_p: 0.05,
  repetition_penalty: 1.1,
  max_new_tokens: 256,
  stop_strings: ["<|eot|>", "User:"],
  suppress_tokens: [5, 6],
  bad_words_ids: [[7], [8, 9]],
  typical_p: 0.9,
};

export async function makeCorpus() {
  const { CASES, LLAMA_CASES, goldenCase } = await importGolden();
  const large = ggufHead(STORYTELLER);
  const vocabulary = cutVocabulary(large);
  const corpus = { large, vocabulary, ggufs: [vocabulary], folders: [] };
  for (const name of [...CASES, ...LLAMA_CASES].filter((name) => !LEFT_OUT.includes(name))) {
    const golden = goldenCase(name);
    corpus.ggufs.push(cutVocabulary(ggufHead(golden.ggufPath())));
    corpus.folders.push(folderOf(golden.hfPath()));
  }
  const first = goldenCase("text-a-scout");
  corpus.split = folderOf(dirname(first.splitPath()));
  corpus.folders.push(folderOf(first.linearisedPath()));
  corpus.ggufs.sort((a, b) => a.bytes.length - b.bytes.length);
  corpus.folders.sort((a, b) => bytesOf(a) - bytesOf(b));
  corpus.shards = folderOf(first.shardedPath());

  const json = (name) => JSON.parse(readFileSync(join(TOKENIZERS, name), "utf8"));
  const { config, generation } = json("storyteller.json");
  const empty = { bytes: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d), size: 10 };
  const tokenizer = (vocab, file, more = {}) => ({
    vocab,
    files: [
      ["model.safetensors", empty],
      ["tokenizer.json", whole(readFileSync(join(TOKENIZERS, file)))],
      ...Object.entries(more),
    ],
  });
  corpus.tokenizers = [
    tokenizer(512, "tiny-512.tokenizer.json"),
    tokenizer(2048, "storyteller.tokenizer.json", {
      "tokenizer_config.json": whole(Buffer.from(JSON.stringify(config))),
      "generation_config.json": whole(Buffer.from(JSON.stringify({ ...generation, ...RECOMMENDED }))),
    }),
  ];
  const odd = JSON.parse(gunzipSync(readFileSync(join(TOKENIZERS, "odd-files.json.gz"))).toString());
  const { model, rows } = odd.sentencepiece.models.llama;
  corpus.sentencePiece = {
    vocab: rows,
    files: [
      ["model.safetensors", empty],
      ["tokenizer.model", whole(Buffer.from(model, "base64"))],
      ["tokenizer_config.json", whole(Buffer.from(JSON.stringify({ ...config, bos_token: "<s>" })))],
      ["additional_chat_templates/tool_use.jinja", whole(Buffer.from(odd.zephyr.template))],
    ],
  };
  const jinja = json("jinja.json");
  const published = readdirSync(GOLDEN, { recursive: true }).filter((name) => name.endsWith(".jinja"));
  corpus.templates = [
    ...new Set(jinja.cases.map(({ template }) => template)),
    config.chat_template,
    ...published.map((name) => readFileSync(join(GOLDEN, name), "utf8")),
  ];
  corpus.conversation = { messages: jinja.messages, tools: jinja.tools };
  return corpus;
}

/** test/golden.ts is TypeScript and finds its files beside itself. */
async function importGolden() {
  const folder = mkdtempSync(join(tmpdir(), "mutations-"));
  const file = join(folder, "golden.mjs");
  try {
    const bundle = await rolldown({
      input: CASES_FILE,
      platform: "node",
      transform: { define: { "import.meta.url": JSON.stringify(pathToFileURL(CASES_FILE).href) } },
    });
    await bundle.write({ file });
    await bundle.close();
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function bytesOf(files) {
  return files.reduce((sum, [, { bytes }]) => sum + bytes.length, 0);
}

function whole(bytes) {
  return { bytes: new Uint8Array(bytes), size: bytes.length };
}

function ggufHead(path) {
  const file = readFileSync(path);
  const { end } = parseGguf(new Uint8Array(file));
  return { bytes: new Uint8Array(file.subarray(0, end)), size: file.length };
}

function safetensorsHead(file) {
  return { bytes: new Uint8Array(file.subarray(0, 8 + Number(file.readBigUInt64LE(0)))), size: file.length };
}

/** Files by name, weights without their data. */
function folderOf(path) {
  return readdirSync(path)
    .filter((name) => statSync(join(path, name)).isFile())
    .map((name) => {
      const file = readFileSync(join(path, name));
      if (name.endsWith(".gguf")) return [name, ggufHead(join(path, name))];
      return [name, name.endsWith(".safetensors") ? safetensorsHead(file) : whole(file)];
    });
}

/** The same file with a smaller vocabulary: tokens, merges among them, ids and shapes fit each other. */
function cutVocabulary({ bytes }) {
  const model = parseGguf(bytes);
  const textOf = (bytes) => Buffer.from(bytes).toString("latin1");
  const pairs = new Map(model.pairs.map((pair) => [textOf(pair.key), pair]));
  const tokens = pairs.get("tokenizer.ggml.tokens").value;
  const types = pairs.get("tokenizer.ggml.token_type").value;
  const merges = pairs.get("tokenizer.ggml.merges").value;
  const kept = tokens.items.map((_, id) => id).filter((id) => id < TOKENS_KEPT || types.items[id][0] !== 1);
  const names = new Set(kept.map((id) => textOf(tokens.items[id])));
  const before = tokens.items.length;
  merges.items = merges.items.filter((merge) => {
    const [left, right] = textOf(merge).split(" ");
    return [left, right, left + right].every((part) => names.has(part));
  });
  tokens.items = kept.map((id) => tokens.items[id]);
  types.items = kept.map((id) => types.items[id]);
  const word = (value) => new Uint8Array(Uint32Array.of(value).buffer);
  for (const name of ["bos", "eos", "eot"]) {
    const pair = pairs.get(`tokenizer.ggml.${name}_token_id`);
    if (pair) pair.value = word(kept.indexOf(new DataView(pair.value.buffer).getUint32(0, true)));
  }
  for (const [key, pair] of pairs) if (key.endsWith(".vocab_size")) pair.value = word(kept.length);
  for (const { ne } of model.tensors) if (ne[1] === BigInt(before)) ne[1] = BigInt(kept.length);
  const data = repairOffsets(model);
  const cut = writeGguf(markTexts(model));
  return { bytes: cut, size: cut.length + data };
}
