/**
 * Chat templates: messages -> prompt, through the Jinja text that came with the checkpoint.
 *
 * The template sees the caller's text as it is, and every character keeps its origin. Control tokens are read in the
 * template's own text only: whatever a message, a name or a tool schema holds, it stays text.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { isRecord, type JsonRecord } from "./hf-pipeline.ts";
import { tokenName } from "./hf-vocabulary.ts";
import { readMessages, readTools, readVariables } from "./messages.ts";
import { Budget } from "./template/budget.ts";
import { compileTemplate, type Program } from "./template/compile.ts";
import { runTemplate } from "./template/interpreter.ts";
import { type Dict, Text, type Value } from "./template/values.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly TextPart[] | null;
  /** `tool_calls`, `name`, `tool_call_id` and whatever else the template reads. */
  readonly [field: string]: unknown;
}

export interface ChatOptions {
  readonly tools?: readonly unknown[];
  /** End with the header of the assistant's answer. Default: true. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, for example `enable_thinking`. */
  readonly variables?: Readonly<Record<string, string | number | boolean>>;
  /** What `strftime_now` takes for now. */
  readonly now?: Date;
}

export interface TemplateTokens {
  readonly bosToken?: string;
  readonly eosToken?: string;
}

const STUMBLES = new Set(["TPL_VALUE", "TPL_ATTR", "TPL_UNSUPPORTED"]);

export class ChatTemplate {
  readonly source: string;
  readonly #program: Program;
  readonly #tokens: TemplateTokens;

  constructor(source: string, tokens: TemplateTokens = {}) {
    this.source = source;
    this.#program = compileTemplate(source);
    this.#tokens = tokens;
  }

  /**
   * SHA-256 of the template's text (UTF-8), 64 lower-case hexadecimal digits: tells which template a checkpoint carries.
   * Browsers have the digest on secure pages only; elsewhere HOST_CRYPTO.
   */
  async hash(): Promise<string> {
    const subtle = globalThis.crypto?.subtle;
    if (subtle === undefined) {
      throw new EngineError("HOST_CRYPTO", "no SHA-256 here: browsers offer it on secure pages only", {
        at: { source: "template" },
      });
    }
    const digest = await subtle.digest("SHA-256", new TextEncoder().encode(this.source));
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** The prompt as text. To feed a model use `encode`: tokens of text in which `<|eot|>` came from a message differ. */
  render(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    return this.#run(messages, options).text;
  }

  /**
   * The prompt as ids. Control tokens arise from the template's own text only. The begin token stands in front once, whether
   * the template prints it, the tokenizer adds it, or both; later ones, as Llama 2 prints for every turn, stay.
   */
  encode(tokenizer: Tokenizer, messages: readonly ChatMessage[], options: ChatOptions = {}): number[] {
    const { text, marks } = this.#run(messages, options);
    checkControlTokens(tokenizer, text, marks);
    const ids = tokenizer.encode(text, { specialTokens: true, plain: marks });
    const { bos } = tokenizer;
    if (bos === null) return ids;
    const start = ids.findIndex((id) => id !== bos);
    const printed = start < 0 ? ids.length : start;
    if (printed > 1) ids.splice(0, printed - 1);
    if (printed === 0 && tokenizer.addBos) ids.unshift(bos);
    return ids;
  }

  #run(messages: readonly ChatMessage[], options: ChatOptions): Text {
    const budget = new Budget();
    try {
      return this.#runOnce(messages, options, true, budget);
    } catch (error) {
      // Lists of parts go in as they are. A template that takes contents for strings stumbles over them, and gets strings.
      if (!(error instanceof EngineError && STUMBLES.has(error.code))) throw error;
      if (!messages.some(({ content }) => Array.isArray(content))) throw error;
      return this.#runOnce(messages, options, false, budget);
    }
  }

  #runOnce(messages: readonly ChatMessage[], options: ChatOptions, parts: boolean, budget: Budget): Text {
    const { bosToken = "", eosToken = "" } = this.#tokens;
    const variables: Dict = new Map<string, Value>([
      ...readVariables(options.variables ?? {}),
      ["messages", readMessages(messages, parts)],
      ["add_generation_prompt", options.addGenerationPrompt ?? true],
      ["bos_token", new Text(bosToken)],
      ["eos_token", new Text(eosToken)],
      ["documents", null],
    ]);
    variables.set("tools", options.tools === undefined ? null : readTools(options.tools));
    return runTemplate(this.#program, variables, options.now ?? new Date(), budget);
  }
}

/** A template written for other control tokens would have them spelt out as text, and the model would not understand. */
function checkControlTokens(tokenizer: Tokenizer, text: string, marks: readonly number[]): void {
  const missing = new Set<string>();
  let range = 0;
  for (const match of text.matchAll(/<\|[A-Za-z0-9_]{1,64}\|>/g)) {
    while (range < marks.length && marks[range + 1] <= match.index) range += 2;
    const own = range >= marks.length || marks[range] >= match.index + match[0].length;
    if (own && tokenizer.specialId(match[0]) === null) missing.add(match[0]);
  }
  if (missing.size === 0) return;
  throw new EngineError("TOK_SPECIAL", "the chat template writes control tokens that the tokenizer does not have", {
    at: { source: "template" },
    actual: [...missing].join(" "),
  });
}

/** The chat template of a checkpoint, or null when it has none. */
export function openChatTemplate(checkpoint: Checkpoint): ChatTemplate | null {
  const tokens = templateTokens(checkpoint);
  const source = templateSource(checkpoint);
  return source === undefined ? null : new ChatTemplate(source, tokens);
}

export function templateSource({ format, metadata, json, chatTemplate }: Checkpoint): string | undefined {
  if (format !== "gguf") return chatTemplate ?? configTemplate(json.get("tokenizer_config.json"));
  const source = metadata.get("tokenizer.chat_template");
  return typeof source === "string" ? source : undefined;
}

/** A string, or a list of named templates of which `default` is for chats. */
function configTemplate(config: unknown): string | undefined {
  const given = isRecord(config) ? config["chat_template"] : undefined;
  const named = Array.isArray(given) ? given.find((one) => isRecord(one) && one["name"] === "default") : undefined;
  const source = isRecord(named) ? named["template"] : given;
  return typeof source === "string" ? source : undefined;
}

function templateTokens({ format, metadata, json }: Checkpoint): TemplateTokens {
  if (format === "gguf") {
    const texts = metadata.get("tokenizer.ggml.tokens");
    const name = (key: string): string | undefined => {
      const id = metadata.get(`tokenizer.ggml.${key}`);
      const text = Array.isArray(texts) && id !== undefined ? texts[Number(id)] : undefined;
      return typeof text === "string" ? text : undefined;
    };
    return { bosToken: name("bos_token_id"), eosToken: name("eos_token_id") };
  }
  const config = json.get("tokenizer_config.json");
  const fields: JsonRecord = isRecord(config) ? config : {};
  return { bosToken: tokenName(fields["bos_token"]), eosToken: tokenName(fields["eos_token"]) };
}
