import { EngineError } from "../error.ts";
import { type CodePoints, complement, covers, PLAIN, union, utf8 } from "./code-points.ts";
import {
  call,
  choiceOf,
  EMPTY,
  type Fragment,
  literal,
  type Range,
  type Rule,
  repeat,
  rule,
  sequenceOf,
} from "./fragment.ts";

/** Grammars as llama.cpp writes them (grammars/README.md there): rules of literals, classes, groups and repeats; `root` is the text. */

const DEPTH = 200;
const MOST_UNITS = 2 ** 20;
const FIELD = "responseFormat.gbnf";
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9 };

export function gbnfFragment(text: string): Fragment {
  return new Reader(text).read();
}

class Reader {
  readonly #text: string;
  readonly #rules = new Map<string, Rule>();
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    if (text.length > MOST_UNITS) {
      throw new EngineError("GRAMMAR_LIMIT", "the grammar is too long", {
        at: { source: "option", field: FIELD },
        actual: text.length,
        limit: `at most ${MOST_UNITS} units`,
      });
    }
    this.#text = text;
  }

  read(): Fragment {
    this.#space(true);
    while (this.#at < this.#text.length) {
      const name = this.#name();
      this.#space(false);
      if (!this.#take("::=")) throw this.#syntax(`no ::= behind the name of a rule`);
      this.#space(true);
      const made = this.#rule(name);
      if (made.body) throw this.#syntax(`a second rule ${name}`);
      made.body = this.#alternatives();
      this.#space(true);
    }
    for (const { name, body } of this.#rules.values()) if (!body) throw this.#syntax(`no rule ${name}`);
    const root = this.#rules.get("root");
    if (!root) throw this.#syntax("no rule root");
    return call(root);
  }

  #rule(name: string): Rule {
    let made = this.#rules.get(name);
    if (!made) {
      made = rule(name);
      this.#rules.set(name, made);
    }
    return made;
  }

  #alternatives(): Fragment {
    const parts = [this.#sequence()];
    for (;;) {
      this.#space(this.#depth > 0);
      const back = this.#at;
      // An alternative may go on in the next line, where that begins with the bar.
      this.#space(true);
      if (!this.#take("|")) {
        this.#at = back;
        return choiceOf(parts);
      }
      this.#space(true);
      parts.push(this.#sequence());
    }
  }

  #sequence(): Fragment {
    const parts: Fragment[] = [];
    for (;;) {
      const item = this.#item();
      if (!item) return parts.length === 0 ? EMPTY : sequenceOf(parts);
      parts.push(this.#repeated(item));
      this.#space(this.#depth > 0);
    }
  }

  #item(): { body: Fragment; points?: CodePoints } | null {
    const char = this.#text[this.#at];
    if (char === '"') return { body: this.#literal() };
    if (char === "[") return this.#class();
    if (char === ".") {
      this.#at++;
      const points: CodePoints = complement([]);
      return { body: utf8(points), points };
    }
    if (char === "(") {
      this.#at++;
      if (++this.#depth > DEPTH) {
        throw new EngineError("GRAMMAR_LIMIT", "the grammar nests too deep", {
          at: { source: "option", field: FIELD },
          limit: `at most ${DEPTH} groups`,
        });
      }
      this.#space(true);
      const body = this.#alternatives();
      this.#space(true);
      if (!this.#take(")")) throw this.#syntax("a ( without )");
      this.#depth--;
      return { body };
    }
    if (char === undefined || !/[A-Za-z0-9-]/.test(char)) return null;
    const back = this.#at;
    const name = this.#name();
    // The next rule begins in this line: what belongs to a rule ends where another does.
    const after = this.#at;
    this.#space(false);
    const begins = this.#text.startsWith("::=", this.#at);
    this.#at = begins ? back : after;
    if (begins) return null;
    return { body: call(this.#rule(name)) };
  }

  #repeated({ body, points }: { body: Fragment; points?: CodePoints }): Fragment {
    let repeated = body;
    for (let text = points !== undefined && covers(points, PLAIN); ; text = false) {
      if (this.#take("*")) repeated = repeat(repeated, 0, Number.POSITIVE_INFINITY, text);
      else if (this.#take("+")) repeated = repeat(repeated, 1, Number.POSITIVE_INFINITY, text);
      else if (this.#take("?")) repeated = repeat(repeated, 0, 1, text);
      else if (this.#take("{")) {
        const bounds = /^\s*(\d{1,9})\s*(,)?\s*(\d{1,9})?\s*\}/.exec(this.#text.slice(this.#at, this.#at + 64));
        if (!bounds || (bounds[3] !== undefined && bounds[2] === undefined)) throw this.#syntax("a repeat of no form");
        this.#at += bounds[0].length;
        const min = Number(bounds[1]);
        const max =
          bounds[2] === undefined ? min : bounds[3] === undefined ? Number.POSITIVE_INFINITY : Number(bounds[3]);
        if (max < min) throw this.#syntax("a repeat whose bounds are out of order");
        repeated = repeat(repeated, min, max, text);
      } else return repeated;
    }
  }

  #literal(): Fragment {
    this.#at++;
    let text = "";
    while (this.#text[this.#at] !== '"') text += String.fromCodePoint(this.#char());
    this.#at++;
    if (/\p{Cs}/u.test(text)) throw this.#syntax("half a surrogate pair");
    return literal(text);
  }

  #class(): { body: Fragment; points: CodePoints } {
    this.#at++;
    const negated = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const first = this.#char();
      let last = first;
      if (this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]") {
        this.#at++;
        last = this.#char();
        if (last < first) throw this.#syntax("a range out of order");
      }
      ranges.push([first, last]);
    }
    const points = negated ? complement(ranges) : union(ranges);
    return { body: utf8(points), points };
  }

  #char(): number {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) throw this.#syntax("a literal or class that does not end");
    this.#at += point > 0xffff ? 2 : 1;
    if (point !== 0x5c) return point;
    const char = this.#text[this.#at++];
    const digits = { x: 2, u: 4, U: 8 }[char];
    if (digits !== undefined) {
      const hex = this.#text.slice(this.#at, this.#at + digits);
      const value = Number.parseInt(hex, 16);
      if (hex.length !== digits || !/^[0-9A-Fa-f]+$/.test(hex) || value > 0x10ffff)
        throw this.#syntax("a code point that is none");
      this.#at += digits;
      return value;
    }
    if (char !== undefined && Object.hasOwn(ESCAPES, char)) return ESCAPES[char];
    if (char === undefined || !/["\\[\]^-]/.test(char)) throw this.#syntax("an escape that is none");
    return char.charCodeAt(0);
  }

  #name(): string {
    const begin = this.#at;
    while (/[A-Za-z0-9-]/.test(this.#text[this.#at] ?? "")) this.#at++;
    if (this.#at === begin) throw this.#syntax("no name of a rule");
    return this.#text.slice(begin, this.#at);
  }

  /** Spaces and comments; the ends of lines where the rule goes on anyway. */
  #space(lines: boolean): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char === " " || char === "\t" || (lines && (char === "\n" || char === "\r"))) this.#at++;
      else if (char === "#") {
        while (this.#at < this.#text.length && !/[\r\n]/.test(this.#text[this.#at])) this.#at++;
      } else return;
    }
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #syntax(what: string): EngineError {
    return new EngineError("GRAMMAR_SYNTAX", `the grammar is not well-formed: ${what}`, {
      at: { source: "option", field: FIELD, offset: this.#at },
    });
  }
}
