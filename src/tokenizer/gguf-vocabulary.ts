/** `tokenizer.ggml.*` of a GGUF file as a vocabulary. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { ruleByName } from "./split.ts";
import { buildVocabulary, faults, TOKEN_KIND, type Vocabulary } from "./vocabulary.ts";

const PREFIX = "tokenizer.ggml.";

/** Control tokens that end an answer, whichever ids the file names. */
export const STOP_NAMES = ["<|end_of_text|>", "<|eom|>", "<|eot|>"];

/** Null when the file holds no tokenizer. `vocab` is the number of rows of the embedding. */
export function readGgufVocabulary(checkpoint: Checkpoint, vocab: number): Vocabulary | null {
  const { metadata, name: file } = checkpoint;
  if (!metadata.has(`${PREFIX}tokens`)) return null;
  const model = metadata.get(`${PREFIX}model`);
  if (model !== "gpt2") {
    throw new EngineError("TOK_COMPONENT", "unsupported tokenizer model", {
      at: { source: "tokenizer", file, field: `${PREFIX}model` },
      actual: String(model),
      limit: "gpt2 (byte-level BPE)",
    });
  }
  const rule = ruleByName(String(metadata.get(`${PREFIX}pre`) ?? "missing"), file);
  const { texts, kinds, warnings } = readTokens(checkpoint, vocab);
  const bos = readId(checkpoint, "bos_token_id", texts.length);
  const addBos = metadata.get(`${PREFIX}add_bos_token`);
  return buildVocabulary({
    file,
    tokensField: `${PREFIX}tokens`,
    mergesField: `${PREFIX}merges`,
    rule,
    texts,
    kinds,
    merges: readList(checkpoint, "merges"),
    // llama.cpp looks whole pieces up first only for its llama3 rules.
    ignoreMerges: false,
    bos,
    // Converters did not always write the key; a Llama 4 is trained with the token in front.
    addBos: bos !== null && addBos !== false,
    stopIds: readStopIds(checkpoint, texts, kinds),
    warnings,
  });
}

function readTokens(checkpoint: Checkpoint, vocab: number): { texts: string[]; kinds: Uint8Array; warnings: string[] } {
  const texts = [...readList(checkpoint, "tokens")] as string[];
  const count = texts.length;
  const warnings: string[] = [];
  if (count > vocab) {
    throw new EngineError("CONFIG_VOCAB", "more tokens than rows in the embedding", {
      at: { source: "tokenizer", file: checkpoint.name, field: `${PREFIX}tokens` },
      actual: count,
      limit: vocab,
    });
  }
  if (count < vocab) warnings.push(`TOK_SHORT: ${count} tokens for ${vocab} rows; the others decode to nothing`);
  const kinds = new Uint8Array(vocab).fill(TOKEN_KIND.unused);
  const types = checkpoint.metadata.get(`${PREFIX}token_type`);
  if (types === undefined) {
    warnings.push("TOK_TYPES: no token types; no token is a control token");
    kinds.fill(TOKEN_KIND.normal, 0, count);
  } else {
    if (!(types instanceof Int32Array)) {
      throw new EngineError("GGUF_ARRAY_TYPE", "token types are not i32", {
        at: { source: "gguf", file: checkpoint.name, field: `${PREFIX}token_type` },
      });
    }
    const fail = faults(checkpoint.name);
    if (types.length !== count)
      fail("TOK_LENGTH", `token types for ${count} tokens`, `${PREFIX}token_type`, types.length);
    for (let id = 0; id < count; id++) {
      if (types[id] < 1 || types[id] > 6)
        fail("TOK_TYPE", "unknown token type", `${PREFIX}token_type[${id}]`, types[id]);
      kinds[id] = types[id];
    }
  }
  while (texts.length < vocab) texts.push("");
  return { texts, kinds, warnings };
}

function readList(checkpoint: Checkpoint, key: string): readonly string[] {
  const list = checkpoint.metadata.get(PREFIX + key);
  if (Array.isArray(list) && (list.length === 0 || typeof list[0] === "string")) return list as readonly string[];
  throw new EngineError("GGUF_ARRAY_TYPE", list === undefined ? "missing list" : "not a list of strings", {
    at: { source: "gguf", file: checkpoint.name, field: PREFIX + key },
  });
}

function readId(checkpoint: Checkpoint, key: string, size: number): number | null {
  const value = checkpoint.metadata.get(PREFIX + key);
  if (value === undefined) return null;
  const id = Number(value);
  if (typeof value !== "object" && Number.isInteger(id) && id >= 0 && id < size) return id;
  throw new EngineError("CONFIG_TOKEN_ID", "not a token id", {
    at: { source: "tokenizer", file: checkpoint.name, field: PREFIX + key },
    actual: String(value),
    limit: `0 to ${size - 1}`,
  });
}

function readStopIds(checkpoint: Checkpoint, texts: readonly string[], kinds: Uint8Array): number[] {
  const ids = new Set<number>();
  for (const key of ["eos_token_id", "eot_token_id", "eom_token_id"]) {
    const id = readId(checkpoint, key, texts.length);
    if (id !== null) ids.add(id);
  }
  // The three keys hold one id each and converters fill one or two: the names are the surer source.
  for (let id = 0; id < texts.length; id++) {
    if (kinds[id] === TOKEN_KIND.control && STOP_NAMES.includes(texts[id])) ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}
