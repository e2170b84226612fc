/** Calls as JSON objects, of a name and arguments: the form that all dialects but one share. */
import type { Calls } from "./calls.ts";
import { readObject, readString } from "./json-text.ts";
import { END, NoCall, type Reading, type Scan, unexpected } from "./scan.ts";

/** No key is the beginning of another. `type` and `id` are read over: ids are ours. */
const KEYS = ['name"', 'arguments"', 'parameters"', 'type"', 'id"'];
const LONGEST = 256;

/** `{"name": ..., "arguments": {...}}`, or with `parameters`, in any order. The call is not finished: what closes it is to come. */
export function* readCall(scan: Scan, calls: Calls): Reading {
  yield* scan.expect("{");
  const seen = new Set<string>();
  let name: string | undefined;
  /** Arguments that come before the name. */
  let early = "";
  do {
    yield* scan.skipSpace();
    yield* scan.expect('"');
    const key = (yield* scan.word(KEYS)).slice(0, -1).replace("parameters", "arguments");
    if (seen.has(key)) throw new NoCall(`it has two of ${key}`);
    seen.add(key);
    yield* scan.skipSpace();
    yield* scan.expect(":");
    yield* scan.skipSpace();
    if (key === "name") {
      name = yield* readWord(scan);
      scan.claimed = true;
      calls.checkName(name);
    } else if (key === "arguments") {
      const first = yield* scan.peek();
      if (first !== "{") throw unexpected(first, "an object of arguments");
      if (name !== undefined) calls.begin(name);
      yield* readObject(scan, (text) => {
        if (name !== undefined) calls.grow(text);
        else early += text;
      });
    } else yield* readWord(scan);
    yield* scan.skipSpace();
  } while ((yield* scan.expect(",", "}")) === ",");
  if (name === undefined || !seen.has("arguments")) throw new NoCall("it lacks a name or arguments");
  if (early === "") return;
  calls.begin(name);
  calls.grow(early);
}

/** `[{...}, {...}]`: each is a call by itself, also where the answer ends before the bracket. */
export function* readList(scan: Scan, calls: Calls): Reading {
  yield* scan.expect("[");
  do {
    yield* scan.skipSpace();
    yield* readCall(scan, calls);
    calls.finish();
    scan.claimed = true;
    yield* scan.skipSpace();
    if ((yield* scan.peek()) === END) break;
  } while ((yield* scan.expect(",", "]")) === ",");
  calls.finish();
}

/** Longer than any name: text that merely looks like a call is not held back to its end. */
function* readWord(scan: Scan): Reading<string> {
  let length = 0;
  return yield* readString(scan, (text) => {
    length += text.length;
    if (length > LONGEST) throw new NoCall(`it has a name of more than ${LONGEST} units`);
  });
}
