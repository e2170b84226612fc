/**
 * The chat templates that a checkpoint brings, by name; `default` is the one for chats.
 *
 * A folder's files go before its configuration, as in transformers: `chat_template.jinja` and
 * `additional_chat_templates/NAME.jinja`, then `chat_template` of `tokenizer_config.json` (a text, or a list of named ones),
 * then what a processor keeps (`chat_template.json`, `processor_config.json`), which transformers' tokenizers do not read.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isRecord, record } from "./hf-pipeline.ts";
import { configuredName } from "./hf-tokens.ts";

export const DEFAULT_TEMPLATE = "default";
const GGUF_KEY = "tokenizer.chat_template";
/** More is no checkpoint's; each is compiled only when it is used. */
const MOST = 64;

export interface TemplateTokens {
  readonly bosToken?: string;
  readonly eosToken?: string;
}

export function templateSources(checkpoint: Checkpoint): ReadonlyMap<string, string> {
  const sources = checkpoint.format === "gguf" ? ggufSources(checkpoint) : folderSources(checkpoint);
  return new Map([...sources].slice(0, MOST));
}

function ggufSources({ metadata }: Checkpoint): Map<string, string> {
  const sources = new Map<string, string>();
  for (const [key, value] of metadata) {
    if (typeof value !== "string") continue;
    if (key === GGUF_KEY) sources.set(DEFAULT_TEMPLATE, value);
    else if (key.startsWith(`${GGUF_KEY}.`)) sources.set(key.slice(GGUF_KEY.length + 1), value);
  }
  return sources;
}

function folderSources(checkpoint: Checkpoint): Map<string, string> {
  const { chatTemplate, namedTemplates } = checkpoint;
  const files = new Map(namedTemplates);
  if (chatTemplate !== undefined) files.set(DEFAULT_TEMPLATE, chatTemplate);
  // What newer files say of the default template makes older ones stale; without it they still say what chats need.
  for (const file of ["tokenizer_config.json", "chat_template.json", "processor_config.json"]) {
    if (files.has(DEFAULT_TEMPLATE)) break;
    for (const [name, source] of namedSources(record(checkpoint, file)["chat_template"]))
      if (!files.has(name)) files.set(name, source);
  }
  return files;
}

/** A text; a list of { name, template }; or an object of texts by name. */
function namedSources(given: unknown): [string, string][] {
  if (typeof given === "string") return [[DEFAULT_TEMPLATE, given]];
  const pairs: [unknown, unknown][] = Array.isArray(given)
    ? given.map((one) => (isRecord(one) ? [one["name"], one["template"]] : [undefined, undefined]))
    : Object.entries(isRecord(given) ? given : {});
  return pairs.filter((pair): pair is [string, string] => pair.every((part) => typeof part === "string"));
}

/** The texts that templates know as `bos_token` and `eos_token`. */
export function templateTokens(checkpoint: Checkpoint): TemplateTokens {
  const { format, metadata } = checkpoint;
  if (format === "gguf") {
    const texts = metadata.get("tokenizer.ggml.tokens");
    const name = (key: string): string | undefined => {
      const id = metadata.get(`tokenizer.ggml.${key}`);
      const text = Array.isArray(texts) && id !== undefined ? texts[Number(id)] : undefined;
      return typeof text === "string" ? text : undefined;
    };
    return { bosToken: name("bos_token_id"), eosToken: name("eos_token_id") };
  }
  return { bosToken: configuredName(checkpoint, "bos_token"), eosToken: configuredName(checkpoint, "eos_token") };
}
