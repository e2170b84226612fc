import { readCall, readList } from "./call-object.ts";
import type { Dialect } from "./dialect.ts";
import { END, unexpected } from "./scan.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

/**
 * `<tool_call>{"name": ..., "arguments": ...}</tool_call>`, several behind each other, also several objects or a list within one (Hermes,
 * Qwen, SmolLM). What closes the last one may be missing where the answer ends.
 */
export const HERMES: Dialect = {
  name: "hermes",
  marks: [OPEN, CLOSE],
  // The same marks stand around XML in Qwen3-Coder and GLM: another dialect, which is not read.
  teaches: (template) => template.includes(OPEN) && !/<function=|<arg_key>/.test(template),
  *read(scan, calls) {
    if ((yield* scan.mark([OPEN])) === null) return false;
    scan.claimed = true;
    yield* scan.skipSpace();
    if ((yield* scan.peek()) === "[") {
      yield* readList(scan, calls);
      scan.claimed = true;
    } else yield* readCall(scan, calls);
    yield* scan.skipSpace();
    while ((yield* scan.peek()) === "{") {
      calls.finish();
      scan.claimed = true;
      yield* readCall(scan, calls);
      yield* scan.skipSpace();
    }
    if ((yield* scan.mark([CLOSE])) === null) {
      const sign = yield* scan.peek();
      if (sign !== END) throw unexpected(sign, CLOSE);
    }
    calls.finish();
    return true;
  },
};
