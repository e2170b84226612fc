import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import type { GenerateOptions } from "../generate/options.ts";
import { checkPlain, wrong } from "../given.ts";
import type { CheckedFormat } from "../grammar/format.ts";
import {
  type ChatMessage,
  type ChatTemplates,
  type MarkedText,
  openChatTemplates,
  type Recalled,
  type ChatOptions as RenderOptions,
} from "../tokenizer/chat.ts";
import { type ChatPicture, readChatInput } from "../tokenizer/chat-input.ts";
import { readTools } from "../tokenizer/messages.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CallRules } from "../tools/call-reader.ts";
import { type CallConstraint, constraintFor } from "../tools/constraint.ts";
import type { ToolFormat } from "../tools/dialect.ts";
import { type Offer, readOffer, rulesOf, type ToolChoice } from "../tools/offer.ts";
import { dropOldest, roomForAnswer } from "./conversation.ts";
import type { Pictures } from "./pictures.ts";

/** Control tokens of a chat are the template's. */
export interface ChatOptions extends Omit<GenerateOptions, "specialTokens">, RenderOptions {
  /** Whether the model may or must call tools. `none`: the template does not see them. Default: `auto`. */
  readonly toolChoice?: ToolChoice;
  /** How the model writes calls. Default: as its template teaches. */
  readonly toolFormat?: ToolFormat;
  /**
   * A conversation that leaves no room for an answer (`maxTokens`, or a quarter of the context where that is less) is an error, or
   * loses its oldest turns: what the system said and the last question stay, a warning of the result says how many went. Default
   * "error", which takes any prompt that leaves room for one id.
   */
  readonly fit?: "error" | "drop-oldest";
}

export interface ChatRequest {
  /** A token in the place of each picture. */
  readonly ids: readonly number[];
  readonly pictures: readonly ChatPicture[];
  /** As the template writes it. */
  readonly text: MarkedText;
  /** The prompt ends in the caller's own words. */
  readonly open: boolean;
  readonly warnings: readonly string[];
  readonly calls: CallRules | null;
  /** What the answer must be, where calls are not left to the model. */
  readonly format: CheckedFormat | undefined;
  /** What is left of the options. */
  readonly options: GenerateOptions;
}

/** Messages, tools and options of a chat -> its prompt, and what is looked for in the answer. `recall`: what of the prompt has ids. */
export function readChat(
  templates: ChatTemplates | null,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions | undefined,
  context: number,
  pictures: Pictures,
  recall?: (prompt: MarkedText) => Recalled,
): ChatRequest {
  checkPlain(options);
  if (!templates)
    throw new EngineError("TEMPLATE_MISSING", "this checkpoint has no chat template", { at: { source: "template" } });
  const { tools, toolChoice, toolFormat, addGenerationPrompt, variables, now, template, fit, ...rest } = options ?? {};
  if (fit !== undefined && fit !== "error" && fit !== "drop-oldest")
    throw wrong("fit", "no such policy", '"error" or "drop-oldest"', fit);
  const input = readChatInput(messages, { tools, addGenerationPrompt, variables, now });
  const offer = readOffer(input.options.tools, toolChoice, toolFormat);
  const hidden = offer.choice === "none" && input.options.tools !== undefined;
  // What is hidden from the template is judged all the same.
  if (hidden) readTools(input.options.tools);
  const asked = { ...input.options, tools: hidden ? undefined : input.options.tools, template } as RenderOptions;
  const chosen = templates.choose(asked);
  const { rules, warnings: more } = rulesOf(offer, chosen.source);
  if (rules && rest.responseFormat !== undefined) {
    const limit = 'toolChoice: "none", or no tools';
    throw wrong("responseFormat", "not beside tools: an answer of a format calls none", limit, rest.responseFormat);
  }
  const constraint = demand(offer, rules, (mark) => {
    const id = tokenizer.specialId(mark);
    return id !== null && tokenizer.isSpecial(id);
  });
  const opened = constraint?.opened ?? null;
  const prompt = (said: readonly ChatMessage[]) => {
    const made = { ...chosen.prompt(tokenizer, said, asked, recall), said };
    if (opened === null) return made;
    const text = { ...made.text, text: made.text.text + opened };
    return { ...made, text, ids: [...made.ids, tokenizer.specialId(opened)!] };
  };
  const all = input.messages as readonly ChatMessage[];
  const most =
    context - roomForAnswer(context, typeof rest.maxTokens === "number" ? rest.maxTokens : Number.POSITIVE_INFINITY);
  const kept =
    fit === "drop-oldest" && Array.isArray(all)
      ? dropOldest(all, prompt, ({ ids, said }) => ids.length + picturesOf(said).length * pictures.most <= most)
      : { messages: all, dropped: 0, read: prompt(all) };
  const { ids, text, open, warnings } = kept.read;
  const forgotten =
    kept.dropped === 0 ? [] : [`CHAT_DROPPED: the ${kept.dropped} oldest turns did not fit the context`];
  const seen = picturesOf(kept.messages).map((index) => input.pictures[index]);
  pictures.check(seen);
  return {
    ids,
    pictures: seen,
    text,
    open,
    warnings: [...warnings, ...forgotten, ...more],
    calls: rules && { ...rules, opened },
    format: constraint ? { ...constraint, value: async () => undefined } : undefined,
    options: rest,
  };
}

/** Numbers of the pictures in messages, in order. */
function picturesOf(messages: readonly ChatMessage[]): number[] {
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  return parts.flatMap((part) => (part.type === "image" && typeof part.image === "number" ? [part.image] : []));
}

/** What cannot be demanded is refused, not left to luck. */
function demand(offer: Offer, rules: CallRules | null, isControl: (mark: string) => boolean): CallConstraint | null {
  if (rules) return constraintFor(offer, rules.dialect, isControl);
  const { choice, tools } = offer;
  if (choice === "none" || (choice === "auto" && !tools.some(({ strict }) => strict))) return null;
  throw new EngineError("TOOLS_UNSUPPORTED", "the chat template teaches no form of calls that is known here", {
    at: { source: "option", field: choice === "auto" ? "tools" : "toolChoice" },
    limit: "a toolFormat, or calls that are left to the model",
  });
}

/** An unusable template is an error of `chat`, not of the model, which says so at once. */
export function readTemplates(checkpoint: Checkpoint): {
  templates: ChatTemplates | null;
  warnings: readonly string[];
} {
  const templates = openChatTemplates(checkpoint);
  try {
    if (templates?.names.includes("default")) templates.choose();
    return { templates, warnings: [] };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { templates, warnings: [`chat template: ${error.message}`] };
  }
}
