import { readCall, readList } from "./call-object.ts";
import type { Dialect } from "./dialect.ts";

const MARKS = ["<|python_tag|>", "<|python_start|>", "<|python_end|>"];

/**
 * `{"name": ..., "parameters": ...}`, several behind each other (Llama 4), with `;` or `,` between them (Llama 3.2), or as a list. Nothing
 * marks it, so it is one at the beginning of an answer, behind a mark of Python and behind another call only: JSON within a text is text.
 */
export const JSON_DIALECT: Dialect = {
  name: "json",
  marks: MARKS,
  teaches: (template) => /\{\s*\\?["']name\\?["']\s*:[^{}]{1,80}?,\s*\\?["']parameters\\?["']\s*:/.test(template),
  *read(scan, calls) {
    const { length } = scan.held;
    if ((yield* scan.mark(MARKS)) !== null) {
      scan.open = true;
      return true;
    }
    if (!scan.open || scan.held.length > length) return false;
    const sign = yield* scan.peek();
    if (scan.behindCall && (sign === ";" || sign === ",")) {
      yield* scan.take();
      scan.behindCall = false;
      return true;
    }
    if (sign === "[") yield* readList(scan, calls);
    else if (sign !== "{") return false;
    else {
      yield* readCall(scan, calls);
      calls.finish();
    }
    return true;
  },
};
