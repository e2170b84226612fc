import { wrong } from "../given.ts";

/** Text of 1 to `mostBytes` bytes that an answer may hold. */
export function checkShortText(text: unknown, field: string, mostBytes: number): string {
  const allowed = `a string of 1 to ${mostBytes} bytes of UTF-8`;
  if (typeof text !== "string") throw wrong(field, "not text", allowed, text);
  // A UTF-16 unit is at least one byte: a megabyte is refused without being encoded. Only lengths are told, never text.
  const bytes = text.length > mostBytes ? text.length : new TextEncoder().encode(text).length;
  if (bytes < 1 || bytes > mostBytes) throw wrong(field, "a length out of range", allowed, bytes);
  if (/[\ud800-\udfff]/u.test(text)) {
    throw wrong(field, "no output contains such text", "well-formed Unicode", "half a surrogate pair");
  }
  return text;
}
