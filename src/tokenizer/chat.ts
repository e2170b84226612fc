/**
 * Chat templates: messages -> prompt, through the Jinja text that came with the checkpoint.
 *
 * The template sees the caller's text as it is, and every character keeps its origin. Control tokens are read in the
 * template's own text only: whatever a message, a name or a tool schema holds, it stays text.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError, quoteName } from "../error.ts";
import { readMessages, readTools, readVariables } from "./messages.ts";
import { Budget } from "./template/budget.ts";
import { compileTemplate, type Program } from "./template/compile.ts";
import { runTemplate } from "./template/interpreter.ts";
import { namesIn, type TemplateNames } from "./template/names.ts";
import { type Dict, Text, type Value } from "./template/values.ts";
import { DEFAULT_TEMPLATE, type TemplateTokens, templateSources, templateTokens } from "./template-sources.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** A picture: PNG, JPEG, WebP or the first frame of a GIF in bytes, a Blob or a data URL; pixels; what a page draws on. */
export interface ImagePart {
  readonly type: "image";
  readonly image: unknown;
}

export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly (TextPart | ImagePart)[] | null;
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
  /** Which of the checkpoint's templates. Default: `tool_use` where there are tools and it exists, else `default`. */
  readonly template?: string;
}

/** A prompt as the template writes it; `marks` = [start, end, ...]: these characters are the caller's, not the template's own. */
export interface MarkedText {
  readonly text: string;
  readonly marks: readonly number[];
}

/** What a model is given of a chat. */
export interface ChatPrompt {
  readonly ids: number[];
  readonly text: MarkedText;
  /** The prompt ends in the caller's own words: the answer goes on where they stop. */
  readonly open: boolean;
  /** What was asked and comes to nothing, or is read in another way than it looks. */
  readonly warnings: readonly string[];
}

/** How much of a prompt has ids from before, and which. */
export interface Recalled {
  readonly length: number;
  readonly ids: readonly number[];
}

const NOTHING: Recalled = { length: 0, ids: [] };

const TOOLS_TEMPLATE = "tool_use";
const MOST_NAMED = 16;
const STUMBLES = new Set(["TPL_VALUE", "TPL_ATTR", "TPL_UNSUPPORTED"]);

export class ChatTemplate {
  readonly source: string;
  readonly #program: Program;
  readonly #names: TemplateNames;
  readonly #tokens: TemplateTokens;

  constructor(source: string, tokens: TemplateTokens = {}) {
    this.source = source;
    this.#program = compileTemplate(source);
    this.#names = namesIn(this.#program.source);
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
    return this.prompt(tokenizer, messages, options).ids;
  }

  /** The same, with what is to be known of it. What `recall` knows is not made into tokens again. */
  prompt(
    tokenizer: Tokenizer,
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
    recall: (prompt: MarkedText) => Recalled = () => NOTHING,
  ): ChatPrompt {
    const whole = this.#run(messages, options);
    const { text, marks } = whole;
    const known = recall(whole);
    const rest = whole.slice(known.length, text.length);
    const more = tokenizer.encode(rest.text, { specialTokens: true, plain: rest.marks, continues: known.length > 0 });
    const begins = known.length === 0 && tokenizer.bos !== null;
    const ids = begins ? withOneBos(more, tokenizer.bos!, tokenizer.addBos) : [...known.ids, ...more];
    const warnings = [...unread(this.#names, messages, options), ...this.#wordsForMarks(tokenizer, text, marks)];
    return { ids, text: whole, open: text !== "" && marks.at(-1) === text.length, warnings };
  }

  /** A template's own marks may be words of its vocabulary, as in TinyLlama's; what it names end of turn should not be. */
  #wordsForMarks(tokenizer: Tokenizer, text: string, marks: readonly number[]): string[] {
    const words = new Set<string>();
    for (const { 0: name, index } of text.matchAll(/<\|[A-Za-z0-9_]{1,64}\|>/g)) {
      if (tokenizer.specialId(name) === null && isOwn(marks, index, index + name.length)) words.add(name);
    }
    for (const name of [this.#tokens.bosToken, this.#tokens.eosToken]) {
      if (!name || tokenizer.specialId(name) !== null) continue;
      for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
        if (isOwn(marks, at, at + name.length)) words.add(name);
      }
    }
    if (words.size === 0) return [];
    const listed = [...words].slice(0, MOST_NAMED).map((name) => quoteName(name, false));
    return [
      `TOK_SPECIAL: marks of the chat template that are no tokens of this vocabulary are text: ${listed.join(" ")}`,
    ];
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

/** Whether [start, end) is the template's own text: `marks` holds the ranges of the caller's, ascending. */
function isOwn(marks: readonly number[], start: number, end: number): boolean {
  let low = 0;
  let high = marks.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (marks[middle * 2 + 1] <= start) low = middle + 1;
    else high = middle;
  }
  return low * 2 >= marks.length || marks[low * 2] >= end;
}

function withOneBos(ids: number[], bos: number, wanted: boolean): number[] {
  const start = ids.findIndex((id) => id !== bos);
  const printed = start < 0 ? ids.length : start;
  if (printed > 1) ids.splice(0, printed - 1);
  if (printed === 0 && wanted) ids.unshift(bos);
  return ids;
}

/** What the caller gave and the template never reads. */
function unread(
  { variables, fields }: TemplateNames,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): string[] {
  const { tools, addGenerationPrompt, variables: given, now } = options;
  const lost: string[] = Object.keys(given ?? {}).filter((name) => !variables.has(name));
  if (tools && tools.length > 0 && !variables.has("tools")) lost.unshift("tools");
  if (addGenerationPrompt === false && !variables.has("add_generation_prompt")) lost.push("addGenerationPrompt");
  if (now !== undefined && !variables.has("strftime_now")) lost.push("now");
  const warnings = lost.map((name) => `TPL_UNREAD: the chat template never reads ${quoteName(name)}`);
  // One that prints messages whole reads their fields without naming them.
  const whole = variables.has("tojson") || fields.has("items");
  if (!whole && !fields.has("tool_calls") && messages.some((message) => hasCalls(message)))
    warnings.push("TPL_UNREAD: the chat template never reads tool_calls of messages");
  return warnings;
}

function hasCalls({ tool_calls: calls }: ChatMessage): boolean {
  return Array.isArray(calls) && calls.length > 0;
}

/** The chat templates of a checkpoint; each is compiled when it is first used. */
export class ChatTemplates {
  /** `default` first, where there is one. */
  readonly names: readonly string[];
  readonly #sources: ReadonlyMap<string, string>;
  readonly #tokens: TemplateTokens;
  readonly #compiled = new Map<string, ChatTemplate>();

  constructor(sources: ReadonlyMap<string, string>, tokens: TemplateTokens = {}) {
    const first = (name: string) => Number(name !== DEFAULT_TEMPLATE);
    this.names = [...sources.keys()].sort((a, b) => first(a) - first(b));
    this.#sources = sources;
    this.#tokens = tokens;
  }

  /** As transformers chooses; an empty list of tools is none. */
  choose({ template, tools }: ChatOptions = {}): ChatTemplate {
    if (template !== undefined) return this.named(template);
    const withTools = Array.isArray(tools) && tools.length > 0 && this.#sources.has(TOOLS_TEMPLATE);
    return this.named(withTools ? TOOLS_TEMPLATE : DEFAULT_TEMPLATE);
  }

  named(name: string): ChatTemplate {
    const known = this.#compiled.get(name);
    if (known) return known;
    const source = this.#sources.get(name);
    if (source === undefined) {
      const what =
        name === DEFAULT_TEMPLATE ? "the checkpoint has no default chat template: name one" : "no such chat template";
      throw new EngineError("TEMPLATE_NAME", what, {
        at: { source: "option", field: "template" },
        actual: typeof name === "string" ? name : typeof name,
        limit: `one of ${this.names.map((one) => quoteName(one, false)).join(", ")}`,
      });
    }
    const compiled = new ChatTemplate(source, this.#tokens);
    this.#compiled.set(name, compiled);
    return compiled;
  }
}

/** The chat templates of a checkpoint, or null when it has none. */
export function openChatTemplates(checkpoint: Checkpoint): ChatTemplates | null {
  const sources = templateSources(checkpoint);
  return sources.size === 0 ? null : new ChatTemplates(sources, templateTokens(checkpoint));
}
