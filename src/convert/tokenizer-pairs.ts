/** The tokenizer and chat template of a Hugging Face folder as the pairs of a GGUF file. */
import type { Checkpoint, WrittenValue } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { readRawHfVocabulary } from "../tokenizer/hf-vocabulary.ts";
import { SENTENCEPIECE } from "../tokenizer/sentencepiece.ts";
import { SPLIT_RULES } from "../tokenizer/split.ts";
import { DEFAULT_TEMPLATE, templateSources } from "../tokenizer/template-sources.ts";
import { endIds, TOKEN_KIND } from "../tokenizer/token-kinds.ts";
import { buildVocabulary, type RawVocabulary } from "../tokenizer/vocabulary.ts";

const PREFIX = "tokenizer.ggml.";

/** No pairs where the folder has no tokenizer. `vocab` is the number of rows of the embedding. */
export function tokenizerPairs(
  checkpoint: Checkpoint,
  vocab: number,
): { pairs: readonly (readonly [string, WrittenValue])[]; warnings: readonly string[] } {
  const raw = readRawHfVocabulary(checkpoint, vocab);
  if (!raw) return { pairs: [], warnings: [] };
  buildVocabulary(raw); // its checks: a file that we could not read ourselves is not written
  const pairs: [string, WrittenValue][] = [];
  const add = (key: string, value: WrittenValue) => pairs.push([PREFIX + key, value]);
  if (raw.alphabet === SENTENCEPIECE) addSentencePiece(raw, add);
  else addByteLevel(raw, add);
  add("tokens", { texts: raw.texts.map((text, id) => (text === "" ? `[PAD${id}]` : text)) });
  add("token_type", { i32s: Int32Array.from(raw.kinds) });
  if (raw.bos !== null) add("bos_token_id", { u32: raw.bos });
  // The end token of a text, and the ids that end an answer beside it: GGUF has a key for two more, and names speak for some.
  const spoken = new Set(endIds([], raw.texts, raw.kinds));
  const stops = raw.stopIds
    .filter((id) => id !== raw.eos)
    .sort((a, b) => Number(spoken.has(b)) - Number(spoken.has(a)));
  const eos = raw.eos ?? stops.shift();
  if (eos !== undefined) add("eos_token_id", { u32: eos });
  if (stops.length > 0) add("eot_token_id", { u32: stops.pop()! });
  if (stops.length > 0) add("eom_token_id", { u32: stops.pop()! });
  add("add_bos_token", { bool: raw.addBos });
  add("add_eos_token", { bool: raw.addEos });
  pairs.push(...templatePairs(checkpoint));
  const lost = stops.filter((id) => !spoken.has(id));
  const warnings = lost.length > 0 ? [`TOK_SPECIAL: GGUF has no key for further end tokens: ${lost.join(", ")}`] : [];
  if (raw.alphabet === SENTENCEPIECE && !saysSpaces(raw)) {
    warnings.push("TOK_SPACES: GGUF cannot say where this tokenizer puts or cuts spaces: some texts get other ids");
  }
  if (raw.flags && raw.flags.size > 0) {
    warnings.push("TOK_ADDED: GGUF cannot say that added tokens take white space along, or stand as words only");
  }
  return { pairs, warnings };
}

/** Names of further templates are letters, digits and "_" there. */
function templatePairs(checkpoint: Checkpoint): [string, WrittenValue][] {
  const pairs: [string, WrittenValue][] = [];
  const further: string[] = [];
  for (const [given, text] of templateSources(checkpoint)) {
    const name = given.replace(/[^A-Za-z0-9_]/g, "_").slice(0, 64);
    if (given === DEFAULT_TEMPLATE) pairs.push(["tokenizer.chat_template", { text }]);
    else if (!further.includes(name)) {
      further.push(name);
      pairs.push([`tokenizer.chat_template.${name}`, { text }]);
    }
  }
  if (further.length > 0) pairs.push(["tokenizer.chat_templates", { texts: further }]);
  return pairs;
}

type Add = (key: string, value: WrittenValue) => void;

function addByteLevel(raw: RawVocabulary, add: Add): void {
  const rule = SPLIT_RULES.find(({ name }) => name === raw.kind)!;
  if (rule.ggufIgnoreMerges !== raw.ignoreMerges) {
    refuse(
      "/model/ignore_merges",
      raw.ignoreMerges,
      `${rule.ggufIgnoreMerges} for ${rule.name}: GGUF has no key for it`,
    );
  }
  add("model", { text: "gpt2" });
  add("pre", { text: rule.ggufNames[0] });
  add("merges", { texts: pairsOf(raw).map(([left, right]) => `${left} ${right}`) });
}

function addSentencePiece(raw: RawVocabulary, add: Add): void {
  const scores = raw.merges instanceof Float32Array ? raw.merges : rankScores(raw);
  add("model", { text: "llama" });
  add("pre", { text: "default" });
  add("scores", { f32s: scores });
  add("add_space_prefix", { bool: raw.spacePrefix.spans !== "none" });
  if (raw.unknown !== null) add("unknown_token_id", { u32: raw.unknown });
}

/** Scores stand for the order of merges: minus the rank of the first merge that makes a token. */
function rankScores(raw: RawVocabulary): Float32Array {
  const ids = new Map(raw.texts.map((text, id) => [text, id]));
  const merges = pairsOf(raw);
  const scores = new Float32Array(raw.texts.length).fill(-merges.length - 1);
  merges.forEach(([left, right], rank) => {
    const id = ids.get(left + right);
    if (id !== undefined) scores[id] = Math.max(scores[id], -rank);
  });
  raw.kinds.forEach((kind, id) => {
    if (kind !== TOKEN_KIND.normal && !raw.words.has(id)) scores[id] = 0;
  });
  return scores;
}

/**
 * A GGUF file has a space before every span, also before another space, or none; no pattern that cuts; and every token that
 * is looked for ends a span.
 */
function saysSpaces({ spacePrefix: { spans, doubled }, pieceEnd, lateMarkers }: RawVocabulary): boolean {
  const late = spans !== "none" && lateMarkers?.normalised === true && lateMarkers.ids.size > 0;
  return pieceEnd === null && !late && (spans === "none" || (spans === "every" && doubled));
}

function pairsOf({ merges }: RawVocabulary): [string, string][] {
  return Array.from(
    merges as readonly unknown[],
    (entry) => (typeof entry === "string" ? entry.split(" ") : entry) as [string, string],
  );
}

function refuse(field: string, actual: unknown, limit: string): never {
  throw new EngineError("TOK_COMPONENT", "GGUF cannot say this of a tokenizer", {
    at: { source: "tokenizer", file: "tokenizer.json", field },
    actual: String(actual),
    limit,
  });
}
