/** Python's string operations, keeping every character's origin. Positions count characters, not UTF-16 units. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { asInt } from "./numbers.ts";
import { toText } from "./print.ts";
import { characters, unitAt } from "./sequences.ts";
import { Text, TextBuilder } from "./text.ts";
import { Silent, undefinedUsed, type Value, wrong } from "./values.ts";
import { isSpace, SPACES } from "./whitespace.ts";

export function asText(value: Value): Text {
  if (value instanceof Text) return value;
  if (value instanceof Silent) return new Text("");
  return wrong("expected a string", value);
}

/** What strings do themselves fails for all else, with undefined named. */
export const definedText = (value: Value): Text => (value === undefined ? undefinedUsed() : asText(value));

export function asSize(value: Value): number {
  const size = asInt(value);
  if (size === undefined) return wrong("expected an integer", value);
  if (typeof size === "bigint") throw templateFault("TPL_FUEL", "too large a number");
  return size;
}

export function trim(text: Text, chars: string | undefined, left: boolean, right: boolean, budget: Budget): Text {
  if (chars !== undefined) budget.spend(chars.length);
  const set = new Set(chars);
  const stripped = chars === undefined ? isSpace : (char: string) => set.has(char);
  const all = text.text;
  let start = 0;
  let end = all.length;
  while (left && start < end) {
    const char = String.fromCodePoint(all.codePointAt(start)!);
    if (!stripped(char)) break;
    start += char.length;
  }
  while (right && end > start) {
    const pair = end - start >= 2 && all.codePointAt(end - 2)! > 0xffff;
    if (!stripped(all.slice(pair ? end - 2 : end - 1, end))) break;
    end -= pair ? 2 : 1;
  }
  budget.spend((all.length - (end - start)) >> (chars ? 0 : 1));
  return text.slice(start, end);
}

export function join(parts: Iterable<Value>, separator: Text, budget: Budget): Text {
  const out = new TextBuilder(budget);
  let first = true;
  for (const part of parts) {
    if (!first) out.add(separator);
    first = false;
    out.add(toText(part, budget));
  }
  return out.done();
}

export function repeat(text: Text, times: number, budget: Budget): Text {
  if (text.text.length * times > TEMPLATE_LIMITS.output) budget.text(text.text.length * times);
  const out = new TextBuilder(budget);
  if (text.text !== "") for (let i = 0; i < times; i++) out.add(text);
  return out.done(text);
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

const literal =
  (between: string): Find =>
  (text, at) => {
    const found = text.indexOf(between, at);
    return found < 0 ? undefined : [found, found + between.length];
  };

/** Pieces between gaps. */
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

function separatorOf(separator: Value): string {
  const between = asText(separator).text;
  return between === "" ? wrong("empty separator", separator) : between;
}

/** `str.split`: without a separator at runs of blanks, none of which makes an empty piece. */
export function split(text: Text, separator: Value, limit: number, budget: Budget): Text[] {
  if (separator === null) {
    const start = text.text.length - trim(text, undefined, true, false, budget).text.length;
    const { parts, rest } = cut(text, matches(new RegExp(`[${SPACES}]+`, "g")), limit, start, budget);
    if (rest < text.text.length) parts.push(text.slice(rest, text.text.length));
    return parts;
  }
  const { parts, rest } = cut(text, literal(separatorOf(separator)), limit, 0, budget);
  parts.push(text.slice(rest, text.text.length));
  return parts;
}

/** `str.rsplit`: pieces are counted from the end. */
export function splitRight(text: Text, separator: Value, limit: number, budget: Budget): Text[] {
  if (limit < 0) return split(text, separator, -1, budget);
  const parts: Text[] = [];
  const between = separator === null ? "" : separatorOf(separator);
  const all = text.text;
  let end = separator === null ? trim(text, undefined, false, true, budget).text.length : all.length;
  const skipBlanks = (at: number): number => {
    let start = at;
    while (start > 0 && isSpace(all[start - 1])) start--;
    return start;
  };
  while (parts.length < limit) {
    budget.spend(16);
    let at = end;
    if (separator === null) while (at > 0 && !isSpace(all[at - 1])) at--;
    else at = end < between.length ? 0 : all.lastIndexOf(between, end - between.length) + between.length;
    if (separator === null ? at === 0 : at < between.length || !all.startsWith(between, at - between.length)) break;
    parts.push(text.slice(at, end));
    end = separator === null ? skipBlanks(at) : at - between.length;
  }
  if (separator !== null || end > 0) parts.push(text.slice(0, end));
  return parts.reverse();
}

const LINE_ENDS = /\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/g;

/** `str.splitlines`. */
export function lines(text: Text, keepEnds: boolean, budget: Budget): Text[] {
  const pattern = matches(new RegExp(LINE_ENDS));
  const parts: Text[] = [];
  let at = 0;
  while (at < text.text.length) {
    budget.spend(16);
    const [start, end] = pattern(text.text, at) ?? [text.text.length, text.text.length];
    parts.push(text.slice(at, keepEnds ? end : start));
    at = end;
  }
  return parts;
}

export function replace(text: Text, old: Text, by: Text, limit: number, budget: Budget): Text {
  if (old.text !== "") {
    const { parts, rest } = cut(text, literal(old.text), limit, 0, budget);
    parts.push(text.slice(rest, text.text.length));
    const out = new TextBuilder(budget);
    for (const [i, part] of parts.entries()) (i > 0 ? out.add(by) : out).add(part);
    return out.done(text);
  }
  // Between all characters.
  const out = new TextBuilder(budget);
  let at = 0;
  for (let count = 0; limit < 0 || count < limit; count++) {
    budget.spend(8);
    out.add(by);
    if (at >= text.text.length) return out.done(text);
    const end = at + (text.text.codePointAt(at)! > 0xffff ? 2 : 1);
    out.add(text.slice(at, end));
    at = end;
  }
  return out.add(text.slice(at, text.text.length)).done(text);
}

/** The units between two positions as `find(sub, start, end)` takes them; undefined where the start is behind the end. */
export function span(text: string, start: Value, end: Value): [number, number] | undefined {
  if (start === null && end === null) return [0, text.length];
  const size = characters(text, text.length);
  const at = (value: Value, otherwise: number): number => {
    if (value === null) return otherwise;
    const given = asInt(value);
    if (given === undefined) return wrong("expected an integer", value);
    return Number(given) < 0 ? Math.max(0, Number(given) + size) : Number(given);
  };
  const [from, to] = [at(start, 0), Math.min(at(end, size), size)];
  return from > to ? undefined : [unitAt(text, from), unitAt(text, to)];
}

/** Fills up to a width, in characters; which side gets the odd one is Python's affair. */
export function pad(text: Text, width: number, fill: Text, side: "left" | "right" | "both", budget: Budget): Text {
  const missing = width - characters(text.text, text.text.length);
  if (missing <= 0) return text;
  if (missing * fill.text.length > TEMPLATE_LIMITS.output) budget.text(missing);
  const before = side === "left" ? missing : side === "right" ? 0 : (missing >> 1) + (missing & width & 1);
  const out = new TextBuilder(budget);
  out
    .add(repeat(fill, before, budget))
    .add(text)
    .add(repeat(fill, missing - before, budget));
  return out.done(text);
}
