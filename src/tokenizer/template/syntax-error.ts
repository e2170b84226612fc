/** Where in a template something is wrong: line and column. */
import { EngineError } from "../../error.ts";

export function place(source: string, offset: number): string {
  const before = source.slice(0, offset);
  return `${before.split("\n").length}:${offset - before.lastIndexOf("\n")}`;
}

/** A word that we do not know, or do not have. */
export function unsupported(source: string, offset: number, what: string, word: string): EngineError {
  const field = place(source, offset);
  const at = { source: "template", field, offset } as const;
  return new EngineError("TPL_UNSUPPORTED", `unsupported ${what} at ${field}`, { at, actual: word });
}

export function syntaxError(source: string, offset: number, what: string): EngineError {
  return new EngineError("TPL_SYNTAX", `${what} at ${place(source, offset)}`, {
    at: { source: "template", field: place(source, offset), offset },
  });
}
