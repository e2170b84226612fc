/**
 * The parts of `tokenizer.json` around its model: normaliser, pre-tokenizer, post-processor, decoder.
 * Each must be one whose meaning we implement; whatever else is there is refused by its JSON pointer.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type Alphabet, BYTE_LEVEL } from "./alphabet.ts";
import { NO_PREFIX, SENTENCEPIECE, SPACE, type SpacePrefix, spaceCutEnd } from "./sentencepiece.ts";
import { type PieceEnd, ruleByPattern, type SplitRule } from "./split.ts";
import { GPT2, SMOLLM } from "./split-gpt2.ts";
import { faults } from "./vocabulary.ts";

const FILE = "tokenizer.json";
const MAX_NESTING = 8;
const MAX_PATTERN = 2 ** 20;

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A JSON file of a folder; of one that is absent or no object, an object without fields. */
export function record({ json }: Pick<Checkpoint, "json">, file: string): JsonRecord {
  const value = json.get(file);
  return isRecord(value) ? value : {};
}

export interface TemplateToken {
  readonly name: string;
  /** The one that the post-processor says itself, if it does. */
  readonly id: number | null;
}

export interface Pipeline {
  readonly kind: string;
  readonly alphabet: Alphabet;
  /** Null: nothing cuts the text. */
  readonly pieceEnd: PieceEnd | null;
  readonly spacePrefix: SpacePrefix;
  readonly stripSpace: boolean;
  /** Tokens of the vocabulary that text is cut into before merges, once its spaces are replaced. */
  readonly isolated: readonly string[];
  /** Whether text is rewritten before added tokens with the flag `normalized` are looked for. */
  readonly normalised: boolean;
  /** The tokens that the post-processor puts in front of a text and behind it. */
  readonly leading: TemplateToken | null;
  readonly trailing: TemplateToken | null;
  /** Whether a post-processor says what goes around a text at all. */
  readonly template: boolean;
}

interface Part {
  readonly type: string;
  readonly part: JsonRecord;
  readonly field: string;
}

const fail = faults(FILE);

export function readPipeline(root: JsonRecord, model: JsonRecord, warnings: string[]): Pipeline {
  checkModel(model, warnings);
  const normalizers = parts(root["normalizer"], "/normalizer", "normalizers");
  const cutters = parts(root["pre_tokenizer"], "/pre_tokenizer", "pretokenizers");
  const decoders = parts(root["decoder"], "/decoder", "decoders");
  const byteLevel = cutters.some(({ type }) => type === "ByteLevel");
  const text = byteLevel
    ? readByteLevel(model, normalizers, cutters, decoders)
    : readSentencePiece(normalizers, cutters, decoders);
  // What Metaspace does comes after added tokens were found.
  const normalised = normalizers.length > 0 && cutters.length === 0;
  return { ...text, normalised, ...readTemplate(root["post_processor"]) };
}

type TextRules = Pick<Pipeline, "kind" | "alphabet" | "pieceEnd" | "spacePrefix" | "stripSpace" | "isolated">;

function readByteLevel(model: JsonRecord, normalizers: Part[], cutters: Part[], decoders: Part[]): TextRules {
  if (model["byte_fallback"] === true) unsupported("/model/byte_fallback", "true");
  for (const { type, field } of normalizers) unsupported(field, type);
  for (const { type, field } of decoders) if (type !== "ByteLevel") unsupported(field, type);
  const { name, pieceEnd } = readRule(cutters);
  return { kind: name, alphabet: BYTE_LEVEL, pieceEnd, spacePrefix: NO_PREFIX, stripSpace: false, isolated: [] };
}

function unsupported(field: string, actual?: string): never {
  return fail("TOK_COMPONENT", "unsupported part of the tokenizer", field, actual);
}

function checkModel(model: JsonRecord, warnings: string[]): void {
  if (model["type"] !== undefined && model["type"] !== "BPE") unsupported("/model/type", String(model["type"]));
  // It leaves merges out by chance, which is for training.
  if (model["dropout"]) warnings.push("TOK_COMPONENT: the tokenizer's dropout is not done");
  for (const option of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    const value = model[option];
    if (value !== undefined && value !== null && value !== "" && value !== 0)
      unsupported(`/model/${option}`, String(value));
  }
}

/** A component, with sequences flattened. */
function parts(value: unknown, field: string, listName: string, nesting = 0): Part[] {
  if (value === undefined || value === null) return [];
  if (!isRecord(value) || typeof value["type"] !== "string") return unsupported(field);
  if (value["type"] !== "Sequence") return [{ type: value["type"], part: value, field }];
  const list = value[listName];
  if (nesting === MAX_NESTING || !Array.isArray(list) || list.length > 64) return unsupported(field, "Sequence");
  return list.flatMap((item, index) => parts(item, `${field}/${listName}/${index}`, listName, nesting + 1));
}

/**
 * ByteLevel behind what cuts: a Split by a known pattern (Llama 3, Llama 4), its own pattern (GPT-2), or that after
 * single digits (SmolLM).
 */
function readRule(cutters: readonly Part[]): SplitRule {
  const bytes = cutters[cutters.length - 1];
  const [cutter, extra] = cutters.slice(0, -1);
  if (bytes.type !== "ByteLevel" || extra) return unsupported((extra ?? bytes).field, (extra ?? bytes).type);
  if (bytes.part["add_prefix_space"] === true) unsupported(`${bytes.field}/add_prefix_space`);
  const ownPattern = bytes.part["use_regex"] ?? true;
  if (ownPattern !== (cutter?.type !== "Split")) return unsupported(`${bytes.field}/use_regex`, String(ownPattern));
  if (!cutter) return GPT2;
  if (cutter.type === "Split") return readSplit(cutter);
  if (cutter.type !== "Digits") return unsupported(cutter.field, cutter.type);
  if (cutter.part["individual_digits"] !== true) unsupported(`${cutter.field}/individual_digits`);
  return SMOLLM;
}

function readSplit({ part, field }: Part): SplitRule {
  const { pattern, behavior, invert } = part;
  if (behavior !== "Isolated") unsupported(`${field}/behavior`, String(behavior));
  if (invert === true) unsupported(`${field}/invert`);
  const text = isRecord(pattern) ? pattern["Regex"] : undefined;
  if (typeof text !== "string") return fail("TOK_REGEX", "no pattern", `${field}/pattern`);
  return ruleByPattern(text, FILE, `${field}/pattern/Regex`);
}

/**
 * Spaces become U+2581, by a normaliser or by Metaspace, which also put one in front; decoding turns them back, byte
 * tokens into bytes, and takes one space from the front.
 */
function readSentencePiece(normalizers: Part[], cutters: Part[], decoders: Part[]): TextRules {
  const metaspace = cutters[0]?.type === "Split" ? undefined : cutters[0];
  const [split, extra] = cutters.slice(metaspace ? 1 : 0);
  if (extra) unsupported(extra.field, extra.type);
  const isolated = split ? readIsolated(split) : [];
  const escaping = metaspace ? readMetaspace(metaspace, normalizers) : readNormalizers(normalizers);
  return { kind: "sentencepiece", alphabet: SENTENCEPIECE, ...escaping, isolated, stripSpace: readDecoders(decoders) };
}

/** The texts that a pattern of nothing but alternatives stands for: user-defined pieces, as transformers 5 writes them. */
function readIsolated({ type, part, field }: Part): string[] {
  if (type !== "Split" || part["behavior"] !== "Isolated" || part["invert"] === true) return unsupported(field, type);
  const pattern = isRecord(part["pattern"]) ? part["pattern"]["Regex"] : undefined;
  if (typeof pattern !== "string" || pattern.length > MAX_PATTERN) return unsupported(`${field}/pattern`);
  const alternatives = pattern.match(/(?:\\[^A-Za-z0-9]|[^\\|.^$*+?{}[\]()])+|[\s\S]/gu) ?? [];
  const bars = alternatives.filter((_, index) => index % 2 === 1);
  if (alternatives.length % 2 === 0 || bars.some((bar) => bar !== "|")) return unsupported(`${field}/pattern/Regex`);
  return alternatives
    .filter((_, index) => index % 2 === 0)
    .map((text) =>
      /^[\\|.^$*+?{}[\]()]$/.test(text) ? unsupported(`${field}/pattern/Regex`) : text.replace(/\\(.)/gsu, "$1"),
    );
}

type Escaping = Pick<TextRules, "pieceEnd" | "spacePrefix">;

function readMetaspace({ type, part, field }: Part, normalizers: Part[]): Escaping {
  if (type !== "Metaspace") unsupported(field, type);
  const doubled = readReplaces(normalizers);
  if (part["replacement"] !== SPACE) unsupported(`${field}/replacement`, String(part["replacement"]));
  const scheme = part["prepend_scheme"] ?? (part["add_prefix_space"] === false ? "never" : "always");
  const spans = scheme === "always" ? "every" : scheme === "never" ? "none" : scheme;
  if (spans !== "every" && spans !== "first" && spans !== "none") {
    return unsupported(`${field}/prepend_scheme`, String(scheme));
  }
  return { pieceEnd: part["split"] === false ? null : spaceCutEnd, spacePrefix: { spans, doubled } };
}

/**
 * transformers 5 writes SentencePiece's rule in two steps before Metaspace: spaces become "▁", and one in front is doubled,
 * since Metaspace puts none before it. Whether a space goes before a space.
 */
function readReplaces([replace, twice, extra]: Part[]): boolean {
  if (!replace) return false;
  checkReplace(replace, " ", SPACE);
  if (!twice) return false;
  if (extra) unsupported(extra.field, extra.type);
  const pattern = isRecord(twice.part["pattern"]) ? twice.part["pattern"]["Regex"] : undefined;
  if (twice.type !== "Replace" || pattern !== `\\A${SPACE}` || twice.part["content"] !== SPACE + SPACE)
    return unsupported(twice.field, twice.type);
  return true;
}

/** Replace " " by "▁", with or without a Prepend of "▁" before it. */
function readNormalizers(normalizers: Part[]): Escaping {
  const prepend = normalizers[0]?.type === "Prepend" ? normalizers[0] : undefined;
  const [replace, extra] = normalizers.slice(prepend ? 1 : 0);
  if (!replace || extra) return unsupported(extra?.field ?? "/normalizer", extra?.type);
  if (prepend && prepend.part["prepend"] !== SPACE) unsupported(`${prepend.field}/prepend`);
  checkReplace(replace, " ", SPACE);
  return { pieceEnd: null, spacePrefix: prepend ? { spans: "every", doubled: true } : NO_PREFIX };
}

/** Whether a space is taken from the front. */
function readDecoders([replace, bytes, fuse, strip, extra]: Part[]): boolean {
  if (!replace) return unsupported("/decoder");
  checkReplace(replace, SPACE, " ");
  if (bytes?.type !== "ByteFallback") return unsupported(bytes?.field ?? "/decoder", bytes?.type);
  if (fuse?.type !== "Fuse") return unsupported(fuse?.field ?? "/decoder", fuse?.type);
  if (extra) return unsupported(extra.field, extra.type);
  if (!strip) return false;
  const { content, start, stop } = strip.part;
  if (strip.type !== "Strip" || content !== " " || start !== 1 || stop !== 0)
    return unsupported(strip.field, strip.type);
  return true;
}

function checkReplace({ type, part, field }: Part, from: string, to: string): void {
  const pattern = isRecord(part["pattern"]) ? part["pattern"]["String"] : undefined;
  if (type !== "Replace" || pattern !== from || part["content"] !== to) unsupported(field, type);
}

type Template = Pick<Pipeline, "leading" | "trailing" | "template">;

/** A text with at most one token before it and one behind; ByteLevel here only trims offsets. */
function readTemplate(value: unknown): Template {
  let found: Template = { leading: null, trailing: null, template: false };
  for (const { type, part, field } of parts(value, "/post_processor", "processors")) {
    if (type === "ByteLevel") continue;
    if (type !== "TemplateProcessing" || found.template || !Array.isArray(part["single"]))
      return unsupported(field, type);
    const pieces = part["single"].map((piece: unknown) => (isRecord(piece) ? piece : {}));
    const text = pieces.findIndex((piece) => isRecord(piece["Sequence"]));
    if (text < 0 || text > 1 || pieces.length > text + 2) return unsupported(`${field}/single`);
    const token = (piece: JsonRecord | undefined): TemplateToken | null => {
      if (!piece) return null;
      const special = piece["SpecialToken"];
      return isRecord(special) ? templateToken(String(special["id"]), part) : unsupported(`${field}/single`);
    };
    found = { leading: token(pieces[text - 1]), trailing: token(pieces[text + 1]), template: true };
  }
  return found;
}

function templateToken(name: string, { special_tokens: tokens }: JsonRecord): TemplateToken {
  const said = isRecord(tokens) ? tokens[name] : undefined;
  const ids = isRecord(said) ? said["ids"] : undefined;
  const id: unknown = Array.isArray(ids) && ids.length === 1 ? ids[0] : null;
  return { name, id: Number.isInteger(id) && (id as number) >= 0 ? (id as number) : null };
}
