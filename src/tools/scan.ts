/**
 * What a parser of calls reads: an answer, one symbol after the other, as it comes. Parsers are generators that stop where a symbol
 * is missing, so what they find cannot depend on where pieces break, and nothing is read twice.
 */

/** A UTF-16 unit, the name of a control token (always longer), or "" behind the last. */
export type Sign = string;
/** Stops at each symbol that has not come yet. */
export type Reading<Result = void> = Generator<void, Result, Sign>;

/** What was taken for a call is none: it is text. */
export class NoCall extends Error {}

export const END = "";

export class Scan {
  /** Text that was read and may belong to a call. Control tokens have no text. */
  held = "";
  /** A call may begin here without a mark: at the beginning, behind a mark, behind a call. */
  open = true;
  /** Nothing but white space came since a call. */
  behindCall = false;
  /** What was read must be a call: if it is none, somebody is told. */
  claimed = false;
  /** Symbols that were taken. */
  taken = 0;
  #ahead: Sign | undefined;

  /** What was read belongs to a call. */
  afterCall(): void {
    this.held = "";
    this.open = true;
    this.behindCall = true;
    this.claimed = false;
  }

  /** What was read is text. */
  release(): string {
    const text = this.held;
    this.held = "";
    this.claimed = false;
    if (/[^ \n\t\r]/.test(text)) {
      this.open = false;
      this.behindCall = false;
    }
    return text;
  }

  /** The next symbol, which stays. */
  *peek(): Reading<Sign> {
    this.#ahead ??= yield;
    return this.#ahead;
  }

  *take(): Reading<Sign> {
    const sign = yield* this.peek();
    if (sign === END) throw new NoCall("the answer ends within it");
    this.#ahead = undefined;
    this.taken++;
    if (sign.length === 1) this.held += sign;
    return sign;
  }

  *skipSpace(): Reading {
    while (isSpace(yield* this.peek())) yield* this.take();
  }

  *expect(...signs: readonly string[]): Reading<string> {
    const sign = yield* this.peek();
    if (!signs.includes(sign)) throw unexpected(sign, signs.join(" or "));
    return yield* this.take();
  }

  /** One of these words, to the unit; none is the beginning of another. */
  *word(words: readonly string[]): Reading<string> {
    let left = words;
    for (let length = 1; ; length++) {
      const sign = yield* this.peek();
      left = left.filter((word) => word[length - 1] === sign);
      if (left.length === 0) throw unexpected(sign, words.join(" or "));
      yield* this.take();
      const whole = left.find((word) => word.length === length);
      if (whole !== undefined) return whole;
    }
  }

  /** One of these marks, as a control token or as text that spells it; null where something else stands, of which a part may be held. */
  *mark(marks: readonly string[]): Reading<string | null> {
    const sign = yield* this.peek();
    if (sign.length > 1) return marks.includes(sign) ? yield* this.take() : null;
    if (!marks.some((mark) => mark[0] === sign)) return null;
    try {
      return yield* this.word(marks);
    } catch (error) {
      if (error instanceof NoCall) return null;
      throw error;
    }
  }
}

export const isSpace = (sign: Sign): boolean => sign === " " || sign === "\n" || sign === "\t" || sign === "\r";

export function unexpected(sign: Sign, wanted: string): NoCall {
  return new NoCall(
    sign === END ? "the answer ends within it" : `${JSON.stringify(sign)} stands where ${wanted} should`,
  );
}
