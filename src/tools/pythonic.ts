import type { Calls } from "./calls.ts";
import type { Dialect } from "./dialect.ts";
import { unitsOf } from "./json-text.ts";
import { readPython } from "./python-value.ts";
import { NoCall, type Reading, type Scan } from "./scan.ts";

const MARKS = ["<|python_start|>", "<|python_end|>", "<|python_tag|>"];

/**
 * `[f(a=1, b="x"), g()]`, at the beginning of an answer or behind `<|python_start|>` (Llama 4 and 3.2). Arguments have names and are
 * literals of Python; they become JSON. Python between the marks that is no such list is text.
 */
export const PYTHONIC: Dialect = {
  name: "pythonic",
  marks: MARKS,
  teaches: (template) => /\[\s*func(?:tion)?_?(?:name)?_?1?\(/.test(template),
  *read(scan, calls) {
    const { length } = scan.held;
    if ((yield* scan.mark(MARKS)) !== null) {
      scan.open = true;
      return true;
    }
    if (!scan.open || scan.held.length > length || (yield* scan.peek()) !== "[") return false;
    yield* scan.take();
    do {
      yield* scan.skipSpace();
      yield* readCall(scan, calls);
      scan.claimed = true;
      yield* scan.skipSpace();
    } while ((yield* scan.expect(",", "]")) === ",");
    calls.finish();
    return true;
  },
};

function* readCall(scan: Scan, calls: Calls): Reading {
  const name = yield* unitsOf(scan, /^[-\w.]$/);
  yield* scan.expect("(");
  if (name === "") throw new NoCall("it has no name");
  scan.claimed = true;
  calls.begin(name);
  calls.grow("{");
  const seen = new Set<string>();
  yield* scan.skipSpace();
  while ((yield* scan.peek()) !== ")") {
    const key = yield* unitsOf(scan, /^[\w\u0080-\uffff]$/);
    if (key === "" || seen.has(key)) throw new NoCall(key === "" ? "an argument has no name" : `it has two of ${key}`);
    yield* scan.skipSpace();
    yield* scan.expect("=");
    yield* scan.skipSpace();
    calls.grow(`${seen.size > 0 ? "," : ""}${JSON.stringify(key)}:`);
    seen.add(key);
    yield* readPython(scan, (text) => calls.grow(text), 2);
    yield* scan.skipSpace();
    if ((yield* scan.peek()) !== ")") yield* scan.expect(",");
    yield* scan.skipSpace();
  }
  yield* scan.take();
  calls.grow("}");
  calls.finish();
}
