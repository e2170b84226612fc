import type { Calls } from "./calls.ts";
import { HERMES } from "./hermes.ts";
import { JSON_DIALECT } from "./json.ts";
import { MISTRAL } from "./mistral.ts";
import { PYTHONIC } from "./pythonic.ts";
import type { Reading, Scan } from "./scan.ts";

/** A form in which models write calls. */
export interface Dialect {
  readonly name: ToolFormat;
  /** What stands around calls: control tokens of most vocabularies. */
  readonly marks: readonly string[];
  /** Whether the text of a chat template teaches it. */
  teaches(template: string): boolean;
  /**
   * Reads a call, or what may stand before one, from where `scan` stands; false (with whatever it took): this is text. Throws NoCall
   * where what began as a call is none.
   */
  read(scan: Scan, calls: Calls): Reading<boolean>;
}

export type ToolFormat = "json" | "pythonic" | "hermes" | "mistral";

/** Those with marks of their own first: templates show JSON in several of them. */
const DIALECTS: readonly Dialect[] = [MISTRAL, HERMES, PYTHONIC, JSON_DIALECT];

export const TOOL_FORMATS: readonly ToolFormat[] = DIALECTS.map(({ name }) => name);

export function dialectNamed(name: ToolFormat): Dialect {
  return DIALECTS.find((dialect) => dialect.name === name)!;
}

/** null: the template teaches none of them. */
export function dialectOf(template: string): Dialect | null {
  return DIALECTS.find((dialect) => dialect.teaches(template)) ?? null;
}
