import { readCall, readList } from "./call-object.ts";
import type { Dialect } from "./dialect.ts";
import { readObject, unitsOf } from "./json-text.ts";
import { unexpected } from "./scan.ts";

const OPEN = "[TOOL_CALLS]";
const ID = "[CALL_ID]";
const ARGUMENTS = "[ARGS]";

/** `[TOOL_CALLS] [{"name": ..., "arguments": ...}]`, and since 2025 `[TOOL_CALLS]name[ARGS]{...}`, several behind each other. */
export const MISTRAL: Dialect = {
  name: "mistral",
  marks: [OPEN, ID, ARGUMENTS],
  teaches: (template) => template.includes(OPEN),
  *read(scan, calls) {
    if ((yield* scan.mark([OPEN])) === null) return false;
    scan.claimed = true;
    yield* scan.skipSpace();
    const first = yield* scan.peek();
    if (first === "[") {
      yield* readList(scan, calls);
      return true;
    }
    if (first === "{") yield* readCall(scan, calls);
    else {
      const name = yield* unitsOf(scan, /^[-\w.]$/);
      calls.checkName(name);
      let mark = yield* scan.mark([ID, ARGUMENTS]);
      if (mark === ID) {
        yield* unitsOf(scan, /^\w$/);
        mark = yield* scan.mark([ARGUMENTS]);
      }
      yield* scan.skipSpace();
      const brace = yield* scan.peek();
      if (brace !== "{") throw unexpected(brace, `${ARGUMENTS}{`);
      calls.begin(name);
      yield* readObject(scan, (text) => calls.grow(text));
    }
    calls.finish();
    return true;
  },
};
