/** `tokenizer.json`, `tokenizer_config.json` and `generation_config.json` of a Hugging Face folder as a vocabulary. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError, quoteName } from "../error.ts";
import { isRecord, type JsonRecord, readPipeline } from "./hf-pipeline.ts";
import { SENTENCEPIECE } from "./sentencepiece.ts";
import {
  buildVocabulary,
  endIds,
  faults,
  markChatTokens,
  type RawVocabulary,
  TOKEN_KIND,
  type Vocabulary,
} from "./vocabulary.ts";

const FILE = "tokenizer.json";
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/** Null when the folder has no `tokenizer.json`. `vocab` is the number of rows of the embedding. */
export function readHfVocabulary(checkpoint: Checkpoint, vocab: number): Vocabulary | null {
  const raw = readRawHfVocabulary(checkpoint, vocab);
  return raw && buildVocabulary(raw);
}

export function readRawHfVocabulary(checkpoint: Checkpoint, vocab: number): RawVocabulary | null {
  const root = checkpoint.json.get(FILE);
  if (root === undefined) return null;
  const fail = faults(FILE);
  if (!isRecord(root)) return fail("TOK_COMPONENT", "not an object", "/");
  const model = root["model"];
  if (!isRecord(model)) return fail("TOK_COMPONENT", "not an object", "/model");
  const pipeline = readPipeline(root, model);
  if (!Array.isArray(model["merges"])) return fail("TOK_MERGE", "no list of merges", "/model/merges");
  const tokens = readTokens(root, model, vocab, pipeline.normalised);
  const config = record(checkpoint, "tokenizer_config.json");
  const { leading, trailing, template, alphabet } = pipeline;
  // Without a template the class of the tokenizer adds the tokens; Llama 2's adds the begin token by default.
  const wanted = config["add_bos_token"] ?? alphabet === SENTENCEPIECE;
  const unknown = model["unk_token"] ?? null;
  return {
    file: FILE,
    tokensField: "tokens",
    mergesField: "model.merges",
    kind: pipeline.kind,
    alphabet,
    pieceEnd: pipeline.pieceEnd,
    texts: tokens.texts,
    kinds: tokens.kinds,
    merges: model["merges"],
    ignoreMerges: model["ignore_merges"] === true,
    // A byte-level vocabulary has all bytes, or refuses a text: its unknown token would be a control token.
    unknown: alphabet === SENTENCEPIECE && unknown !== null ? unknownId(tokens, unknown) : null,
    fuseUnknown: model["fuse_unk"] === true,
    spacePrefix: pipeline.spacePrefix,
    stripSpace: pipeline.stripSpace,
    bos: readBos(checkpoint, tokens, leading, vocab),
    eos: readEos(checkpoint, tokens, trailing),
    addBos: template ? leading !== null : wanted === true,
    addEos: template ? trailing !== null : config["add_eos_token"] === true,
    stopIds: readStopIds(checkpoint, tokens, vocab),
    warnings: tokens.warnings,
  };
}

interface Tokens {
  texts: string[];
  kinds: Uint8Array;
  ids: Map<string, number>; // of added tokens
  warnings: string[];
}

function readTokens(root: JsonRecord, model: JsonRecord, vocab: number, normalised: boolean): Tokens {
  const fail = faults(FILE);
  const entries = model["vocab"];
  if (!isRecord(entries)) return fail("TOK_COMPONENT", "not an object", "/model/vocab");
  const texts: (string | undefined)[] = [];
  const kinds = new Uint8Array(vocab).fill(TOKEN_KIND.unused);
  for (const [text, id] of Object.entries(entries)) {
    const field = `/model/vocab/${text.slice(0, 64)}`;
    if (!isId(id)) return fail("TOK_ID", "not a token id", field, String(id));
    if (id >= vocab) return fail("TOK_ID", `token id beyond the ${vocab} rows of the embedding`, field, id);
    if (texts[id] !== undefined) return fail("TOK_ID", `two tokens have id ${id}`, field);
    texts[id] = text;
    const byte = model["byte_fallback"] === true && BYTE_TOKEN.test(text);
    kinds[id] = byte ? TOKEN_KIND.byte : TOKEN_KIND.normal;
  }
  const warnings: string[] = [];
  const ids = readAddedTokens(root, texts, kinds, vocab, normalised ? warnings : null);
  for (let id = 0; id < texts.length; id++)
    if (texts[id] === undefined) fail("TOK_ID", "no token has this id", `/model/vocab`, id);
  if (texts.length < vocab)
    warnings.push(`TOK_SHORT: ${texts.length} tokens for ${vocab} rows; the others decode to nothing`);
  markChatTokens(texts, kinds, warnings);
  while (texts.length < vocab) texts.push("");
  return { texts: texts as string[], kinds, ids, warnings };
}

function readAddedTokens(
  root: JsonRecord,
  texts: (string | undefined)[],
  kinds: Uint8Array,
  vocab: number,
  normalised: string[] | null,
): Map<string, number> {
  const fail = faults(FILE);
  const added = root["added_tokens"] ?? [];
  if (!Array.isArray(added)) return fail("TOK_ADDED", "not a list", "/added_tokens");
  const ids = new Map<string, number>();
  for (const [index, token] of added.entries()) {
    const field = `/added_tokens/${index}`;
    if (!isRecord(token) || typeof token["content"] !== "string") return fail("TOK_ADDED", "not a token", field);
    const { id, content } = token as { id: unknown; content: string };
    if (!isId(id)) return fail("TOK_ID", "not a token id", `${field}/id`, String(id));
    if (id >= vocab) return fail("TOK_ADDED", `token id beyond the ${vocab} rows of the embedding`, `${field}/id`, id);
    if (content === "") return fail("TOK_ADDED", "empty token", field);
    for (const flag of ["single_word", "lstrip", "rstrip"]) {
      if (token[flag] === true) fail("TOK_ADDED", `unsupported flag ${flag}`, `${field}/${flag}`, content);
    }
    const control = token["special"] === true;
    if (normalised && (token["normalized"] ?? !control) === true) {
      normalised.push(`TOK_ADDED: ${quoteName(content)} is looked for in the text as given, not as normalised`);
    }
    if (texts[id] !== undefined && (texts[id] !== content || kinds[id] !== TOKEN_KIND.normal)) {
      return fail("TOK_ID", `two tokens have id ${id}`, field, content);
    }
    texts[id] = content;
    kinds[id] = control ? TOKEN_KIND.control : TOKEN_KIND.userDefined;
    ids.set(content, id);
  }
  return ids;
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}

function record(checkpoint: Checkpoint, file: string): JsonRecord {
  const value = checkpoint.json.get(file);
  return isRecord(value) ? value : {};
}

/** `"<|eot|>"` or `{"content": "<|eot|>"}`. */
export function tokenName(value: unknown): string | undefined {
  const name = isRecord(value) ? value["content"] : value;
  return typeof name === "string" ? name : undefined;
}

function readBos(checkpoint: Checkpoint, tokens: Tokens, leading: string | null, vocab: number): number | null {
  const name = leading ?? tokenName(record(checkpoint, "tokenizer_config.json")["bos_token"]);
  if (name !== undefined) {
    const id = tokens.ids.get(name);
    if (id !== undefined) return id;
    faults(FILE)("TOK_SPECIAL", "the token in front of every text does not exist", "/post_processor", name);
  }
  for (const file of ["generation_config.json", "config.json"]) {
    const id = record(checkpoint, file)["bos_token_id"];
    if (id !== undefined && id !== null) return checkedId(id, vocab, file, "/bos_token_id");
  }
  return null;
}

function checkedId(id: unknown, vocab: number, file: string, field: string): number {
  if (isId(id) && id < vocab) return id;
  throw new EngineError("CONFIG_TOKEN_ID", "not a token id", {
    at: { source: "config", file, field },
    actual: String(id),
    limit: `0 to ${vocab - 1}`,
  });
}

function readEos(checkpoint: Checkpoint, tokens: Tokens, trailing: string | null): number | null {
  if (trailing !== null && !tokens.ids.has(trailing)) {
    faults(FILE)("TOK_SPECIAL", "the token behind every text does not exist", "/post_processor", trailing);
  }
  const name = trailing ?? tokenName(record(checkpoint, "tokenizer_config.json")["eos_token"]);
  return (name === undefined ? undefined : tokens.ids.get(name)) ?? null;
}

function unknownId(tokens: Tokens, name: unknown): number {
  const id = tokens.texts.indexOf(String(name));
  return id >= 0
    ? id
    : faults(FILE)("TOK_SPECIAL", "the unknown token does not exist", "/model/unk_token", String(name));
}

/** The list of `generation_config.json` and the end token of the tokenizer, beside the tokens so named. */
function readStopIds(checkpoint: Checkpoint, tokens: Tokens, vocab: number): number[] {
  const file = "generation_config.json";
  const listed = record(checkpoint, file)["eos_token_id"] ?? [];
  const list = Array.isArray(listed) ? listed : [listed];
  if (list.length > 1024) {
    throw new EngineError("CONFIG_TOKEN_ID", "too many end tokens", {
      at: { source: "config", file, field: "/eos_token_id" },
      actual: list.length,
      limit: "at most 1024",
    });
  }
  const named = list.map((id, index) => checkedId(id, vocab, file, `/eos_token_id/${index}`));
  const eos = readEos(checkpoint, tokens, null);
  if (eos !== null && tokens.kinds[eos] === TOKEN_KIND.control) named.push(eos);
  return endIds(named, tokens.texts, tokens.kinds);
}
