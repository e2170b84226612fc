/** Python's string operations, keeping every character's origin. */
import { type Budget, templateFault } from "./budget.ts";
import { Text, TextBuilder, toText, typeName, type Value } from "./values.ts";

/** What `str.isspace` says: unlike JavaScript's, with U+001C..1F and U+0085, without U+FEFF. */
const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE = new RegExp(`[${SPACES}]`);

export function isSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 0x80) return code === 0x20 || (code >= 9 && code <= 13) || (code >= 0x1c && code < 0x20);
  return SPACE.test(char);
}

/** Characters among the first `end` units, counted as Python does. */
export function characters(text: string, end: number): number {
  let count = end;
  for (let i = 1; i < end; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
  return count;
}

/** Where a text ends without the blanks behind it. */
export function endOfText(text: string): number {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1])) end--;
  return end;
}

export function asText(value: Value): Text {
  if (value instanceof Text) return value;
  throw templateFault("TPL_VALUE", "expected a string", typeName(value));
}

export function trim(text: Text, chars: string | undefined, left: boolean, right: boolean, budget: Budget): Text {
  if (chars) budget.spend(chars.length);
  const set = new Set(chars);
  const stripped = chars === undefined ? isSpace : (char: string) => set.has(char);
  let start = 0;
  let end = text.text.length;
  while (left && start < end && stripped(text.text[start])) start++;
  while (right && end > start && stripped(text.text[end - 1])) end--;
  budget.spend((text.text.length - (end - start)) >> (chars ? 0 : 1));
  return text.slice(start, end);
}

export function join(parts: readonly Value[], separator: Text, budget: Budget): Text {
  const out = new TextBuilder(budget);
  for (const [i, part] of parts.entries()) {
    if (i > 0) out.add(separator);
    out.add(toText(part, budget));
  }
  return out.done();
}

/** Finds the next gap from a place on: where it starts and ends. */
type Find = (text: string, at: number) => [number, number] | undefined;

const matches =
  (pattern: RegExp): Find =>
  (text, at) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    return found ? [found.index, found.index + found[0].length] : undefined;
  };

/** Pieces between gaps, none of which is empty. */
function cut(text: Text, gap: Find, limit: number, from: number, budget: Budget): { parts: Text[]; rest: number } {
  const parts: Text[] = [];
  let at = from;
  while (limit < 0 || parts.length < limit) {
    budget.spend(16); // measured: a piece costs about as much as a loop iteration
    const found = gap(text.text, at);
    if (!found) break;
    parts.push(text.slice(at, found[0]));
    at = found[1];
  }
  return { parts, rest: at };
}

/** `str.split`: without a separator at runs of blanks, none of which makes an empty piece. */
export function split(text: Text, separator: Value, limit: number, budget: Budget): Text[] {
  if (separator === undefined || separator === null) {
    const start = text.text.length - trim(text, undefined, true, false, budget).text.length;
    const { parts, rest } = cut(text, matches(new RegExp(`[${SPACES}]+`, "g")), limit, start, budget);
    if (rest < text.text.length) parts.push(text.slice(rest, text.text.length));
    return parts;
  }
  const between = asText(separator).text;
  if (between === "") throw templateFault("TPL_VALUE", "empty separator");
  const literal: Find = (whole, at) => {
    const found = whole.indexOf(between, at);
    return found < 0 ? undefined : [found, found + between.length];
  };
  const { parts, rest } = cut(text, literal, limit, 0, budget);
  return [...parts, text.slice(rest, text.text.length)];
}

/** `str.rsplit` with a separator. */
export function splitRight(text: Text, separator: Value, limit: number, budget: Budget): Text[] {
  if (limit < 0) return split(text, separator, -1, budget);
  const parts = split(text, asText(separator), -1, budget);
  const first = Math.max(1, parts.length - limit);
  return [join(parts.slice(0, first), asText(separator), budget), ...parts.slice(first)];
}

/** `str.splitlines`. */
export function lines(text: Text, budget: Budget): Text[] {
  const { parts, rest } = cut(text, matches(/\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/g), -1, 0, budget);
  if (rest < text.text.length) parts.push(text.slice(rest, text.text.length));
  return parts;
}

export function replace(text: Text, old: Text, by: Text, limit: number, budget: Budget): Text {
  if (old.text === "") throw templateFault("TPL_VALUE", "replaces the empty string");
  return join(split(text, old, limit, budget), by, budget);
}

/** The filter `indent`. */
export function indent(text: Text, pad: Text, first: boolean, blank: boolean, budget: Budget): Text {
  const nothing = new Text("");
  const ended = join([text, new Text("\n")], nothing, budget);
  const padded = lines(ended, budget).map((line, i) =>
    (i === 0 ? !first : line.text === "" && !blank) ? line : join([pad, line], nothing, budget),
  );
  return join(padded, new Text("\n"), budget);
}

const lower = (text: string): string => text.toLowerCase();

/** `str.title`: a letter after anything but a letter starts a word. */
export const titleWords = (text: string): string =>
  lower(text).replace(/\p{L}+/gu, (word) => word[0].toUpperCase() + word.slice(1));

/** The filter `title`: words start after blanks, hyphens and opening brackets only. */
export const titleFilter = (text: string): string =>
  text.replace(/[^\s\-({[<]+/g, (word) => word[0].toUpperCase() + lower(word.slice(1)));

export const capitalize = (text: string): string => text.charAt(0).toUpperCase() + lower(text.slice(1));

/** `str.format` with fields that are empty, a number or a name, and no format specification. */
export function format(text: Text, list: readonly Value[], named: ReadonlyMap<string, Value>, budget: Budget): Text {
  const out = new TextBuilder(budget);
  let at = 0;
  let next = 0;
  for (const { 0: field, index } of text.text.matchAll(/\{\{|\}\}|\{\w*\}|[{}]/g)) {
    budget.spend(8);
    out.add(text.slice(at, index));
    at = index + field.length;
    const name = field.slice(1, -1);
    if (field === "{{" || field === "}}") out.add(text.slice(index, index + 1));
    else if (field.length === 1) throw templateFault("TPL_UNSUPPORTED", "unsupported field in format", text.text);
    else {
      const position = name === "" ? next++ : /^\d+$/.test(name) ? Number(name) : undefined;
      if (position === undefined ? !named.has(name) : position >= list.length)
        throw templateFault("TPL_VALUE", "format has no value for a field", field);
      out.add(toText(position === undefined ? named.get(name) : list[position], budget));
    }
  }
  out.add(text.slice(at, text.text.length));
  return out.done();
}
