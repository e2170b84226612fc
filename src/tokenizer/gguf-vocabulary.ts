/** `tokenizer.ggml.*` of a GGUF file as a vocabulary. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { isId } from "../given.ts";
import { isTyped } from "../realm.ts";
import { BYTE_LEVEL } from "./alphabet.ts";
import { NO_PREFIX, SENTENCEPIECE } from "./sentencepiece.ts";
import { ruleByName, type SplitRule } from "./split.ts";
import { BYTE_TOKEN, endIds, idsOfKind, isNone, markControlTokens, TOKEN_KIND } from "./token-kinds.ts";
import { buildVocabulary, faults, type Vocabulary } from "./vocabulary.ts";

const PREFIX = "tokenizer.ggml.";

/** Null when the file holds no tokenizer. `vocab` is the number of rows of the embedding. */
export function readGgufVocabulary(checkpoint: Checkpoint, vocab: number): Vocabulary | null {
  const { metadata, name: file } = checkpoint;
  if (!metadata.has(`${PREFIX}tokens`)) return null;
  const model = metadata.get(`${PREFIX}model`);
  if (model === "gpt2") return readByteLevel(checkpoint, vocab);
  if (model === "llama") return readSentencePiece(checkpoint, vocab);
  throw new EngineError("TOK_COMPONENT", "unsupported tokenizer model", {
    at: { source: "tokenizer", file, field: `${PREFIX}model` },
    actual: String(model),
    limit: "gpt2 (byte-level BPE) or llama (SentencePiece BPE)",
  });
}

function readByteLevel(checkpoint: Checkpoint, vocab: number): Vocabulary {
  const tokens = readTokens(checkpoint, vocab);
  const rule = splitRule(checkpoint, tokens);
  const bos = readId(checkpoint, "bos_token_id", vocab);
  const eos = readId(checkpoint, "eos_token_id", vocab);
  return buildVocabulary({
    ...common(checkpoint, tokens, bos, eos),
    mergesField: `${PREFIX}merges`,
    kind: rule.name,
    alphabet: BYTE_LEVEL,
    pieceEnd: rule.pieceEnd,
    merges: readList(checkpoint, "merges"),
    ignoreMerges: rule.ggufIgnoreMerges,
    // Files that name one name a control token: a text for which a byte is missing is refused.
    unknown: null,
    spacePrefix: NO_PREFIX,
    stripSpace: false,
    addBos: readFlag(checkpoint, "add_bos_token") ?? rule.ggufAddBos,
  });
}

/**
 * Files from before there were names have none, and some say "default". Where control tokens tell whose vocabulary it is, it
 * is cut as it was trained; llama.cpp takes its default for all of them, and warns of worse answers.
 */
function splitRule({ metadata, name: file }: Checkpoint, { texts, warnings }: Tokens): SplitRule {
  const given = metadata.get(`${PREFIX}pre`);
  const name = given === undefined ? "default" : String(given);
  if (name !== "default") return ruleByName(name, file);
  const known = [
    ["<|header_start|>", "llama4"],
    ["<|start_header_id|>", "llama-bpe"],
  ].find(([mark]) => texts.includes(mark));
  const said = given === undefined ? "no pre-tokenizer rule is named" : 'the pre-tokenizer rule is "default"';
  const taken = known ? `${known[1]} is taken, by the token ${known[0]}` : "llama.cpp's default is taken";
  warnings.push(`TOK_REGEX: ${said}: ${taken}`);
  return ruleByName(known?.[1] ?? "default", file);
}

/** Files of this kind may leave out what Llama 2 has: ids 0 unknown, 1 begin, 2 end; begin token and space in front. */
function readSentencePiece(checkpoint: Checkpoint, vocab: number): Vocabulary {
  const tokens = readTokens(checkpoint, vocab);
  markByteTokens(tokens);
  const usual = (id: number, kind: number): number | null => (tokens.kinds[id] === kind ? id : null);
  const bos = readId(checkpoint, "bos_token_id", vocab) ?? usual(1, TOKEN_KIND.control);
  const eos = readId(checkpoint, "eos_token_id", vocab) ?? usual(2, TOKEN_KIND.control);
  const prefix = readFlag(checkpoint, "add_space_prefix") ?? true;
  return buildVocabulary({
    ...common(checkpoint, tokens, bos, eos),
    mergesField: `${PREFIX}scores`,
    kind: "sentencepiece",
    alphabet: SENTENCEPIECE,
    pieceEnd: null,
    merges: readScores(checkpoint, vocab, tokens.warnings),
    ignoreMerges: false,
    unknown: readId(checkpoint, "unknown_token_id", vocab) ?? usual(0, TOKEN_KIND.unknown),
    spacePrefix: prefix ? { spans: "every", doubled: true } : NO_PREFIX,
    stripSpace: prefix,
    addBos: readFlag(checkpoint, "add_bos_token") ?? true,
  });
}

/** Where no token is said to be a byte, or unknown, texts tell: llama.cpp goes by them. */
function markByteTokens({ texts, kinds, warnings }: Tokens): void {
  if (texts[0] === "<unk>" && kinds[0] === TOKEN_KIND.normal) kinds[0] = TOKEN_KIND.unknown;
  if (kinds.includes(TOKEN_KIND.byte)) return;
  let bytes = 0;
  for (let id = 0; id < texts.length; id++) {
    if (kinds[id] !== TOKEN_KIND.normal || !BYTE_TOKEN.test(texts[id])) continue;
    kinds[id] = TOKEN_KIND.byte;
    bytes++;
  }
  if (bytes > 0) warnings.push(`TOK_TYPE: ${bytes} tokens are bytes by their texts, not by their types`);
}

function common(checkpoint: Checkpoint, tokens: Tokens, bos: number | null, eos: number | null) {
  const { texts, kinds, warnings } = tokens;
  return {
    file: checkpoint.name,
    tokensField: `${PREFIX}tokens`,
    texts,
    kinds,
    words: idsOfKind(kinds, TOKEN_KIND.userDefined),
    fuseUnknown: true,
    bos,
    eos,
    addEos: readFlag(checkpoint, "add_eos_token") ?? false,
    stopIds: readStopIds(checkpoint, texts, kinds),
    warnings,
  };
}

interface Tokens {
  readonly texts: string[];
  readonly kinds: Uint8Array;
  readonly warnings: string[];
}

function readTokens(checkpoint: Checkpoint, vocab: number): Tokens {
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
    if (!isTyped(types, "Int32Array")) {
      throw new EngineError("GGUF_ARRAY_TYPE", "token types are not i32", {
        at: { source: "gguf", file: checkpoint.name, field: `${PREFIX}token_type` },
      });
    }
    const fail = faults(checkpoint.name);
    let untyped = 0;
    if (types.length !== count)
      fail("TOK_LENGTH", `token types for ${count} tokens`, `${PREFIX}token_type`, types.length);
    for (let id = 0; id < count; id++) {
      const known = types[id] >= 1 && types[id] <= 6;
      kinds[id] = known ? types[id] : TOKEN_KIND.normal;
      if (!known) untyped++;
    }
    // llama.cpp encodes with them all the same.
    if (untyped > 0) warnings.push(`TOK_TYPE: ${untyped} tokens have no type that is known; they are taken as text`);
  }
  while (texts.length < vocab) texts.push("");
  markControlTokens(texts, kinds, warnings);
  return { texts, kinds, warnings };
}

function readList(checkpoint: Checkpoint, key: string): readonly string[] {
  const list = checkpoint.metadata.get(PREFIX + key);
  if (Array.isArray(list) && (list.length === 0 || typeof list[0] === "string")) return list as readonly string[];
  throw new EngineError("GGUF_ARRAY_TYPE", list === undefined ? "missing list" : "not a list of strings", {
    at: { source: "gguf", file: checkpoint.name, field: PREFIX + key },
  });
}

/** Scores by id, one for each token of the file; rows beyond them have 0. */
function readScores(checkpoint: Checkpoint, vocab: number, warnings: string[]): Float32Array {
  const given = checkpoint.metadata.get(`${PREFIX}scores`);
  const field = `${PREFIX}scores`;
  if (given === undefined) {
    warnings.push("TOK_SCORE: no scores; neighbours merge from the left");
    return new Float32Array(vocab);
  }
  if (!isTyped(given, "Float32Array")) {
    throw new EngineError("GGUF_ARRAY_TYPE", "scores are not f32", {
      at: { source: "gguf", file: checkpoint.name, field },
    });
  }
  const count = readList(checkpoint, "tokens").length;
  if (given.length !== count) faults(checkpoint.name)("TOK_LENGTH", `scores for ${count} tokens`, field, given.length);
  const scores = new Float32Array(vocab);
  scores.set(given);
  return scores;
}

function readFlag(checkpoint: Checkpoint, key: string): boolean | null {
  const value = checkpoint.metadata.get(PREFIX + key);
  if (value === undefined || typeof value === "boolean") return value ?? null;
  throw new EngineError("GGUF_KV_TYPE", "not a bool", {
    at: { source: "gguf", file: checkpoint.name, field: PREFIX + key },
    actual: typeof value,
  });
}

function readId(checkpoint: Checkpoint, key: string, size: number): number | null {
  const value = checkpoint.metadata.get(PREFIX + key);
  if (value === undefined || (typeof value !== "object" && isNone(Number(value)))) return null;
  const id = Number(value);
  if (typeof value !== "object" && isId(id, size)) return id;
  throw new EngineError("CONFIG_TOKEN_ID", "not a token id", {
    at: { source: "tokenizer", file: checkpoint.name, field: PREFIX + key },
    actual: String(value),
    limit: `0 to ${size - 1}`,
  });
}

function readStopIds(checkpoint: Checkpoint, texts: readonly string[], kinds: Uint8Array): number[] {
  const keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
  const named = keys.map((key) => readId(checkpoint, key, texts.length)).filter((id) => id !== null);
  return endIds(named, texts, kinds);
}
