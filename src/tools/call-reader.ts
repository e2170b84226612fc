import type { AnswerPart, ToolCall } from "./call.ts";
import { Calls } from "./calls.ts";
import type { Dialect } from "./dialect.ts";
import { END, isSpace, NoCall, type Reading, Scan } from "./scan.ts";

const MOST_WARNINGS = 16;

export interface CallRules {
  readonly dialect: Dialect;
  /** Names of the tools that were offered. */
  readonly offered: ReadonlySet<string>;
  /** A control token that stands at the end of the prompt already: the answer begins within a call. */
  readonly opened?: string | null;
}

/**
 * An answer -> its text and calls, as it comes. Text that may belong to a call is held back until it is known; white space before a
 * call and behind the last one belongs to it. An answer without calls is its text, to the unit.
 */
export class CallReader {
  text = "";
  readonly #rules: CallRules;
  readonly #scan = new Scan();
  readonly #calls: Calls;
  readonly #emit: (part: AnswerPart) => void;
  readonly #run: Reading;
  /** Goes on growing until another kind of part comes, or all that came was read. */
  #pending: AnswerPart | null = null;
  readonly #warnings: string[] = [];
  #broken = 0;

  /** `idOf` names the calls; parts are told in order. */
  constructor(rules: CallRules, idOf: (index: number) => string, emit: (part: AnswerPart) => void) {
    this.#rules = rules;
    this.#emit = emit;
    this.#calls = new Calls(rules.offered, this.#scan, idOf, (part) => this.#put(part));
    this.#run = this.#read();
    this.#run.next(END);
    if (rules.opened) this.mark(rules.opened);
  }

  get toolCalls(): readonly ToolCall[] {
    return this.#calls.done;
  }

  get warnings(): readonly string[] {
    const more = this.#broken - this.#warnings.length;
    return more > 0 ? [...this.#warnings, `TOOL_CALL: ${more} more calls stay text`] : this.#warnings;
  }

  /** Whether the answer, so far, ends in a call. */
  get endsInCall(): boolean {
    return this.#scan.behindCall && this.#scan.held.trim() === "";
  }

  push(text: string): void {
    for (let at = 0; at < text.length; at++) this.#run.next(text[at]);
    this.#flush();
  }

  /** A control token, which has no text. */
  mark(name: string): void {
    this.#run.next(name);
    this.#flush();
  }

  end(): void {
    this.#run.next(END);
    this.#flush();
  }

  *#read(): Reading {
    const scan = this.#scan;
    for (;;) {
      const sign = yield* scan.peek();
      if (sign === END) break;
      if (isSpace(sign)) {
        yield* scan.take();
        continue;
      }
      const { taken } = scan;
      try {
        if (yield* this.#rules.dialect.read(scan, this.#calls)) continue;
        if (scan.taken === taken) yield* scan.take();
      } catch (error) {
        if (!(error instanceof NoCall)) throw error;
        this.#calls.break();
        if (scan.claimed) this.#warn(error.message);
      }
      this.#put({ type: "text", text: scan.release() });
    }
    if (!scan.behindCall) this.#put({ type: "text", text: scan.release() });
  }

  #warn(why: string): void {
    if (this.#broken++ < MOST_WARNINGS) this.#warnings.push(`TOOL_CALL: what looks like a call stays text: ${why}`);
  }

  #put(part: AnswerPart): void {
    const last = this.#pending;
    if (part.type === "text") {
      if (part.text === "") return;
      this.text += part.text;
    }
    if (last?.type === "text" && part.type === "text") {
      this.#pending = { ...last, text: last.text + part.text };
    } else if (last?.type === "tool-call-arguments" && part.type === "tool-call-arguments") {
      this.#pending = { ...last, text: last.text + part.text };
    } else {
      this.#flush();
      this.#pending = part;
    }
  }

  #flush(): void {
    if (this.#pending) this.#emit(this.#pending);
    this.#pending = null;
  }
}
