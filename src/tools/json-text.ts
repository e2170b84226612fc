/** JSON as it comes, to the letter of RFC 8259, refused at the first wrong unit. */
import { isSpace, NoCall, type Reading, type Scan, unexpected } from "./scan.ts";

/** Deeper arguments are no call: the next turn's template must take them, and it takes 64 levels of a message. */
export const MOST_DEPTH = 48;
type Write = (text: string) => void;

/** An object, each unit of which is written as it is read. Parsed, it is what JSON.parse gives: `__proto__` is a key like any other. */
export function* readObject(scan: Scan, write: Write, depth = 1): Reading {
  yield* sign(scan, write, "{");
  yield* space(scan, write);
  if ((yield* scan.peek()) === "}") return yield* sign(scan, write, "}");
  for (;;) {
    yield* readString(scan, write);
    yield* space(scan, write);
    yield* sign(scan, write, ":");
    yield* space(scan, write);
    yield* readValue(scan, write, depth + 1);
    yield* space(scan, write);
    if ((yield* scan.peek()) === "}") return yield* sign(scan, write, "}");
    yield* sign(scan, write, ",");
    yield* space(scan, write);
  }
}

function* readArray(scan: Scan, write: Write, depth: number): Reading {
  yield* sign(scan, write, "[");
  yield* space(scan, write);
  if ((yield* scan.peek()) === "]") return yield* sign(scan, write, "]");
  for (;;) {
    yield* readValue(scan, write, depth + 1);
    yield* space(scan, write);
    if ((yield* scan.peek()) === "]") return yield* sign(scan, write, "]");
    yield* sign(scan, write, ",");
    yield* space(scan, write);
  }
}

function* readValue(scan: Scan, write: Write, depth: number): Reading {
  const first = yield* scan.peek();
  if ((first === "{" || first === "[") && depth > MOST_DEPTH)
    throw new NoCall(`it is deeper than ${MOST_DEPTH} levels`);
  if (first === "{") yield* readObject(scan, write, depth);
  else if (first === "[") yield* readArray(scan, write, depth);
  else if (first === '"') yield* readString(scan, write);
  else if (/^[-0-9]$/.test(first)) write(yield* readNumber(scan));
  else write(yield* scan.word(["true", "false", "null"]));
}

/** Its value. Half a surrogate pair is refused: no later prompt could hold it. */
export function* readString(scan: Scan, write: Write): Reading<string> {
  let text = yield* scan.expect('"');
  write(text);
  for (;;) {
    let unit = yield* scan.take();
    if (unit.length > 1 || unit < " ") throw unexpected(unit, "a character of a string");
    if (unit === "\\") {
      unit += yield* scan.expect(...'"\\/bfnrtu');
      if (unit === "\\u") for (let digit = 0; digit < 4; digit++) unit += yield* hexDigit(scan);
    }
    text += unit;
    write(unit);
    if (unit === '"') break;
  }
  const value = JSON.parse(text) as string;
  checkPairs(value);
  return value;
}

export function* hexDigit(scan: Scan): Reading<string> {
  const digit = yield* scan.peek();
  if (!/^[0-9a-fA-F]$/.test(digit)) throw unexpected(digit, "a hexadecimal digit");
  return yield* scan.take();
}

export function checkPairs(value: string): void {
  if (/[\ud800-\udfff]/u.test(value)) throw new NoCall("it holds half a surrogate pair");
}

/** Its text. A number ends where no unit of one follows. */
function* readNumber(scan: Scan): Reading<string> {
  const text = yield* unitsOf(scan, /^[-+.0-9eE]$/);
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text) || !Number.isFinite(Number(text)))
    throw new NoCall("it holds what is no number");
  return text;
}

const MOST_UNITS = 1024;

/** As many units as are of this kind; more of them than any number or name has are refused. */
export function* unitsOf(scan: Scan, kind: RegExp): Reading<string> {
  let text = "";
  while (kind.test(yield* scan.peek())) {
    if (text.length === MOST_UNITS) throw new NoCall(`it holds a word of more than ${MOST_UNITS} units`);
    text += yield* scan.take();
  }
  return text;
}

function* sign(scan: Scan, write: Write, wanted: string): Reading {
  write(yield* scan.expect(wanted));
}

function* space(scan: Scan, write: Write): Reading {
  while (isSpace(yield* scan.peek())) write(yield* scan.take());
}
