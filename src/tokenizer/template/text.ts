/** Strings that know where each of their characters came from. */
import { type Budget, TEMPLATE_LIMITS } from "./budget.ts";
import type { Mapping } from "./values.ts";

/**
 * A string that knows which of its characters came from the caller: `marks` = [start, end, ...], ascending, disjoint.
 * Only the other characters, the template's own, may form control tokens.
 */
export class Text {
  readonly text: string;
  readonly marks: readonly number[];

  constructor(text: string, marks: readonly number[] = []) {
    this.text = text;
    this.marks = marks;
  }

  static foreign(text: string): Text {
    return new Text(text, text === "" ? [] : [0, text.length]);
  }

  /** The same kind of string: what is safe for HTML stays so. */
  like(text: string, marks: readonly number[]): Text {
    return new Text(text, marks);
  }

  slice(start: number, end: number): Text {
    const marks: number[] = [];
    // The first range that ends behind the start.
    let low = 0;
    for (let high = this.marks.length / 2; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.marks[2 * middle + 1] <= start) low = middle + 1;
      else high = middle;
    }
    for (let i = 2 * low; i < this.marks.length && this.marks[i] < end; i += 2) {
      const from = Math.max(this.marks[i], start);
      const to = Math.min(this.marks[i + 1], end);
      if (from < to) marks.push(from - start, to - start);
    }
    return this.like(this.text.slice(start, end), marks);
  }

  /** The same characters changed one way or another: all foreign if any was. */
  changed(text: string): Text {
    return this.like(text, this.marks.length > 0 && text !== "" ? [0, text.length] : []);
  }
}

/** What `|safe` and `|escape` make: in lists it prints with its name, and it escapes what is joined to it. */
export class Markup extends Text {
  override like(text: string, marks: readonly number[]): Text {
    return new Markup(text, marks);
  }
}

/** A tool call's arguments as JSON text. Where a template wants a mapping of them, or JSON, it gets what they say. */
export class JsonText extends Text {
  readonly parsed: Mapping;

  constructor(text: string, parsed: Mapping) {
    super(text, [0, text.length]);
    this.parsed = parsed;
  }
}

/** Strings appended one after the other. */
export class TextBuilder {
  #text = "";
  readonly #marks: number[] = [];
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add({ text, marks }: Text): this {
    const base = this.#text.length;
    this.#budget.spend(2 + marks.length);
    this.#text += text;
    if (this.#text.length > TEMPLATE_LIMITS.output) this.#budget.text(this.#text.length);
    for (let i = 0; i < marks.length; i += 2) {
      if (this.#marks[this.#marks.length - 1] === base + marks[i]) this.#marks.pop();
      else this.#marks.push(base + marks[i]);
      this.#marks.push(base + marks[i + 1]);
    }
    return this;
  }

  /** The template's own characters. */
  own(text: string): this {
    this.#budget.spend(2);
    this.#text += text;
    if (this.#text.length > TEMPLATE_LIMITS.output) this.#budget.text(this.#text.length);
    return this;
  }

  done(like?: Text): Text {
    return like ? like.like(this.#text, this.#marks) : new Text(this.#text, this.#marks);
  }
}
