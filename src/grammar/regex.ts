import { EngineError } from "../error.ts";
import { type CodePoints, complement, covers, PLAIN, union, utf8 } from "./code-points.ts";
import { choiceOf, EMPTY, type Fragment, repeat, sequence, sequenceOf } from "./fragment.ts";

/**
 * Patterns: the part of ECMAScript's (flag u) that a finite automaton decides. Classes, groups, alternatives, repeats, and `^`, `$` at
 * the ends of the whole; no lookaround, no reference to a group, no `\b`.
 */

export interface PatternRules {
  /** How one code point of a set is written; default UTF-8. */
  readonly write?: (set: CodePoints) => Fragment;
  /** false: the pattern is looked for anywhere, as JSON Schema does, so that `^` and `$` mean something. Default: the whole text. */
  readonly whole?: boolean;
  /** What stands around a pattern that has no anchor there. */
  readonly around?: Fragment;
  /** For messages. */
  readonly field: string;
}

const DEPTH = 200;
export const MOST_UNITS = 65_536;
const MOST_REPEATS = 1_000_000_000;

const DIGIT: CodePoints = [[0x30, 0x39]];
const WORD: CodePoints = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACES: CodePoints = [
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: CodePoints = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];
const CLASSES: Readonly<Record<string, CodePoints>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACES,
  S: complement(SPACES),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, "0": 0 };

export function patternFragment(pattern: string, rules: PatternRules): Fragment {
  return new Reader(pattern, rules).read();
}

class Reader {
  readonly #chars: readonly string[];
  readonly #rules: PatternRules;
  readonly #write: (set: CodePoints) => Fragment;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, rules: PatternRules) {
    this.#rules = rules;
    this.#write = rules.write ?? utf8;
    if (pattern.length > MOST_UNITS) {
      throw new EngineError("GRAMMAR_LIMIT", "the pattern is too long", {
        at: { source: "option", field: rules.field },
        actual: pattern.length,
        limit: `at most ${MOST_UNITS} units`,
      });
    }
    this.#chars = [...pattern];
  }

  read(): Fragment {
    const { whole = true, around = EMPTY } = this.#rules;
    const parts: Fragment[] = [];
    do {
      // Anchors belong to the alternatives of the whole: `^a|b$`.
      const start = this.#take("^");
      const body = this.#sequence();
      const end = this.#take("$");
      if (end && this.#at < this.#chars.length && this.#peek() !== "|") throw this.#unsupported("$ inside a pattern");
      parts.push(whole ? body : sequence(start ? EMPTY : around, body, end ? EMPTY : around));
    } while (this.#take("|"));
    if (this.#at < this.#chars.length) throw this.#syntax("a ) without (");
    return choiceOf(parts);
  }

  #alternatives(): Fragment {
    const parts = [this.#sequence()];
    while (this.#take("|")) parts.push(this.#sequence());
    return choiceOf(parts);
  }

  #sequence(): Fragment {
    const parts: Fragment[] = [];
    for (let char = this.#peek(); char !== undefined && char !== "|" && char !== ")"; char = this.#peek()) {
      if (char === "$" && this.#depth === 0) break;
      parts.push(this.#repeated());
    }
    return parts.length === 0 ? EMPTY : sequenceOf(parts);
  }

  #repeated(): Fragment {
    const set: { points?: CodePoints } = {};
    const body = this.#atom(set);
    const bounds = this.#bounds();
    if (!bounds) return body;
    this.#take("?"); // Lazy or not: the same texts.
    if (this.#bounds()) throw this.#syntax("nothing to repeat");
    const text = this.#rules.write === undefined && set.points !== undefined && covers(set.points, PLAIN);
    return repeat(body, bounds[0], bounds[1], text);
  }

  #bounds(): readonly [number, number] | null {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    if (!this.#take("{")) return null;
    const min = this.#number();
    const max = this.#take(",") ? (this.#peek() === "}" ? Number.POSITIVE_INFINITY : this.#number()) : min;
    if (!this.#take("}")) throw this.#syntax("a repeat without }");
    if (max < min) throw this.#syntax("a repeat whose bounds are out of order");
    return [min, max];
  }

  #number(): number {
    let digits = "";
    while (/^[0-9]$/.test(this.#peek() ?? "")) digits += this.#chars[this.#at++];
    if (digits === "") throw this.#syntax("a repeat without a number");
    const value = Number(digits);
    if (value > MOST_REPEATS) throw this.#syntax("a repeat of too many times");
    return value;
  }

  #atom(set: { points?: CodePoints }): Fragment {
    const char = this.#chars[this.#at++];
    switch (char) {
      case "(":
        return this.#group();
      case ".":
        set.points = complement(LINE_ENDS);
        return this.#write(set.points);
      case "[":
        set.points = this.#set();
        return this.#write(set.points);
      case "\\":
        set.points = this.#escape(false);
        return this.#write(set.points);
      case "^":
      case "$":
        throw this.#unsupported(`${char} inside a pattern`);
      case "*":
      case "+":
      case "?":
      case "{":
        throw this.#syntax("nothing to repeat");
      case "]":
      case "}":
        throw this.#syntax(`a ${char} alone`);
      default: {
        const point = char.codePointAt(0)!;
        return this.#write([[point, point]]);
      }
    }
  }

  #group(): Fragment {
    if (this.#take("?")) {
      if (this.#take("<")) {
        const kind = this.#peek();
        if (kind === "=" || kind === "!") throw this.#unsupported("lookbehind");
        while (this.#peek() !== undefined && this.#peek() !== ">") this.#at++;
        if (!this.#take(">")) throw this.#syntax("a group whose name does not end");
      } else if (!this.#take(":")) {
        throw this.#unsupported(/^[=!]$/.test(this.#peek() ?? "") ? "lookahead" : "this kind of group");
      }
    }
    if (++this.#depth > DEPTH) {
      throw new EngineError("GRAMMAR_LIMIT", "the pattern nests too deep", {
        at: { source: "option", field: this.#rules.field },
        limit: `at most ${DEPTH} groups`,
      });
    }
    const body = this.#alternatives();
    if (!this.#take(")")) throw this.#syntax("a ( without )");
    this.#depth--;
    return body;
  }

  #set(): CodePoints {
    const negated = this.#take("^");
    const parts: CodePoints[] = [];
    for (;;) {
      const char = this.#peek();
      if (char === undefined) throw this.#syntax("a [ without ]");
      if (this.#take("]")) break;
      const first = this.#member();
      if (this.#peek() === "-" && this.#chars[this.#at + 1] !== "]" && this.#chars[this.#at + 1] !== undefined) {
        this.#at++;
        const last = this.#member();
        if (!isPoint(first) || !isPoint(last) || last[0][0] < first[0][0]) throw this.#syntax("a range out of order");
        parts.push([[first[0][0], last[0][0]]]);
      } else parts.push(first);
    }
    const set = union(...parts);
    return negated ? complement(set) : set;
  }

  #member(): CodePoints {
    const char = this.#chars[this.#at++];
    if (char === "\\") return this.#escape(true);
    const point = char.codePointAt(0)!;
    return [[point, point]];
  }

  #escape(inSet: boolean): CodePoints {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#syntax("a \\ at the end");
    if (char in CLASSES && Object.hasOwn(CLASSES, char)) return CLASSES[char];
    if (char === "0" && /^[0-9]$/.test(this.#peek() ?? "")) throw this.#syntax("an octal escape");
    if (Object.hasOwn(CONTROLS, char)) return [[CONTROLS[char], CONTROLS[char]]];
    if (char === "b" && inSet) return [[8, 8]];
    if (char === "x") return this.#hex(2);
    if (char === "u") return this.#take("{") ? this.#braced() : this.#unit();
    if (/^[1-9k]$/.test(char)) throw this.#unsupported("a reference to a group");
    if (/^[bB]$/.test(char)) throw this.#unsupported("word boundaries");
    if (/^[pP]$/.test(char)) throw this.#unsupported("Unicode properties");
    if (/^[A-Za-z]$/.test(char)) throw this.#syntax(`an escape that is none, \\${char}`);
    const point = char.codePointAt(0)!;
    return [[point, point]];
  }

  #unit(): CodePoints {
    const first = this.#hex(4)[0][0];
    if (first < 0xd800 || first > 0xdbff || this.#peek() !== "\\" || this.#chars[this.#at + 1] !== "u")
      return [[first, first]];
    this.#at += 2;
    const second = this.#hex(4)[0][0];
    if (second < 0xdc00 || second > 0xdfff) throw this.#syntax("half a surrogate pair");
    const point = 0x10000 + (first - 0xd800) * 0x400 + (second - 0xdc00);
    return [[point, point]];
  }

  #braced(): CodePoints {
    let digits = "";
    while (this.#peek() !== undefined && this.#peek() !== "}") digits += this.#chars[this.#at++];
    const point = Number.parseInt(digits, 16);
    if (!/^[0-9A-Fa-f]{1,8}$/.test(digits) || !this.#take("}") || point > 0x10ffff)
      throw this.#syntax("a code point that is none");
    return [[point, point]];
  }

  #hex(length: number): CodePoints {
    const digits = this.#chars.slice(this.#at, this.#at + length).join("");
    if (digits.length !== length || !/^[0-9A-Fa-f]+$/.test(digits)) throw this.#syntax("too few hex digits");
    this.#at += length;
    const point = Number.parseInt(digits, 16);
    return [[point, point]];
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #syntax(what: string): EngineError {
    return new EngineError("GRAMMAR_SYNTAX", `the pattern is not well-formed: ${what}`, {
      at: { source: "option", field: this.#rules.field, offset: this.#at },
    });
  }

  #unsupported(what: string): EngineError {
    return new EngineError("GRAMMAR_UNSUPPORTED", `patterns are not read with ${what}`, {
      at: { source: "option", field: this.#rules.field, offset: this.#at },
      limit: "classes, groups, alternatives, repeats, ^ and $ at the ends",
    });
  }
}

const isPoint = (set: CodePoints) => set.length === 1 && set[0][0] === set[0][1];
