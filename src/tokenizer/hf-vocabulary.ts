/** The tokenizer of a Hugging Face folder as a vocabulary: `tokenizer.json`, or SentencePiece's `tokenizer.model`. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { quoteName } from "../error.ts";
import { isRecord, readPipeline, record, type TemplateToken } from "./hf-pipeline.ts";
import { configuredBos, namedToken, readStopIds } from "./hf-special.ts";
import { addHfTokens, type HfTokens, readModelTokens } from "./hf-tokens.ts";
import { NO_PREFIX, SENTENCEPIECE, SPACE, type SpacePrefix } from "./sentencepiece.ts";
import { readSentencePieceFile, SENTENCEPIECE_FILE } from "./sentencepiece-file.ts";
import { idsOfKind, TOKEN_KIND } from "./token-kinds.ts";
import { buildVocabulary, faults, type LateMarkers, type RawVocabulary, type Vocabulary } from "./vocabulary.ts";

const FILE = "tokenizer.json";

/** Null when the folder has no tokenizer. `vocab` is the number of rows of the embedding. */
export function readHfVocabulary(checkpoint: Checkpoint, vocab: number): Vocabulary | null {
  const raw = readRawHfVocabulary(checkpoint, vocab);
  return raw && buildVocabulary(raw);
}

export function readRawHfVocabulary(checkpoint: Checkpoint, vocab: number): RawVocabulary | null {
  if (checkpoint.json.has(FILE)) return readJsonVocabulary(checkpoint, vocab);
  return checkpoint.sentencePiece === undefined
    ? null
    : readModelVocabulary(checkpoint, checkpoint.sentencePiece, vocab);
}

function readJsonVocabulary(checkpoint: Checkpoint, vocab: number): RawVocabulary {
  const root = checkpoint.json.get(FILE);
  const fail = faults(FILE);
  if (!isRecord(root)) return fail("TOK_COMPONENT", "not an object", "/");
  const model = root["model"];
  if (!isRecord(model)) return fail("TOK_COMPONENT", "not an object", "/model");
  const warnings: string[] = [];
  const pipeline = readPipeline(root, model, warnings);
  const { leading, trailing, template, alphabet } = pipeline;
  if (!Array.isArray(model["merges"])) return fail("TOK_MERGE", "no list of merges", "/model/merges");
  const base = readModelTokens(model, vocab);
  const listed = [...base.texts];
  const tokens = addHfTokens(checkpoint, base, vocab);
  warnings.push(...tokens.warnings);
  const isolated = isolate(tokens, pipeline.isolated);
  const config = record(checkpoint, "tokenizer_config.json");
  const bos = leading ? templateId(leading, tokens, "in front of") : namedToken(checkpoint, tokens, "bos_token");
  const eos = trailing ? templateId(trailing, tokens, "behind") : namedToken(checkpoint, tokens, "eos_token");
  // Without a template the class of the tokenizer adds the tokens: Llama 2's own the begin token, the general one none.
  const general = /^(PreTrainedTokenizerFast|TokenizersBackend)$/.test(String(config["tokenizer_class"]));
  const wanted = config["add_bos_token"] ?? (alphabet === SENTENCEPIECE && !general);
  return {
    file: FILE,
    tokensField: "tokens",
    mergesField: "model.merges",
    kind: pipeline.kind,
    alphabet,
    pieceEnd: pipeline.pieceEnd,
    texts: tokens.texts,
    kinds: tokens.kinds,
    words: new Set(
      [...idsOfKind(tokens.kinds, TOKEN_KIND.userDefined)].filter((id) => listed[id] === tokens.texts[id]),
    ),
    flags: tokens.flags,
    lateMarkers:
      isolated.size > 0
        ? { normalised: true, spell: (text) => text, ids: isolated }
        : lateMarkers(tokens, pipeline.normalised, pipeline.spacePrefix, warnings),
    merges: model["merges"],
    // With isolated tokens it is for these alone: whatever else is a token, merges lead to.
    ignoreMerges: model["ignore_merges"] === true && isolated.size === 0,
    // A byte-level vocabulary has all bytes, or refuses a text: its unknown token would be a control token.
    unknown: alphabet === SENTENCEPIECE ? unknownId(tokens, model["unk_token"], warnings) : null,
    fuseUnknown: model["fuse_unk"] === true,
    spacePrefix: pipeline.spacePrefix,
    stripSpace: pipeline.stripSpace,
    bos: bos ?? configuredBos(checkpoint, vocab),
    eos,
    addBos: template ? leading !== null : wanted === true,
    addEos: template ? trailing !== null : config["add_eos_token"] === true,
    stopIds: readStopIds(checkpoint, tokens, namedToken(checkpoint, tokens, "eos_token"), vocab),
    warnings,
  };
}

/**
 * As SentencePiece encodes, with a space before every span, as its users and llama.cpp have it; before the first only where
 * the folder says `legacy: false`.
 */
function readModelVocabulary(checkpoint: Checkpoint, bytes: Uint8Array, vocab: number): RawVocabulary {
  const file = readSentencePieceFile(bytes);
  const count = file.texts.length;
  if (count > vocab) {
    faults(SENTENCEPIECE_FILE)("TOK_ID", `more pieces than the ${vocab} rows of the embedding`, "pieces", count);
  }
  const kinds = new Uint8Array(vocab).fill(TOKEN_KIND.unused);
  kinds.set(file.kinds);
  const userDefined = idsOfKind(file.kinds, TOKEN_KIND.userDefined);
  const tokens = addHfTokens(checkpoint, { texts: file.texts, kinds }, vocab);
  const config = record(checkpoint, "tokenizer_config.json");
  const scores = new Float32Array(vocab);
  scores.set(file.scores);
  const control = (id: number | null) => (id !== null && tokens.kinds[id] === TOKEN_KIND.control ? id : null);
  const bos = namedToken(checkpoint, tokens, "bos_token") ?? control(file.bos) ?? configuredBos(checkpoint, vocab);
  const eos = namedToken(checkpoint, tokens, "eos_token") ?? control(file.eos);
  const spans = config["legacy"] === false ? "first" : "every";
  return {
    file: SENTENCEPIECE_FILE,
    tokensField: "pieces",
    mergesField: "scores",
    kind: "sentencepiece",
    alphabet: SENTENCEPIECE,
    pieceEnd: null,
    texts: tokens.texts,
    kinds: tokens.kinds,
    words: userDefined,
    flags: tokens.flags,
    // SentencePiece finds its own pieces in the text as prepared: no space is put behind them.
    lateMarkers: { normalised: true, spell: (text) => text, ids: userDefined },
    merges: scores,
    ignoreMerges: false,
    unknown: file.unknown,
    fuseUnknown: true,
    spacePrefix: file.prefix ? { spans, doubled: true } : NO_PREFIX,
    stripSpace: file.prefix,
    bos,
    eos,
    addBos: (config["add_bos_token"] ?? true) === true,
    addEos: config["add_eos_token"] === true,
    stopIds: readStopIds(checkpoint, tokens, eos, vocab),
    warnings: tokens.warnings,
  };
}

/** Makes ordinary tokens that text is cut into user-defined ones. */
function isolate(tokens: HfTokens, texts: readonly string[]): Set<number> {
  const isolated = new Set<number>();
  if (texts.length === 0) return isolated;
  const known = new Map(tokens.texts.map((text, id) => [text, id]));
  for (const text of texts) {
    // One with spaces as they are never stands in prepared text.
    const id = text.includes(" ") ? undefined : known.get(text);
    if (id === undefined || tokens.kinds[id] !== TOKEN_KIND.normal) continue;
    tokens.kinds[id] = TOKEN_KIND.userDefined;
    isolated.add(id);
  }
  return isolated;
}

/** Added tokens with the flag `normalized` are looked for last, in text as the normaliser leaves it. */
function lateMarkers(tokens: HfTokens, normalised: boolean, { spans }: SpacePrefix, warnings: string[]): LateMarkers {
  const ids = new Set<number>();
  for (const id of tokens.normalised) {
    // A template's control token must be found wherever it stands: the normaliser's space before it would hide it.
    if (tokens.kinds[id] === TOKEN_KIND.userDefined) ids.add(id);
    else if (normalised) {
      const name = quoteName(tokens.texts[id]);
      warnings.push(`TOK_ADDED: ${name} is looked for in the text as given, not as normalised`);
    }
  }
  const prefix = spans === "none" ? "" : SPACE;
  return { normalised, spell: (text) => (normalised ? prefix + text.replaceAll(" ", SPACE) : text), ids };
}

function templateId({ name, id }: TemplateToken, tokens: HfTokens, where: string): number {
  const found = id !== null && id < tokens.texts.length && tokens.texts[id] !== "" ? id : tokens.ids.get(name);
  return found ?? faults(FILE)("TOK_SPECIAL", `the token ${where} every text does not exist`, "/post_processor", name);
}

function unknownId(tokens: HfTokens, name: unknown, warnings: string[]): number | null {
  if (name === undefined || name === null) return null;
  const id = tokens.texts.indexOf(String(name));
  if (id >= 0) return id;
  warnings.push(`TOK_SPECIAL: the unknown token ${quoteName(String(name))} does not exist`);
  return null;
}
