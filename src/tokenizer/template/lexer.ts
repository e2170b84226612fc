/**
 * Jinja text -> the tokens that @huggingface/jinja's parser reads, each with its place in the source.
 * The library's own lexer keeps no places and takes quadratic time over long runs of spaces.
 */
import { EngineError } from "../../error.ts";
import { TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { endOfText, isSpace } from "./strings.ts";

/** The library's token types that we make; its own declarations do not resolve under `nodenext`. */
type TokenType =
  | "Text"
  | "NumericLiteral"
  | "StringLiteral"
  | "Identifier"
  | "Equals"
  | "OpenParen"
  | "CloseParen"
  | "OpenStatement"
  | "CloseStatement"
  | "OpenExpression"
  | "CloseExpression"
  | "OpenSquareBracket"
  | "CloseSquareBracket"
  | "OpenCurlyBracket"
  | "CloseCurlyBracket"
  | "Comma"
  | "Dot"
  | "Colon"
  | "Pipe"
  | "AdditiveBinaryOperator"
  | "MultiplicativeBinaryOperator"
  | "ExponentiationBinaryOperator"
  | "ComparisonBinaryOperator"
  | "UnaryOperator";

export interface Token {
  readonly value: string;
  readonly type: TokenType;
  readonly offset: number;
}

const OPERATORS: readonly [string, TokenType][] = [
  ["(", "OpenParen"],
  [")", "CloseParen"],
  ["{", "OpenCurlyBracket"],
  ["}", "CloseCurlyBracket"],
  ["[", "OpenSquareBracket"],
  ["]", "CloseSquareBracket"],
  [",", "Comma"],
  [".", "Dot"],
  [":", "Colon"],
  ["|", "Pipe"],
  ["<=", "ComparisonBinaryOperator"],
  [">=", "ComparisonBinaryOperator"],
  ["==", "ComparisonBinaryOperator"],
  ["!=", "ComparisonBinaryOperator"],
  ["<", "ComparisonBinaryOperator"],
  [">", "ComparisonBinaryOperator"],
  ["+", "AdditiveBinaryOperator"],
  ["-", "AdditiveBinaryOperator"],
  ["~", "AdditiveBinaryOperator"],
  ["**", "ExponentiationBinaryOperator"],
  ["*", "MultiplicativeBinaryOperator"],
  ["//", "MultiplicativeBinaryOperator"],
  ["/", "MultiplicativeBinaryOperator"],
  ["%", "MultiplicativeBinaryOperator"],
  ["=", "Equals"],
];

/** After these a sign is a binary operator. */
const VALUE_ENDS = new Set<string>([
  "Identifier",
  "NumericLiteral",
  "StringLiteral",
  "CloseParen",
  "CloseSquareBracket",
]);
const ESCAPES: Record<string, string> = {
  ...{ n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", a: "\x07", "0": "\0" },
  ...{ "'": "'", '"': '"', "\\": "\\", "\n": "" },
};

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|([^xU]))/suy;

const NAME = /\w+/y;
const BLANK = /\s/;
const NUMBER = /[-+]?\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][-+]?\d+(?:_\d+)*)?/y;
/** The parser tells a float by its point, and knows no underscores. */
const plainNumber = (text: string): string => text.replaceAll("_", "").replace(/^([-+]?\d+)(?=[eE])/, "$1.0");

export function place(source: string, offset: number): string {
  const before = source.slice(0, offset);
  return `${before.split("\n").length}:${offset - before.lastIndexOf("\n")}`;
}

export function syntaxError(source: string, offset: number, what: string): EngineError {
  return new EngineError("TPL_SYNTAX", `${what} at ${place(source, offset)}`, {
    at: { source: "template", field: place(source, offset), offset },
  });
}

export function lex(source: string): Token[] {
  return new Lexer(source).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(source: string) {
    // Jinja drops one newline at the end.
    this.#source = source.endsWith("\n") ? source.slice(0, -1) : source;
  }

  run(): Token[] {
    while (this.#at < this.#source.length) {
      this.#text();
      if (this.#at >= this.#source.length) break;
      const open = this.#source.slice(this.#at, this.#at + 2);
      if (open === "{#") this.#comment();
      else this.#code(open);
    }
    return this.#tokens;
  }

  #push(value: string, type: TokenType, offset: number): void {
    this.#tokens.push({ value, type, offset });
    if (this.#tokens.length > TEMPLATE_LIMITS.tokens)
      throw templateFault(
        "TPL_SIZE",
        "the template has too many words",
        undefined,
        `at most ${TEMPLATE_LIMITS.tokens}`,
      );
  }

  /** Text up to the next tag, less the space that tags strip on either side. */
  #text(): void {
    const source = this.#source;
    const start = this.#at;
    let open = source.indexOf("{", start);
    while (open >= 0 && !"{%#".includes(source[open + 1] || " ")) open = source.indexOf("{", open + 1);
    const end = open < 0 ? source.length : open;
    this.#at = end;
    let stop = end;
    const sign = open < 0 ? "" : source[open + 2];
    if (sign === "-") stop = start + endOfText(source.slice(start, end));
    else if (open >= 0 && sign !== "+" && source[open + 1] !== "{") stop = this.#lineStart(start, end);
    if (stop > start) this.#push(source.slice(start, stop), "Text", start);
  }

  /** lstrip_blocks: blanks between a line's start and a block go. */
  #lineStart(start: number, end: number): number {
    let at = end;
    while (at > start && (this.#source[at - 1] === " " || this.#source[at - 1] === "\t")) at--;
    return at === 0 || this.#source[at - 1] === "\n" ? at : end;
  }

  #afterTag(stripped: boolean, block: boolean): void {
    const source = this.#source;
    if (stripped) while (this.#at < source.length && isSpace(source[this.#at])) this.#at++;
    else if (block && source[this.#at] === "\n") this.#at++; // trim_blocks
  }

  #comment(): void {
    const close = this.#source.indexOf("#}", this.#at + 2);
    if (close < 0) throw syntaxError(this.#source, this.#at, "unterminated comment");
    const sign = close - 1 >= this.#at + 2 ? this.#source[close - 1] : "";
    this.#at = close + 2;
    this.#afterTag(sign === "-", sign !== "+");
  }

  #code(open: string): void {
    const source = this.#source;
    const start = this.#at;
    const block = open === "{%";
    const close = block ? "%}" : "}}";
    const first = this.#tokens.length;
    this.#push(open, block ? "OpenStatement" : "OpenExpression", start);
    this.#at += source[start + 2] === "-" || (block && source[start + 2] === "+") ? 3 : 2;
    let braces = 0;
    while (true) {
      while (this.#at < source.length && BLANK.test(source[this.#at])) this.#at++;
      if (this.#at >= source.length) throw syntaxError(source, start, `unterminated ${open}`);
      const stripped = source.startsWith(`-${close}`, this.#at);
      const kept = block && source.startsWith(`+${close}`, this.#at);
      if (braces === 0 && (stripped || kept || source.startsWith(close, this.#at))) {
        this.#push(close, block ? "CloseStatement" : "CloseExpression", this.#at);
        this.#at += stripped || kept ? 3 : 2;
        // transformers marks the assistant's words with {% generation %}: nothing to render.
        const word = this.#tokens[first + 1];
        if (block && this.#tokens.length === first + 3 && /^(end)?generation$/.test(word.value))
          this.#tokens.length = first;
        this.#afterTag(stripped, block && !kept);
        if (block && this.#tokens.length === first + 3 && word.value === "raw") this.#raw(first);
        return;
      }
      if (source[this.#at] === "{") braces++;
      else if (source[this.#at] === "}") braces--;
      this.#item();
    }
  }

  /** `{% raw %}`: text up to the tag that ends it, whatever it looks like. */
  #raw(first: number): void {
    const [source, start] = [this.#source, this.#at];
    const { offset } = this.#tokens[first];
    this.#tokens.length = first;
    const end = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;
    end.lastIndex = start;
    const found = end.exec(source);
    if (!found) throw syntaxError(source, offset, "unterminated raw");
    let stop = found.index;
    if (found[1] === "-") stop = start + endOfText(source.slice(start, stop));
    else if (found[1] === "") stop = this.#lineStart(start, stop);
    if (stop > start) this.#push(source.slice(start, stop), "Text", start);
    this.#at = found.index + found[0].length;
    this.#afterTag(found[2] === "-", found[2] === "");
  }

  /** One token inside a tag. */
  #item(): void {
    const source = this.#source;
    const start = this.#at;
    const char = source[start];
    if (char === "'" || char === '"') {
      this.#string(char);
      return;
    }
    const previous = this.#tokens[this.#tokens.length - 1].type;
    const sign = (char === "-" || char === "+") && !VALUE_ENDS.has(previous);
    const digits = /\d/.test(char) || sign ? this.#match(NUMBER) : undefined;
    const name = this.#match(NAME);
    if (digits !== undefined) {
      const text = previous === "Dot" ? digits.split(".")[0] : digits;
      this.#push(plainNumber(text), "NumericLiteral", start);
      this.#at += text.length;
    } else if (sign) this.#take(char, "UnaryOperator");
    else if (name !== undefined) this.#take(name, "Identifier");
    else {
      const operator = OPERATORS.find(([text]) => source.startsWith(text, start));
      if (!operator) throw syntaxError(source, start, "unexpected character");
      this.#take(operator[0], operator[1]);
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source)?.[0];
  }

  #take(value: string, type: TokenType): void {
    this.#push(value, type, this.#at);
    this.#at += value.length;
  }

  #string(quote: string): void {
    const source = this.#source;
    const start = this.#at;
    const parts: string[] = [];
    let at = start + 1;
    let from = at;
    for (; source[at] !== quote; at++) {
      if (at >= source.length) throw syntaxError(source, start, "unterminated string");
      if (source[at] !== "\\") continue;
      parts.push(source.slice(from, at));
      ESCAPE.lastIndex = at;
      const found = ESCAPE.exec(source);
      if (!found) throw syntaxError(source, at, "bad escape");
      const [all, two, four, eight, kind] = found;
      const hex = two ?? four ?? eight;
      // As in Python, what is no escape stays as it is, and a newline after a backslash goes.
      if (hex !== undefined) parts.push(String.fromCodePoint(Number.parseInt(hex, 16)));
      else if (kind === "u") throw syntaxError(source, at, "bad escape");
      else parts.push(ESCAPES[kind] ?? all);
      from = at + all.length;
      at = from - 1;
    }
    parts.push(source.slice(from, at));
    this.#at = at + 1;
    this.#push(parts.join(""), "StringLiteral", start);
  }
}
