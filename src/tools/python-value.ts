/** Literals of Python as they come, turned into JSON text. */
import { checkPairs, hexDigit, MOST_DEPTH, unitsOf } from "./json-text.ts";
import { NoCall, type Reading, type Scan, unexpected } from "./scan.ts";

type Write = (text: string) => void;

const WORDS: Readonly<Record<string, string>> = {
  True: "true",
  False: "false",
  None: "null",
  true: "true",
  false: "false",
  null: "null",
};

/** Strings, numbers, True, False, None, lists, tuples and dictionaries with keys of strings. Sets, bytes, calls and sums are none. */
export function* readPython(scan: Scan, write: Write, depth: number): Reading {
  const first = yield* scan.peek();
  if (depth > MOST_DEPTH && "[({".includes(first)) throw new NoCall(`it is deeper than ${MOST_DEPTH} levels`);
  if (first === '"' || first === "'") yield* readQuoted(scan, write);
  else if (first === "[" || first === "(") yield* readItems(scan, write, depth);
  else if (first === "{") yield* readDictionary(scan, write, depth);
  else if (/^[-+.0-9]$/.test(first)) write(yield* readNumber(scan));
  else write(WORDS[yield* scan.word(Object.keys(WORDS))]);
}

/** A list, or a tuple: one value in parentheses is that value, unless a comma follows it. */
function* readItems(scan: Scan, write: Write, depth: number): Reading {
  const open = yield* scan.take();
  const close = open === "[" ? "]" : ")";
  let items = 0;
  let comma = true;
  let alone = "";
  // Whether it is a tuple shows behind its first value.
  const put: Write = (text) => {
    if (open === "(" && items === 0) alone += text;
    else write(text);
  };
  if (open === "[") write("[");
  yield* scan.skipSpace();
  while ((yield* scan.peek()) !== close) {
    if (!comma) throw unexpected(yield* scan.peek(), `, or ${close}`);
    if (items > 0) put(",");
    yield* readPython(scan, put, depth + 1);
    yield* scan.skipSpace();
    comma = (yield* scan.peek()) === ",";
    if (comma) yield* scan.take();
    if (items++ === 0 && open === "(") write(comma ? `[${alone}` : alone);
    yield* scan.skipSpace();
  }
  yield* scan.take();
  if (open === "(" && items === 0) write("[");
  if (open === "[" || items !== 1 || comma) write("]");
}

function* readDictionary(scan: Scan, write: Write, depth: number): Reading {
  write(yield* scan.take());
  yield* scan.skipSpace();
  let comma = true;
  for (let items = 0; (yield* scan.peek()) !== "}"; items++) {
    if (!comma) throw unexpected(yield* scan.peek(), ", or }");
    if (items > 0) write(",");
    yield* readQuoted(scan, write);
    yield* scan.skipSpace();
    yield* scan.expect(":");
    write(":");
    yield* scan.skipSpace();
    yield* readPython(scan, write, depth + 1);
    yield* scan.skipSpace();
    comma = (yield* scan.peek()) === ",";
    if (comma) yield* scan.take();
    yield* scan.skipSpace();
  }
  write(yield* scan.take());
}

/** JSON knows neither a sign nor a bare point in front, nor a point behind, nor `_`. */
function* readNumber(scan: Scan): Reading<string> {
  const text = yield* unitsOf(scan, /^[-+.0-9eE_]$/);
  const [, sign, whole, part = "", power = ""] =
    /^([-+]?)((?:0+|[1-9](?:_?\d)*)?)(\.(?:\d(?:_?\d)*)?)?([eE][-+]?\d+)?$/.exec(text) ?? [];
  if (whole === undefined || (whole === "" && part.length < 2) || !Number.isFinite(Number(text.replaceAll("_", ""))))
    throw new NoCall("it holds what is no number");
  const digits = part.length > 1 ? part : part && ".0";
  const leading = whole.replace(/^0+$/, "0") || "0";
  return `${sign === "-" ? "-" : ""}${leading}${digits}${power}`.replaceAll("_", "");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

function* readQuoted(scan: Scan, write: Write): Reading {
  const quote = yield* scan.expect('"', "'");
  let value = "";
  const put = (text: string) => {
    value += text;
    write(JSON.stringify(text).slice(1, -1));
  };
  write('"');
  let long = false;
  if ((yield* scan.peek()) === quote) {
    yield* scan.take();
    if ((yield* scan.peek()) !== quote) return write('"');
    yield* scan.take();
    long = true;
  }
  for (let quotes = 0; ; ) {
    const unit = yield* scan.take();
    if (unit.length > 1 || (unit === "\n" && !long)) throw unexpected(unit, "a character of a string");
    if (unit === quote) {
      if (!long || ++quotes === 3) break;
      continue;
    }
    if (quotes > 0) put(quote.repeat(quotes));
    quotes = 0;
    if (unit === "\\") put(yield* readEscape(scan));
    // Both halves of a pair come in their turn, and JSON holds them as they are.
    else if (/[\ud800-\udfff]/.test(unit)) {
      value += unit;
      write(unit);
    } else put(unit);
  }
  checkPairs(value);
  write('"');
}

function* readEscape(scan: Scan): Reading<string> {
  const unit = yield* scan.take();
  if (unit.length > 1) throw unexpected(unit, "a character of a string");
  const length = unit === "x" ? 2 : unit === "u" ? 4 : unit === "U" ? 8 : 0;
  if (length > 0) {
    let digits = "";
    while (digits.length < length) digits += yield* hexDigit(scan);
    const code = Number.parseInt(digits, 16);
    if (code > 0x10ffff) throw new NoCall("it holds what is no character");
    return String.fromCodePoint(code);
  }
  if (/[0-7]/.test(unit)) {
    let digits = unit;
    while (digits.length < 3 && /^[0-7]$/.test(yield* scan.peek())) digits += yield* scan.take();
    return String.fromCharCode(Number.parseInt(digits, 8));
  }
  if (unit === "N") throw new NoCall("it names a character");
  // As Python reads it: what is no escape is a backslash and a character.
  return ESCAPES[unit] ?? `\\${unit}`;
}
