import { wrong } from "../given.ts";

/** Which adapter a call asks for: its name, its place in the list that was loaded, or null for none. */
export type AdapterChoice = string | number | null;

/** The place of the adapter among `names`, or null. What is absent is the first, as whoever loads one wants it used. */
export function checkAdapter(value: unknown, names: readonly string[]): number | null {
  if (value === undefined) return names.length > 0 ? 0 : null;
  if (value === null) return null;
  const index = typeof value === "string" ? names.indexOf(value) : value;
  if (Number.isInteger(index) && (index as number) >= 0 && (index as number) < names.length)
    return (index as number) || 0;
  throw wrong("adapter", "no such adapter", limitOf(names), value);
}

const MOST_NAMED = 4;

function limitOf(names: readonly string[]): string {
  if (names.length === 0) return "null: no adapter is loaded";
  const named = names.slice(0, MOST_NAMED).map((name) => JSON.stringify(name));
  const more = names.length > MOST_NAMED ? ", ..." : "";
  return `${named.join(", ")}${more}, their index, or null for none`;
}
