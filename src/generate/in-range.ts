import { wrong } from "../given.ts";

/** `range` is both the rule and the text of the error: "(0, 1]" leaves 0 out. */
export function numberIn(field: string, value: unknown, absent: number, range: string): number {
  if (value === undefined) return absent;
  if (typeof value !== "number") throw wrong(field, "not a number", `a number in ${range}`, value);
  const [low, high] = range.slice(1, -1).split(", ").map(Number);
  const above = range.startsWith("(") ? value > low : value >= low;
  if (!(above && value <= high)) throw wrong(field, "out of range", `a number in ${range}`, value);
  return value;
}
