import { EngineError } from "../error.ts";
import { isFunction, tell, wrong } from "../given.ts";

/**
 * A caller's own rule, asked once a token after penalties and `logitBias`, before temperature and every cut. `logits`, [vocab], is a
 * copy that may be changed, and that nothing else reads afterwards; `ids` are those of the prompt and, behind them, those generated
 * so far, a copy too. It returns nothing, or the logits to draw from, as many. -Infinity forbids an id; NaN and Infinity are
 * LOGITS_PROCESSOR, and so is a promise. What it throws ends its generation alone, with that error. For results that can be
 * repeated it must not depend on anything else.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is one of them
export type LogitsProcessor = (logits: Float32Array, ids: number[]) => Float32Array | undefined | void;

export function checkLogitsProcessor(value: unknown, absent: LogitsProcessor | undefined): LogitsProcessor | undefined {
  if (value === undefined) return absent;
  if (!isFunction(value)) throw wrong("logitsProcessor", "not a function", "a function of logits and ids", value);
  return value as LogitsProcessor;
}

const typedArray: object = Object.getPrototypeOf(Float32Array.prototype);
const lengthOf = Object.getOwnPropertyDescriptor(typedArray, "length")!.get!;

/** `values`, [vocab], become what `processor` makes of them. */
export function processLogits(processor: LogitsProcessor, values: Float32Array, ids: readonly number[]): void {
  const copy = values.slice();
  const returned: unknown = processor(copy, ids.slice());
  const result = returned === undefined ? copy : returned;
  const vocab = values.length;
  // Of whichever realm; what a subclass says of its length is not asked.
  if (tell(result) !== "a Float32Array" || lengthOf.call(result) !== vocab) {
    forget(returned);
    throw refused(
      `${tell(returned)}`,
      `nothing or a Float32Array of ${vocab} logits, at once: no promise`,
      "what it returned is no list of logits",
    );
  }
  values.set(result as Float32Array);
  // A loop: a callback for each would cost ten times as much, every token.
  for (let at = 0; at < vocab; at++) {
    if (values[at] < Number.POSITIVE_INFINITY) continue;
    throw refused(`${values[at]} for id ${at}`, "numbers, or -Infinity to forbid an id", "not a logit");
  }
}

function refused(actual: string, limit: string, what: string): EngineError {
  return new EngineError("LOGITS_PROCESSOR", what, {
    at: { source: "option", field: "logitsProcessor" },
    limit,
    actual,
  });
}

/** A promise of an async function: it may reject, and nobody else listens. */
function forget(returned: unknown): void {
  try {
    Promise.prototype.then.call(returned, undefined, () => {});
  } catch {
    // No promise.
  }
}
