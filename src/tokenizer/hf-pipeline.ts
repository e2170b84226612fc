/**
 * The parts of `tokenizer.json` around its model: normaliser, pre-tokenizer, post-processor, decoder.
 * Each must be one whose meaning we implement; whatever else is there is refused by its JSON pointer.
 */
import { ruleByPattern, type SplitRule } from "./split.ts";
import { faults } from "./vocabulary.ts";

const FILE = "tokenizer.json";
const MAX_NESTING = 8;

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export interface Pipeline {
  readonly rule: SplitRule;
  /** The token that the post-processor puts in front of a text. */
  readonly leading: string | null;
  /** Whether a post-processor says what goes around a text at all. */
  readonly template: boolean;
}

interface Part {
  readonly type: string;
  readonly part: JsonRecord;
  readonly field: string;
}

const fail = faults(FILE);

export function readPipeline(root: JsonRecord, model: JsonRecord): Pipeline {
  checkModel(model);
  for (const { type, field } of parts(root["normalizer"], "/normalizer", "normalizers")) unsupported(field, type);
  for (const { type, field } of parts(root["decoder"], "/decoder", "decoders")) {
    if (type !== "ByteLevel") unsupported(field, type);
  }
  return { rule: readRule(root["pre_tokenizer"]), ...readTemplate(root["post_processor"]) };
}

function unsupported(field: string, actual?: string): never {
  return fail("TOK_COMPONENT", "unsupported part of the tokenizer", field, actual);
}

function checkModel(model: JsonRecord): void {
  if (model["type"] !== undefined && model["type"] !== "BPE") unsupported("/model/type", String(model["type"]));
  for (const option of ["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) {
    const value = model[option];
    if (value !== undefined && value !== null && value !== "" && value !== 0)
      unsupported(`/model/${option}`, String(value));
  }
  if (model["byte_fallback"] === true) unsupported("/model/byte_fallback", "true");
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

/** A Split by a known pattern, then ByteLevel without a pattern of its own. */
function readRule(value: unknown): SplitRule {
  const [split, bytes, ...rest] = parts(value, "/pre_tokenizer", "pretokenizers");
  if (split?.type !== "Split") return unsupported(split?.field ?? "/pre_tokenizer", split?.type);
  if (bytes?.type !== "ByteLevel" || rest.length > 0)
    return unsupported(rest[0]?.field ?? "/pre_tokenizer", bytes?.type);
  if (bytes.part["use_regex"] !== false) unsupported(`${bytes.field}/use_regex`);
  if (bytes.part["add_prefix_space"] === true) unsupported(`${bytes.field}/add_prefix_space`);
  const { pattern, behavior, invert } = split.part;
  if (behavior !== "Isolated") unsupported(`${split.field}/behavior`, String(behavior));
  if (invert === true) unsupported(`${split.field}/invert`);
  const text = isRecord(pattern) ? pattern["Regex"] : undefined;
  if (typeof text !== "string") return fail("TOK_REGEX", "no pattern", `${split.field}/pattern`);
  return ruleByPattern(text, FILE, `${split.field}/pattern/Regex`);
}

/** `<bos> text` or `text`; ByteLevel here only trims offsets. */
function readTemplate(value: unknown): { leading: string | null; template: boolean } {
  let leading: string | null = null;
  let template = false;
  for (const { type, part, field } of parts(value, "/post_processor", "processors")) {
    if (type === "ByteLevel") continue;
    if (type !== "TemplateProcessing" || template || !Array.isArray(part["single"])) return unsupported(field, type);
    template = true;
    const pieces = part["single"].map((piece: unknown) => (isRecord(piece) ? piece : {}));
    const special = pieces.length === 2 ? pieces[0]["SpecialToken"] : undefined;
    const text = pieces[pieces.length - 1]?.["Sequence"];
    if (!isRecord(text) || pieces.length > 2 || (pieces.length === 2 && !isRecord(special))) {
      return unsupported(`${field}/single`);
    }
    if (isRecord(special)) leading = String(special["id"]);
  }
  return { leading, template };
}
