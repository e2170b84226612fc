/** Filters that take text and give text. */
import { attributeGetter } from "./access.ts";
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { capitalize, titleFilter } from "./casing.ts";
import { type Filter, type FilterCall, filter } from "./filter.ts";
import { escaped, stripTags } from "./html.ts";

import { arithmetic } from "./operators.ts";
import { type JsonStyle, toJson, toText } from "./print.ts";
import { characters, isIterable, items, iterate, length, unitAt } from "./sequences.ts";
import { asSize, asText, definedText, join, lines, pad, replace, splitRight, trim } from "./strings.ts";
import { Markup, Text, TextBuilder } from "./text.ts";
import { Mapping, Silent, Tuple, truthy, type Value, wrong } from "./values.ts";
import { wordWrap } from "./word-wrap.ts";

/** `str(value)`: what is markup stays no longer so. */
const plainText = (value: Value, budget: Budget): Text => {
  const text = toText(value, budget);
  return text instanceof Markup ? new Text(text.text, text.marks) : text;
};

const changer = (change: (text: string) => string): Filter =>
  filter("", [], (value, _, budget) => {
    const text = toText(value, budget);
    budget.spend(text.text.length * 2); // some changes call back for every word
    return text.changed(change(text.text));
  });

const title: Filter = filter("", [], (value, _, budget) => {
  const text = plainText(value, budget);
  budget.spend(text.text.length * 2);
  return text.changed(titleFilter(text.text));
});

function indent(value: Value, [width, first, blank]: Value[], budget: Budget): Text {
  const given = definedText(value);
  const blanks = width instanceof Text ? 0 : Math.max(0, asSize(width));
  if (blanks > TEMPLATE_LIMITS.output) budget.text(blanks);
  const pad = width instanceof Text ? width : new Text(" ".repeat(blanks));
  const all = lines(new TextBuilder(budget).add(given).own("\n").done(given), false, budget);
  const out = new TextBuilder(budget);
  if (truthy(first)) out.add(pad);
  for (const [i, line] of all.entries()) {
    if (i > 0) {
      out.own("\n");
      if (truthy(blank) || line.text !== "") out.add(pad);
    }
    out.add(line);
  }
  // A string behind markup is escaped, one before it makes all of it markup.
  return out.done(given instanceof Markup || pad instanceof Markup ? new Markup("") : undefined);
}

function truncate(value: Value, [most, kill, end, leeway]: Value[], budget: Budget): Value {
  const ending = asText(end);
  const width = asSize(most);
  const endSize = characters(ending.text, ending.text.length);
  const slack = leeway === null ? 5 : asSize(leeway);
  if (width < endSize || slack < 0) throw templateFault("TPL_VALUE", "truncate to less than its ending", width);
  if (length(value) <= width + slack) return value;
  const text = asText(value);
  const cut = text.slice(0, unitAt(text.text, width - endSize));
  const kept = truthy(kill) ? cut : splitRight(cut, new Text(" "), 1, budget)[0];
  return arithmetic("+", kept, ending, budget);
}

const WORD = /[\p{L}\p{N}_]+/gu;

function format(value: Value, { list, named }: FilterCall, budget: Budget): Value {
  if (list.length > 0 && named.size > 0) throw templateFault("TPL_VALUE", "format takes values in order, or by name");
  const values =
    named.size > 0 ? new Mapping([...named].map(([key, item]) => [new Text(key), item])) : Tuple.from(list);
  return arithmetic("%", toText(value, budget), values as Value, budget);
}

function json(value: Value, [ascii, indent, separators, sortKeys]: Value[], budget: Budget): Text {
  const style: { -readonly [Key in keyof JsonStyle]: JsonStyle[Key] } = {
    ascii: truthy(ascii),
    sortKeys: truthy(sortKeys),
  };
  if (indent instanceof Text) style.indent = indent.text.slice(0, TEMPLATE_LIMITS.depth);
  else if (indent !== null) style.indent = " ".repeat(Math.max(0, Math.min(asSize(indent), TEMPLATE_LIMITS.depth)));
  if (separators !== null) {
    const [comma, colon, ...rest] = items(separators, budget);
    if (colon === undefined || rest.length > 0) return wrong("two separators are needed", separators);
    style.separators = [asText(comma).text, asText(colon).text];
  }
  return toJson(value, style, budget);
}

function urlQuote(value: Value, query: boolean, budget: Budget): Text {
  const text = plainText(value, budget);
  budget.spend(text.text.length * 2);
  const kept = query ? /[^\w.~-]/gu : /[^\w./~-]/gu;
  const quoted = text.text.replace(kept, (char) => {
    if (query && char === " ") return "+";
    return Array.from(
      new TextEncoder().encode(char),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join("");
  });
  return text.changed(quoted);
}

function urlEncode(value: Value, _: Value[], budget: Budget): Value {
  if (value instanceof Text || value instanceof Silent || !isIterable(value)) return urlQuote(value, false, budget);
  const pairs = value instanceof Mapping ? value.entries() : undefined;
  const out = new TextBuilder(budget);
  for (const [i, pair] of (pairs ?? items(value, budget)).entries()) {
    const [key, item, ...rest] = items(pair as Value, budget);
    if (rest.length > 0 || items(pair as Value, budget).length !== 2) return wrong("pairs are encoded", pair as Value);
    if (i > 0) out.own("&");
    out
      .add(urlQuote(key, true, budget))
      .own("=")
      .add(urlQuote(item, true, budget));
  }
  return out.done();
}

function xmlAttributes(value: Value, [space]: Value[], budget: Budget): Text {
  if (!(value instanceof Mapping)) return wrong("attributes are a mapping", value);
  const out = new TextBuilder(budget);
  let first = !truthy(space);
  for (const [key, item] of value.entries()) {
    if (item === null || item === undefined || item instanceof Silent) continue;
    if (/[ \t\n\r\f\v/>=]/.test(asText(key).text)) throw templateFault("TPL_VALUE", "no name of an attribute");
    if (!first) out.own(" ");
    first = false;
    out
      .add(escaped(asText(key), budget))
      .own('="')
      .add(escaped(toText(item, budget), budget))
      .own('"');
  }
  return out.done();
}

function joined(value: Value, [separator, attribute]: Value[], budget: Budget): Text {
  const get = attribute === null ? undefined : attributeGetter(attribute, budget);
  function* parts(): Generator<Value> {
    for (const item of iterate(value, budget)) yield get ? get(item) : item;
  }
  return join(parts(), plainText(separator, budget), budget);
}

const escapes = filter("", [], (value, _, budget) => escaped(toText(value, budget), budget));

export const TEXT_FILTERS: readonly [string, Filter][] = [
  ["safe", filter("", [], (value, _, budget) => new Markup(toText(value, budget).text, toText(value, budget).marks))],
  ["e", escapes],
  ["escape", escapes],
  ["forceescape", filter("", [], (value, _, budget) => escaped(plainText(value, budget), budget))],
  ["striptags", filter("", [], (value, _, budget) => stripTags(toText(value, budget), budget))],
  ["string", filter("", [], (value, _, budget) => toText(value, budget))],
  ["upper", changer((text) => text.toUpperCase())],
  ["lower", changer((text) => text.toLowerCase())],
  ["capitalize", changer(capitalize)],
  ["title", title],
  [
    "trim",
    filter("chars", [null], (value, [chars], budget) =>
      trim(toText(value, budget), chars === null ? undefined : asText(chars).text, true, true, budget),
    ),
  ],
  [
    "replace",
    filter("old new count", [null], (value, [old, by, count], budget) =>
      replace(
        plainText(value, budget),
        plainText(old, budget),
        plainText(by, budget),
        count === null ? -1 : asSize(count),
        budget,
      ),
    ),
  ],
  ["indent", filter("width first blank", [4, false, false], indent)],
  [
    "center",
    filter("width", [80], (value, [width], budget) =>
      pad(toText(value, budget), asSize(width), new Text(" "), "both", budget),
    ),
  ],
  ["truncate", filter("length killwords end leeway", [255, false, new Text("..."), null], truncate)],
  [
    "wordcount",
    filter("", [], (value, _, budget) => {
      const { text } = toText(value, budget);
      budget.spend(text.length);
      return text.match(WORD)?.length ?? 0;
    }),
  ],
  ["wordwrap", filter("width break_long_words wrapstring break_on_hyphens", [79, true, null, true], wordWrap)],
  ["format", { signature: undefined, run: (value, _, budget, call) => format(value, call, budget) }],
  ["tojson", filter("ensure_ascii indent separators sort_keys", [false, null, null, false], json)],
  ["urlencode", filter("", [], urlEncode)],
  ["xmlattr", filter("autospace", [true], xmlAttributes)],
  ["join", filter("d attribute", [new Text(""), null], joined)],
];
