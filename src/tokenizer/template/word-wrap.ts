/** The filter `wordwrap`: lines broken as Python's `textwrap` breaks them. */
import { type Budget, templateFault } from "./budget.ts";
import { characters, unitAt } from "./sequences.ts";
import { asSize, asText, definedText, lines } from "./strings.ts";
import { type Text, TextBuilder } from "./text.ts";
import { truthy, type Value } from "./values.ts";
import { endOfText } from "./whitespace.ts";

const SIMPLE = /[\t-\r ]+|[^\t-\r ]+/gu;
const WORD = "[\\p{L}\\p{N}_]";
const PUNCTUATED = "[\\p{L}\\p{N}_!\"'&.,?]";
const LETTER = "[\\p{L}\\p{Nl}\\p{No}_]";
/** White space; a dash between words; a word up to its hyphen, its end, or a dash. */
const PARTS = new RegExp(
  `[\\t-\\r ]+|(?<=${PUNCTUATED})-{2,}(?=${WORD})|[^\\t-\\r ]+?(?:-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${PUNCTUATED}-))` +
    `(?=${LETTER}-?${LETTER})|(?=[\\t-\\r ]|$)|(?<=${PUNCTUATED})(?=-{2,}${WORD}))`,
  "gu",
);

const size = (text: Text): number => characters(text.text, text.text.length);
const isBlank = (text: Text): boolean => endOfText(text.text) === 0;

export function wordWrap(value: Value, [width, long, between, hyphens]: Value[], budget: Budget): Text {
  const out = new TextBuilder(budget);
  const text = definedText(value);
  budget.spend(text.text.length * 4);
  const most = asSize(width);
  const style = { width: most, breakLong: truthy(long), hyphens: truthy(hyphens) };
  let first = true;
  for (const line of lines(text, false, budget)) {
    const wrapped = wrap(line, style, budget);
    for (const part of wrapped.length > 0 ? wrapped : [line.slice(0, 0)]) {
      if (!first) between === null ? out.own("\n") : out.add(asText(between));
      first = false;
      out.add(part);
    }
  }
  return out.done();
}

interface Style {
  readonly width: number;
  readonly breakLong: boolean;
  readonly hyphens: boolean;
}

function wrap(line: Text, style: Style, budget: Budget): Text[] {
  if (style.width <= 0) throw templateFault("TPL_VALUE", "lines of no width", style.width);
  const pattern = style.hyphens ? PARTS : SIMPLE;
  const chunks = Array.from(line.text.matchAll(pattern), ({ 0: part, index }) => {
    budget.spend(16);
    return line.slice(index, index + part.length);
  }).reverse();
  const done: Text[] = [];
  while (chunks.length > 0) {
    budget.spend(16);
    const current: Text[] = [];
    let used = 0;
    if (done.length > 0 && isBlank(chunks.at(-1)!)) chunks.pop();
    while (chunks.length > 0 && used + size(chunks.at(-1)!) <= style.width) {
      used += size(chunks.at(-1)!);
      current.push(chunks.pop()!);
    }
    if (chunks.length > 0 && size(chunks.at(-1)!) > style.width) breakWord(chunks, current, used, style);
    if (current.length > 0 && isBlank(current.at(-1)!)) current.pop();
    if (current.length === 0) continue;
    const out = new TextBuilder(budget);
    for (const chunk of current) out.add(chunk);
    done.push(out.done());
  }
  return done;
}

function breakWord(chunks: Text[], current: Text[], used: number, { width, breakLong, hyphens }: Style): void {
  if (!breakLong) {
    if (current.length === 0) current.push(chunks.pop()!);
    return;
  }
  const chunk = chunks.pop()!;
  let end = unitAt(chunk.text, width - used);
  if (hyphens && size(chunk) > width - used) {
    const hyphen = chunk.text.slice(0, end).lastIndexOf("-");
    if (hyphen > 0 && /[^-]/.test(chunk.text.slice(0, hyphen))) end = hyphen + 1;
  }
  current.push(chunk.slice(0, end));
  chunks.push(chunk.slice(end, chunk.text.length));
}
