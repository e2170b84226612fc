import { EngineError } from "../error.ts";
import { isArray, tell } from "../given.ts";

/** The names that a trace asks for: of `known`, all of them where none are given. `layers`: of the model, for the message. */
export function wantedTaps(taps: unknown, known: readonly string[], layers: number): ReadonlySet<string> {
  if (taps === undefined) return new Set(known);
  const refuse = (what: string, actual: unknown, limit: string) =>
    new EngineError("OPTION_TAPS", what, { at: { source: "option", field: "taps" }, actual: tell(actual), limit });
  if (!isArray(taps)) throw refuse("taps", taps, "an array of names");
  const unknown = taps.findIndex((name) => !known.includes(name as string));
  if (unknown < 0) return new Set(taps as string[]);
  const first = known.filter((name) => !/^layers\.[1-9]/.test(name)).join(", ");
  throw refuse("no such tap", taps[unknown], `one of ${first} (layers up to ${layers - 1})`);
}
