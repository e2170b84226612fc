/** Jinja text -> tokens, each with its place in the source. Linear: nothing is scanned twice. */
import type { EngineError } from "../../error.ts";
import { TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { normal } from "./numbers.ts";
import { readString } from "./string-literal.ts";
import { syntaxError } from "./syntax-error.ts";
import { endOfText, isSpace, SPACES } from "./whitespace.ts";

const OPERATORS = ["**", "//", "==", "!=", ">=", "<=", ..."+-/*%~[](){}><=.:|,;"] as const;
/** An operator's type is its own text. */
export type TokenType = "data" | "name" | "string" | "integer" | "float" | "{%" | "%}" | "{{" | "}}" | "end" | string;

export interface Token {
  readonly type: TokenType;
  /** Text of data, name or string. */
  readonly value: string;
  /** Of an integer or a float. */
  readonly number?: number | bigint;
  readonly offset: number;
}

const NAME = /[\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}\u00b7\u0387\u1369-\u1371\u19da]+/uy;
const IDENTIFIER = /^[\p{XID_Start}_]\p{XID_Continue}*$/u;
const FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const RAW = new RegExp(`\\{%[-+]?[${SPACES}]*raw[${SPACES}]*(-%\\}[${SPACES}]*|%\\})`, "y");
const END_RAW = new RegExp(`\\{%([-+]?)[${SPACES}]*endraw[${SPACES}]*(?:\\+%\\}|-%\\}[${SPACES}]*|%\\}\\n?)`, "g");
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

export function lex(source: string): Token[] {
  return new Lexer(source).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  /** Whether what was read last ended a line. */
  #lineStarts = true;

  constructor(source: string) {
    // Jinja drops one newline at the end.
    this.#source = source.endsWith("\n") ? source.slice(0, -1) : source;
  }

  run(): Token[] {
    const source = this.#source;
    while (this.#at < source.length) {
      const open = this.#nextTag();
      if (open < 0) {
        this.#text(source.length, "+");
        break;
      }
      RAW.lastIndex = open;
      const raw = RAW.exec(source);
      const sign = source[open + 2];
      const signed = sign === "-" || sign === "+";
      this.#text(open, signed ? sign : source[open + 1] === "{" ? "+" : "");
      if (raw) this.#raw(open, open + raw[0].length);
      else {
        this.#at = open + (signed ? 3 : 2);
        if (source[open + 1] === "#") this.#comment(open);
        else this.#code(open);
      }
    }
    this.#push("end", "", source.length);
    return this.#tokens;
  }

  #push(type: TokenType, value: string, offset: number, number?: number | bigint): void {
    this.#tokens.push({ type, value, offset, number });
    if (this.#tokens.length > TEMPLATE_LIMITS.tokens) {
      const limit = `at most ${TEMPLATE_LIMITS.tokens}`;
      throw templateFault("TPL_SIZE", "the template has too many words", undefined, limit);
    }
  }

  #nextTag(): number {
    let open = this.#source.indexOf("{", this.#at);
    while (open >= 0 && !"{%#".includes(this.#source[open + 1] || " ")) open = this.#source.indexOf("{", open + 1);
    return open;
  }

  /** Text up to a tag, less the space that the tag strips in front of it. */
  #text(end: number, sign: string): void {
    const start = this.#at;
    const text = this.#source.slice(start, end);
    let stop = text.length;
    if (sign === "-") stop = endOfText(text);
    else if (sign === "") {
      // lstrip_blocks: blanks between a line's start and a block go.
      const line = text.lastIndexOf("\n") + 1;
      let at = stop;
      while (at > line && isSpace(text[at - 1])) at--;
      if (at === line && (line > 0 || this.#lineStarts)) stop = line;
    }
    if (stop > 0) this.#push("data", text.slice(0, stop), start);
    this.#at = end;
  }

  #comment(open: number): void {
    const close = this.#source.indexOf("#}", this.#at);
    // As in Jinja, a comment of which nothing is there but its start is none.
    if (this.#at >= this.#source.length) return;
    if (close < 0) throw syntaxError(this.#source, open, "unterminated comment");
    const sign = close > this.#at ? this.#source[close - 1] : "";
    this.#endTag(close + 2, sign, true);
  }

  #endTag(end: number, sign: string, block: boolean): void {
    const source = this.#source;
    this.#at = end;
    if (sign === "-") while (this.#at < source.length && isSpace(source[this.#at])) this.#at++;
    else if (block && sign !== "+" && source[this.#at] === "\n") this.#at++; // trim_blocks
    this.#lineStarts = source[this.#at - 1] === "\n";
  }

  /** `{% raw %}`: text up to the tag that ends it, whatever it looks like. */
  #raw(open: number, start: number): void {
    this.#at = start;
    this.#lineStarts = this.#source[start - 1] === "\n";
    if (start >= this.#source.length) return;
    END_RAW.lastIndex = start;
    const found = END_RAW.exec(this.#source);
    if (!found) throw syntaxError(this.#source, open, "unterminated raw");
    this.#text(found.index, found[1]);
    this.#at = found.index + found[0].length;
    this.#lineStarts = this.#source[this.#at - 1] === "\n";
  }

  #code(open: number): void {
    const source = this.#source;
    const block = source[open + 1] === "%";
    const close = block ? "%}" : "}}";
    this.#push(block ? "{%" : "{{", "", open);
    const brackets: string[] = [];
    while (true) {
      while (this.#at < source.length && isSpace(source[this.#at])) this.#at++;
      if (this.#at >= source.length) throw syntaxError(source, open, `unterminated ${block ? "{%" : "{{"}`);
      if (brackets.length === 0) {
        const sign = source[this.#at];
        const signed = (sign === "-" || (block && sign === "+")) && source.startsWith(close, this.#at + 1);
        if (signed || source.startsWith(close, this.#at)) {
          this.#push(close, "", this.#at);
          this.#endTag(this.#at + (signed ? 3 : 2), signed ? sign : "", block);
          return;
        }
      }
      this.#item(brackets);
    }
  }

  /** One token inside a tag. */
  #item(brackets: string[]): void {
    const source = this.#source;
    const start = this.#at;
    const char = source[start];
    const decimal = char >= "0" && char <= "9";
    const float = decimal && source[start - 1] !== "." ? this.#match(FLOAT) : undefined;
    if (float !== undefined) {
      this.#push("float", float, start, Number(float.replaceAll("_", "")));
      return;
    }
    const integer = decimal ? this.#match(INTEGER) : undefined;
    if (integer !== undefined) {
      this.#push("integer", integer, start, wholeNumber(integer));
      return;
    }
    if (char === "'" || char === '"') {
      const { text, end } = readString(source, start);
      this.#push("string", text, start);
      this.#at = end;
      return;
    }
    const name = this.#match(NAME);
    if (name !== undefined) {
      if (!IDENTIFIER.test(name)) throw syntaxError(source, start, "not a name");
      this.#push("name", name, start);
      return;
    }
    const operator = OPERATORS.find((text) => source.startsWith(text, start));
    if (operator === undefined) throw syntaxError(source, start, "unexpected character");
    if (operator in CLOSING) {
      brackets.push(CLOSING[operator]);
      if (brackets.length > TEMPLATE_LIMITS.depth) throw tooDeep();
    } else if (operator === ")" || operator === "]" || operator === "}") {
      if (brackets.pop() !== operator) throw syntaxError(source, start, `unexpected ${operator}`);
    }
    this.#push(operator, "", start);
    this.#at += operator.length;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

export function tooDeep(): EngineError {
  return templateFault("TPL_DEPTH", "the template nests too deep", undefined, `at most ${TEMPLATE_LIMITS.depth}`);
}

/** As Python, no more digits than can be printed. */
function wholeNumber(text: string): number | bigint {
  const digits = text.replaceAll("_", "");
  if (digits.length > TEMPLATE_LIMITS.digits) {
    throw templateFault(
      "TPL_VALUE",
      "an integer of too many digits",
      digits.length,
      `at most ${TEMPLATE_LIMITS.digits}`,
    );
  }
  return normal(BigInt(digits));
}
