import { EngineError } from "../error.ts";
import { isArray, tell } from "../given.ts";

/** Which taps a trace is to give: `known` lists those of all layers. Absent: all. */
export function checkTaps(taps: unknown, known: readonly string[], layers: number): ReadonlySet<string> {
  if (taps === undefined) return new Set(known);
  const refuse = (what: string, actual: unknown, limit: string) =>
    new EngineError("OPTION_TAPS", what, { at: { source: "option", field: "taps" }, actual: tell(actual), limit });
  if (!isArray(taps)) throw refuse("taps", taps, "an array of names");
  const unknown = taps.findIndex((name) => !(known as readonly unknown[]).includes(name));
  if (unknown >= 0) {
    const names = known.filter((name) => !/^layers\.[1-9]/.test(name)).join(", ");
    throw refuse("no such tap", taps[unknown], `one of ${names} (layers up to ${layers - 1})`);
  }
  return new Set(taps as string[]);
}
