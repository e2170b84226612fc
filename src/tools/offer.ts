/** What a caller says of tools: which there are, whether the model may or must call them, and how it writes calls. */
import { EngineError } from "../error.ts";
import { checkString, isPlain, outOfRange, wrong } from "../given.ts";
import type { CallRules } from "./call-reader.ts";
import { type Dialect, dialectNamed, dialectOf, TOOL_FORMATS, type ToolFormat } from "./dialect.ts";

/** `required`: at least one call; a name: a call of that tool. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

/** A tool that can be called. */
export interface OfferedTool {
  readonly name: string;
  /** JSON Schema of its arguments; undefined: any. */
  readonly parameters: unknown;
  /** Its arguments must follow `parameters`. */
  readonly strict: boolean;
}

export interface Offer {
  readonly tools: readonly OfferedTool[];
  /** Tools that are shown to the model and have no name that it could call. */
  readonly nameless: number;
  readonly choice: ToolChoice;
  readonly format: ToolFormat | undefined;
}

const CHOICES = ["auto", "none", "required"];

/** `tools` is a copy of JSON in any of the shapes that templates take; what they refuse is told by them. */
export function readOffer(tools: unknown, toolChoice: unknown, toolFormat: unknown): Offer {
  const named = Array.isArray(tools) ? tools.flatMap(readTool) : [];
  const choice = readChoice(toolChoice);
  if (toolFormat !== undefined && !TOOL_FORMATS.includes(checkString(toolFormat, "toolFormat") as ToolFormat))
    throw outOfRange("toolFormat", toolFormat, `one of ${TOOL_FORMATS.join(", ")}`);
  const names = named.map(({ name }) => name);
  if (typeof choice === "object" && !names.includes(choice.name))
    throw outOfRange(
      "toolChoice.name",
      choice.name,
      names.length > 0 ? `one of ${names.join(", ")}` : "tools to choose from",
    );
  if (choice === "required" && names.length === 0) throw outOfRange("toolChoice", choice, "tools to choose from");
  const nameless = Array.isArray(tools) ? tools.length - named.length : 0;
  return { tools: named, nameless, choice, format: toolFormat as ToolFormat | undefined };
}

/** Built-in tools and bare schemas have no name: they are shown to the model as they are, and cannot be called. */
function readTool(tool: unknown): OfferedTool[] {
  if (!isPlain(tool)) return [];
  const said = isPlain(tool["function"]) ? tool["function"] : tool;
  const { name, parameters } = said;
  if (typeof name !== "string" || name === "") return [];
  return [{ name, parameters, strict: said["strict"] === true || tool["strict"] === true }];
}

function readChoice(choice: unknown): ToolChoice {
  if (choice === undefined) return "auto";
  if (typeof choice === "string" && CHOICES.includes(choice)) return choice as ToolChoice;
  const limit = `one of ${CHOICES.join(", ")}, or { name }`;
  if (typeof choice === "string") throw outOfRange("toolChoice", choice, limit);
  if (!isPlain(choice)) throw wrong("toolChoice", "toolChoice: no choice of tools", limit, choice);
  const { name, ...rest } = { ...choice };
  const [other] = Object.keys(rest);
  if (other !== undefined) {
    throw new EngineError("REQ_UNSUPPORTED_PARAM", "a choice of a tool names it", {
      at: { source: "option", field: `toolChoice.${other}` },
      limit: "name",
      actual: other,
    });
  }
  return { name: checkString(name, "toolChoice.name") };
}

/** null: nothing is looked for in the answer. */
export function rulesOf(offer: Offer, template: string): { rules: CallRules | null; warnings: readonly string[] } {
  const { tools, nameless, choice, format } = offer;
  if (choice === "none") return { rules: null, warnings: [] };
  const unnamed = nameless === 0 ? [] : [`TOOL_NAME: calls of ${nameless} tools without a name stay text`];
  if (tools.length === 0) {
    const unread =
      format === undefined ? unnamed : ["TOOL_FORMAT: toolFormat is not used: there are no tools with names"];
    return { rules: null, warnings: unread };
  }
  const dialect: Dialect | null = format === undefined ? dialectOf(template) : dialectNamed(format);
  if (dialect === null) {
    const why = "the chat template teaches no form of calls that is known here; toolFormat names one";
    return { rules: null, warnings: [`TOOL_FORMAT: calls stay text: ${why}`] };
  }
  return { rules: { dialect, offered: new Set(tools.map(({ name }) => name)) }, warnings: unnamed };
}
