/** Escaping for HTML: a chat prompt is none, but `escape`, `safe` and `striptags` are Jinja's filters. */
import { type Budget, templateFault } from "./budget.ts";
import { split } from "./strings.ts";
import { Markup, Text, TextBuilder } from "./text.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

export function escaped(text: Text, budget: Budget): Markup {
  if (text instanceof Markup) return text;
  const out = new TextBuilder(budget);
  let at = 0;
  for (let i = 0; i < text.text.length; i++) {
    const entity = ENTITIES[text.text[i]];
    if (entity === undefined) continue;
    budget.spend(6);
    out.add(text.slice(at, i)).add(text.slice(i, i + 1).changed(entity));
    at = i + 1;
  }
  budget.text(text.text.length);
  const { text: whole, marks } = out.add(text.slice(at, text.text.length)).done();
  return new Markup(whole, marks);
}

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\xa0" };

export function unescaped(text: Text, budget: Budget): Text {
  budget.spend(text.text.length);
  const plain = text.text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w{1,32}));?/g,
    (all, decimal, hex, name) => {
      if (name !== undefined) {
        if (name in NAMED && Object.hasOwn(NAMED, name)) return NAMED[name];
        throw templateFault("TPL_UNSUPPORTED", "an entity of HTML by name", all);
      }
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
    },
  );
  return text.marks.length > 0 ? Text.foreign(plain) : new Text(plain);
}

/** Removes comments, then tags; blanks become one space. */
export function stripTags(text: Text, budget: Budget): Text {
  const without = (source: Text, open: string, close: string): Text => {
    const out = new TextBuilder(budget);
    let at = 0;
    while (true) {
      budget.spend(8);
      const start = source.text.indexOf(open, at);
      const end = start < 0 ? -1 : source.text.indexOf(close, start);
      if (end < 0) break;
      out.add(source.slice(at, start));
      at = end + close.length;
    }
    return out.add(source.slice(at, source.text.length)).done();
  };
  budget.text(text.text.length);
  const bare = without(without(new Text(text.text, text.marks), "<!--", "-->"), "<", ">");
  const out = new TextBuilder(budget);
  for (const [i, word] of split(bare, null, -1, budget).entries()) (i > 0 ? out.own(" ") : out).add(word);
  return unescaped(out.done(), budget);
}

/** Markup escapes what it is joined with. */
export const joining = (text: Text, part: Text, budget: Budget): Text =>
  text instanceof Markup ? escaped(part, budget) : part;
