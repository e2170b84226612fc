import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError, quoteName } from "../error.ts";
import { openChatTemplates } from "./chat.ts";
import { SPLIT_RULES } from "./split.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";

/** What a checkpoint holds to turn messages into ids, without using it. Names are escaped and cut. */

export interface NamedId {
  readonly id: number;
  readonly name: string;
}

export interface TokenizerInspection {
  /** What the file calls it: `gpt2` (byte-level pairs) or `llama` in GGUF files, `BPE` in folders; `SentencePiece` is `tokenizer.model`. */
  readonly kind: string;
  /** Where merges may not cross: a pre-tokenizer of GGUF, or the rule whose expression a folder quotes; null: none. */
  readonly rule: string | null;
  readonly size: number;
  readonly bos: NamedId | null;
  /** Whether a text begins with it. */
  readonly addBos: boolean;
  /** What ends an answer. */
  readonly stop: readonly NamedId[];
  /** Control and unknown tokens with a name. */
  readonly special: { readonly count: number; readonly known: readonly NamedId[] };
}

export interface TemplateInspection {
  /** Of its UTF-8, in hexadecimal; null where the host has no WebCrypto (pages without TLS). */
  readonly sha256: string | null;
  readonly characters: number;
  /** By the markers it writes; null: none that is known. */
  readonly family: string | null;
}

export interface TextInspection {
  /** null: none, or one that is refused; then the warnings say why. */
  readonly tokenizer: TokenizerInspection | null;
  readonly template: TemplateInspection | null;
  /** Names of all chat templates, `default` first. */
  readonly templates: readonly string[];
  readonly warnings: readonly string[];
}

/** Never throws for what the file holds: a model without a usable tokenizer can still be looked at. */
export async function inspectText(checkpoint: Checkpoint, vocab: number): Promise<TextInspection> {
  const warnings: string[] = [];
  const tokenizer = attempt("tokenizer", warnings, () => openTokenizer(checkpoint, vocab));
  if (tokenizer === null) {
    if (warnings.length === 0) warnings.push("no tokenizer: only ids can be given to the model");
    return { tokenizer, template: null, templates: [], warnings };
  }
  warnings.push(...tokenizer.warnings);
  const failed = warnings.length;
  const templates = openChatTemplates(checkpoint);
  const template = attempt("chat template", warnings, () => templates?.choose() ?? null);
  for (const name of templates?.names.slice(1) ?? [])
    attempt(`chat template ${quoteName(name)}`, warnings, () => templates!.named(name));
  if (template === null && warnings.length === failed) warnings.push("no chat template: chats are refused");
  return {
    tokenizer: describe(checkpoint, tokenizer),
    template: template && (await describeTemplate(template.source)),
    templates: templates?.names ?? [],
    warnings,
  };
}

function attempt<Result>(what: string, warnings: string[], work: () => Result | null): Result | null {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    warnings.push(`${what}: ${error.message}`);
    return null;
  }
}

/** Names that structure a prompt in the families we know. */
const KNOWN_NAMES = [
  "<|begin_of_text|>",
  "<|end_of_text|>",
  "<|header_start|>",
  "<|header_end|>",
  "<|start_header_id|>",
  "<|end_header_id|>",
  "<|eot|>",
  "<|eom|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|python_start|>",
  "<|python_end|>",
  "<|python_tag|>",
  "<|finetune_right_pad|>",
  "<|finetune_right_pad_id|>",
  "<|image|>",
  "<|image_start|>",
  "<|image_end|>",
  "<|patch|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|endoftext|>",
  "<s>",
  "</s>",
  "<unk>",
  "[INST]",
  "[/INST]",
];

function describe(checkpoint: Checkpoint, tokenizer: Tokenizer): TokenizerInspection {
  const named = (id: number): NamedId => ({ id, name: nameOf(tokenizer, id) });
  let count = 0;
  for (let id = 0; id < tokenizer.vocabSize; id++)
    if (tokenizer.isSpecial(id) && tokenizer.tokenBytes(id).length > 0) count++;
  const known = KNOWN_NAMES.flatMap((name) => tokenizer.specialId(name) ?? []).sort((a, b) => a - b);
  return {
    ...kindOf(checkpoint),
    size: tokenizer.vocabSize,
    bos: tokenizer.bos === null ? null : named(tokenizer.bos),
    addBos: tokenizer.addBos,
    stop: tokenizer.stopIds.map(named),
    special: { count, known: known.map(named) },
  };
}

function nameOf(tokenizer: Tokenizer, id: number): string {
  return quoteName(new TextDecoder().decode(tokenizer.tokenBytes(id)), false);
}

function kindOf({ format, metadata, json }: Checkpoint): { kind: string; rule: string | null } {
  const text = (value: unknown) => (typeof value === "string" ? quoteName(value, false) : null);
  if (format === "gguf") {
    const rule = text(metadata.get("tokenizer.ggml.pre"));
    return { kind: text(metadata.get("tokenizer.ggml.model")) ?? "unknown", rule };
  }
  if (!json.has("tokenizer.json")) return { kind: "SentencePiece", rule: null };
  const file = json.get("tokenizer.json") as { model?: { type?: unknown }; pre_tokenizer?: unknown };
  // The tokenizer was opened, so its expressions are known; which of them it is stands somewhere among the steps.
  const steps = JSON.stringify(file.pre_tokenizer ?? null);
  const quotes = (pattern: string) => steps.includes(JSON.stringify(pattern));
  return {
    kind: text(file.model?.type) ?? "BPE",
    rule: SPLIT_RULES.find(({ patterns }) => patterns.some(quotes))?.name ?? null,
  };
}

const FAMILIES: readonly (readonly [string, RegExp])[] = [
  ["Llama 4", /<\|header_start\|>/],
  ["Llama 3", /<\|start_header_id\|>/],
  ["ChatML", /<\|im_start\|>/],
  ["Llama 2", /<<SYS>>/],
  ["Mistral", /\[INST\]/],
  ["Gemma", /<start_of_turn>/],
  ["Zephyr", /<\|(?:user|assistant)\|>/],
];

async function describeTemplate(source: string): Promise<TemplateInspection> {
  const bytes = new TextEncoder().encode(source);
  const digest = await globalThis.crypto?.subtle?.digest("SHA-256", bytes);
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  return {
    sha256: digest ? Array.from(new Uint8Array(digest), hex).join("") : null,
    characters: source.length,
    family: FAMILIES.find(([, marker]) => marker.test(source))?.[0] ?? null,
  };
}
