/** What a template may use up. A template is a program from a stranger: every loop and every string is paid for. */
import { EngineError } from "../../error.ts";
import type { ErrorCode } from "../../error-codes.ts";

export const TEMPLATE_LIMITS = {
  source: 256 * 1024, // UTF-16 units
  tokens: 65_536, // the largest templates about have some 5,000
  steps: 5_000_000,
  output: 8 * 1024 * 1024, // bytes of UTF-8 at most one and a half times as many
  depth: 128, // nested blocks, brackets, macro calls, containers
  expression: 1000, // nested operators: a chain of 1000 `+` is one too many
  bits: 65_536, // of an integer
  digits: 4300, // of an integer that is read or printed, as in Python
  range: 100_000, // numbers of a range, as in Jinja's sandbox
};

export function templateFault(
  code: ErrorCode,
  what: string,
  actual?: string | number,
  limit?: string | number,
): EngineError {
  return new EngineError(code, what, { at: { source: "template" }, actual, limit });
}

export class Budget {
  #steps = 0;

  spend(steps: number): void {
    this.#steps += steps;
    // Not `>`: 0 times infinity steps are too many, too.
    if (!(this.#steps <= TEMPLATE_LIMITS.steps)) {
      const limit = `at most ${TEMPLATE_LIMITS.steps}`;
      throw templateFault("TPL_FUEL", "the template takes too many steps", undefined, limit);
    }
  }

  /** Pays for handling a string of this length. */
  text(length: number): void {
    if (length > TEMPLATE_LIMITS.output) {
      const limit = `at most ${TEMPLATE_LIMITS.output}`;
      throw templateFault("TPL_OUTPUT", "the template makes too long a text", length, limit);
    }
    this.spend(1 + (length >> 3));
  }
}
