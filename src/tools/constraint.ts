/** What an answer must look like where calls are not left to the model: pieces of text and JSON, for whoever masks tokens by them. */
import type { ToolFormat } from "./dialect.ts";
import type { OfferedTool, ToolChoice } from "./offer.ts";

/** Text: exactly this, JSON of this schema, all of these in order, or one of these. */
export type Shape =
  | { readonly literal: string }
  | { readonly schema: unknown }
  | { readonly sequence: readonly Shape[] }
  | { readonly choice: readonly Shape[] };

export interface CallConstraint {
  readonly shape: Shape;
  /** The whole answer; else from where a call begins. */
  readonly whole: boolean;
}

const ANY_OBJECT = { type: "object" };

/** null: the answer is free. `undefined` of a dialect whose calls are no JSON: it cannot be said. */
export function constraintFor(
  choice: ToolChoice,
  tools: readonly OfferedTool[],
  format: ToolFormat,
): CallConstraint | null | undefined {
  const wanted = typeof choice === "object" ? tools.filter(({ name }) => name === choice.name) : tools;
  const whole = choice !== "auto";
  if (choice === "none" || (!whole && !tools.some(({ strict }) => strict))) return null;
  if (format === "pythonic") return undefined;
  return { shape: { choice: wanted.map((tool) => callOf(tool, format)) }, whole };
}

/** A call as its dialect writes it. */
function callOf({ name, parameters, strict }: OfferedTool, format: Exclude<ToolFormat, "pythonic">): Shape {
  const [before, behind] = AROUND[format];
  const key = format === "json" ? "parameters" : "arguments";
  // What is not strict is any object: schemas of strangers hold keywords that cannot be enforced.
  const schema = strict && parameters !== undefined ? parameters : ANY_OBJECT;
  return {
    sequence: [
      { literal: `${before}{"name": ${JSON.stringify(name)}, "${key}": ` },
      { schema },
      { literal: `}${behind}` },
    ],
  };
}

const AROUND: Readonly<Record<Exclude<ToolFormat, "pythonic">, readonly [string, string]>> = {
  json: ["", ""],
  hermes: ["<tool_call>\n", "\n</tool_call>"],
  mistral: ["[TOOL_CALLS] [", "]"],
};
