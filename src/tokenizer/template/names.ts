/** What a template could read of what it is given, by the names in its code: its text, strings and comments aside. */
import { lex } from "./lexer.ts";

export interface TemplateNames {
  /** Names that stand for a variable somewhere; those of keyword arguments and of what is only set are not among them. */
  readonly variables: ReadonlySet<string>;
  /** Names of parts: `message.tool_calls`, `message["tool_calls"]`. */
  readonly fields: ReadonlySet<string>;
}

/** `source`: of a program, its line ends as the lexer knows them. */
export function namesIn(source: string): TemplateNames {
  const variables = new Set<string>();
  const fields = new Set<string>();
  const tokens = lex(source);
  for (const [i, { type, value }] of tokens.entries()) {
    if (type === "string") fields.add(value);
    else if (type !== "name") continue;
    else if (tokens[i - 1]?.type === ".") fields.add(value);
    else if (tokens[i + 1]?.type !== "=") variables.add(value);
  }
  return { variables, fields };
}
