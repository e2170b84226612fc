import { EngineError } from "../error.ts";
import type { GenerateOptions } from "../generate/options.ts";
import { checkPlain } from "../given.ts";
import type { ChatMessage, ChatTemplates, ChatOptions as RenderOptions } from "../tokenizer/chat.ts";
import { readChatInput } from "../tokenizer/chat-input.ts";
import { readTools } from "../tokenizer/messages.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CallRules } from "../tools/call-reader.ts";
import { constraintFor } from "../tools/constraint.ts";
import type { ToolFormat } from "../tools/dialect.ts";
import { type Offer, readOffer, rulesOf, type ToolChoice } from "../tools/offer.ts";

/** Control tokens of a chat are the template's. */
export interface ChatOptions extends Omit<GenerateOptions, "specialTokens">, RenderOptions {
  /** Whether the model may or must call tools. `none`: the template does not see them. Default: `auto`. */
  readonly toolChoice?: ToolChoice;
  /** How the model writes calls. Default: as its template teaches. */
  readonly toolFormat?: ToolFormat;
}

export interface ChatRequest {
  readonly ids: readonly number[];
  /** The prompt ends in the caller's own words. */
  readonly open: boolean;
  readonly warnings: readonly string[];
  readonly calls: CallRules | null;
  /** What is left of the options. */
  readonly options: GenerateOptions;
}

/** Messages, tools and options of a chat -> its prompt, and what is looked for in the answer. */
export function readChat(
  templates: ChatTemplates | null,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions | undefined,
): ChatRequest {
  checkPlain(options);
  if (!templates)
    throw new EngineError("TEMPLATE_MISSING", "this checkpoint has no chat template", { at: { source: "template" } });
  const { tools, toolChoice, toolFormat, addGenerationPrompt, variables, now, template, ...rest } = options ?? {};
  const input = readChatInput(messages, { tools, addGenerationPrompt, variables, now });
  const offer = readOffer(input.options.tools, toolChoice, toolFormat);
  const hidden = offer.choice === "none" && input.options.tools !== undefined;
  // What is hidden from the template is judged all the same.
  if (hidden) readTools(input.options.tools);
  const asked = { ...input.options, tools: hidden ? undefined : input.options.tools, template } as RenderOptions;
  const chosen = templates.choose(asked);
  const { ids, open, warnings } = chosen.prompt(tokenizer, input.messages as readonly ChatMessage[], asked);
  const { rules, warnings: more } = rulesOf(offer, chosen.source);
  refuseConstraint(offer, rules);
  return { ids, open, warnings: [...warnings, ...more], calls: rules, options: rest };
}

/** Nothing masks tokens yet: what would need it is refused, not left to luck. */
function refuseConstraint({ choice, tools }: Offer, rules: CallRules | null): void {
  const free = rules
    ? constraintFor(choice, tools, rules.dialect.name) === null
    : choice === "auto" || choice === "none";
  if (free && !tools.some(({ strict }) => strict)) return;
  if (free && choice === "none") return;
  const what = choice === "auto" ? "a strict tool" : "a call that must come";
  throw new EngineError("TOOLS_UNSUPPORTED", `${what} needs constrained output, which there is not yet`, {
    at: { source: "option", field: choice === "auto" ? "tools" : "toolChoice" },
    limit: 'toolChoice "auto" or "none", and tools that are not strict',
  });
}
