// The targets: from a number to an input. `weight` is the share of the mutations.

import { markTexts, parseGguf } from "./gguf-model.mjs";
import { mutateBytes } from "./mutate-bytes.mjs";
import { mutateGguf } from "./mutate-gguf.mjs";
import { mutateJson, valuesOf } from "./mutate-json.mjs";
import { mutateTemplate, templateTokens } from "./mutate-template.mjs";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const isTokenizerKey = (key) => Buffer.from(key).toString("latin1").startsWith("tokenizer.");

/** Name -> `{ weight, make(random) -> input }`; see `walk` for what an input is. */
export function targetsOf(corpus) {
  const { ggufs, split, folders, shards, tokenizers, sentencePiece, templates, large, vocabulary } = corpus;
  const models = ggufs.map((one) => ({ ...one, model: markTexts(parseGguf(one.bytes)) }));
  const withTokens = { ...vocabulary, model: markTexts(parseGguf(vocabulary.bytes)) };
  const parts = split.map(([name, one]) => [name, { ...one, model: markTexts(parseGguf(one.bytes)) }]);
  const firstShard = parts[0][0];
  const pool = templates.map(templateTokens);
  return {
    "gguf bytes": { weight: 18, make: (random) => gguf(bytesOf(small(ggufs, random), random)) },
    "gguf fields": { weight: 18, make: (random) => gguf(mutateGguf(small(models, random), random)) },
    "gguf tokenizer": { weight: 9, make: (random) => gguf(mutateGguf(withTokens, random, isTokenizerKey)) },
    "gguf large": { weight: 0.2, make: (random) => gguf(bytesOf(large, random)) },
    "gguf split": {
      weight: 6,
      make: (random) => {
        const [name, one] = random.pick(parts);
        return folder(split, name, random.chance(0.7) ? mutateGguf(one, random) : bytesOf(one, random), {
          path: `m/${firstShard}`,
        });
      },
    },
    "safetensors bytes": {
      weight: 10,
      make: (random) => inFolder(small(folders, random), random, /\.safetensors$/, bytesOf),
    },
    "safetensors fields": {
      weight: 10,
      make: (random) => inFolder(small(folders, random), random, /\.safetensors$/, headerFields),
    },
    "index and shards": {
      weight: 6,
      make: (random) =>
        random.chance(0.8)
          ? inFolder(shards, random, /index\.json$/, jsonFields)
          : inFolder(shards, random, /\.safetensors$/, headerFields),
    },
    "config.json": {
      weight: 12,
      make: (random) =>
        inFolder(small(folders, random), random, random.chance(0.9) ? /^config\.json$/ : /config\.json$/, jsonFields),
    },
    "tokenizer.json": {
      weight: 6,
      make: (random) => {
        const { vocab, files } = tokenizers[random.chance(0.95) ? 0 : 1];
        const change = random.chance(0.9) ? jsonFields : bytesOf;
        return {
          ...inFolder(files, random, /^(tokenizer|tokenizer_config|generation_config)\.json$/, change),
          vocab,
          weightless: true,
        };
      },
    },
    "tokenizer.model": {
      weight: 4,
      make: (random) => ({
        ...inFolder(sentencePiece.files, random, /^(tokenizer\.model|.*\.jinja)$/, bytesOf),
        vocab: sentencePiece.vocab,
        weightless: true,
      }),
    },
    template: {
      weight: 10,
      make: (random) => {
        const template = mutateTemplate(random.pick(pool), pool, random);
        return { template };
      },
    },
  };
}

const VOCAB = 4096;

/** The list is in the order of sizes; its first ones come most often. */
function small(list, random) {
  return list[Math.floor(list.length * (random.word() / 2 ** 32) ** 3)];
}

function gguf(file) {
  return { files: new Map([["m.gguf", file]]), path: "m.gguf", vocab: VOCAB };
}

function folder(files, name, changed, more = {}) {
  const contents = new Map(files.map(([name, file]) => [`m/${name}`, file])).set(`m/${name}`, changed);
  return { files: contents, path: "m", vocab: VOCAB, ...more };
}

/** Changes one of the files whose names fit; without any, another file of the folder. */
function inFolder(files, random, pattern, change) {
  const fitting = files.filter(([name]) => pattern.test(name));
  const [name, file] = random.pick(fitting.length > 0 ? fitting : files);
  return folder(files, name, change(file, random));
}

/** The data behind a header keeps its size, now and then not. */
function bytesOf({ bytes, size }, random) {
  const changed = mutateBytes(bytes, random);
  return {
    bytes: changed,
    size: changed.length + Math.max(0, size - bytes.length + (random.chance(0.05) ? random.pick([-1, 1]) : 0)),
  };
}

/** Texts are taken apart once. */
const known = new WeakMap();
function partsOf(bytes, start = 0) {
  const parts = known.get(bytes);
  if (parts) return parts;
  const text = decoder.decode(bytes.subarray(start));
  const made = { text, values: valuesOf(text) };
  known.set(bytes, made);
  return made;
}

function jsonFields({ bytes }, random) {
  const { text, values } = partsOf(bytes);
  const changed = encoder.encode(mutateJson(text, values, random));
  return { bytes: changed, size: changed.length };
}

function headerFields({ bytes, size }, random) {
  const { text, values } = partsOf(bytes, 8);
  const header = encoder.encode(mutateJson(text, values, random));
  const changed = new Uint8Array(8 + header.length);
  new DataView(changed.buffer).setBigUint64(0, BigInt(header.length), true);
  changed.set(header, 8);
  return { bytes: changed, size: changed.length + size - bytes.length };
}
