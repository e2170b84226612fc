/** Template text -> syntax tree, refusing at once what could not run: too large, too deep, unknown words. */
import { parse } from "@huggingface/jinja";
import { EngineError } from "../../error.ts";
import { TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { FILTER_NAMES } from "./filters.ts";
import { GLOBAL_NAMES } from "./globals.ts";
import { lex, place, syntaxError, type Token } from "./lexer.ts";
import { BINARY_TESTS, TEST_NAMES } from "./tests.ts";

/** The tree of the library's parser, whose declarations do not resolve under `nodenext`. */
export interface Program {
  readonly body: readonly unknown[];
}

const BLOCKS = new Set(["if", "for", "macro", "call", "filter"]);
const WORDS = new Set([
  "set",
  "elif",
  "else",
  "break",
  "continue",
  "endset",
  ...BLOCKS,
  ...[...BLOCKS].map((b) => `end${b}`),
]);
const OPEN = new Set(["OpenParen", "OpenSquareBracket", "OpenCurlyBracket"]);
const CLOSE = new Set(["CloseParen", "CloseSquareBracket", "CloseCurlyBracket"]);

export function compileTemplate(text: string): Program {
  if (text.length > TEMPLATE_LIMITS.source) {
    throw templateFault("TPL_SIZE", "the template is too large", text.length, `at most ${TEMPLATE_LIMITS.source}`);
  }
  const source = text.replace(/\r\n?/g, "\n");
  const tokens = lex(source);
  checkDepth(tokens);
  checkWords(source, tokens);
  return parseTokens(source, testsWithArguments(tokens));
}

function checkDepth(tokens: readonly Token[]): void {
  let depth = 0;
  for (const [i, { type, value }] of tokens.entries()) {
    if (OPEN.has(type) || (type === "Identifier" && tokens[i - 1].type === "OpenStatement" && BLOCKS.has(value)))
      depth++;
    else if (
      CLOSE.has(type) ||
      (type === "Identifier" && /^end(?!set)/.test(value) && tokens[i - 1].type === "OpenStatement")
    ) {
      depth--;
    }
    if (depth > TEMPLATE_LIMITS.depth) throw tooDeep();
  }
}

function tooDeep(): EngineError {
  return templateFault("TPL_DEPTH", "the template nests too deep", undefined, `at most ${TEMPLATE_LIMITS.depth}`);
}

/** Statements, filters, tests and functions that we do not have, by name and place. */
function checkWords(source: string, tokens: readonly Token[]): void {
  const refuse = (what: string, { value, offset }: Token): never => {
    const at = place(source, offset);
    throw new EngineError("TPL_UNSUPPORTED", `unsupported ${what} at ${at}`, {
      at: { source: "template", field: at, offset },
      actual: value,
    });
  };
  const assigned = new Set<string>(["caller", "varargs", "kwargs"]);
  for (const [i, { type, value }] of tokens.entries()) {
    // Any name that is not called may be bound somewhere: by set, for, macro or as a parameter.
    if (type === "Identifier" && (tokens[i + 1]?.type !== "OpenParen" || tokens[i - 1].value === "macro"))
      assigned.add(value);
  }
  for (const [i, token] of tokens.entries()) {
    if (token.type !== "Identifier") continue;
    const before = tokens[i - 1];
    if (before.type === "OpenStatement") {
      if (!WORDS.has(token.value)) refuse("statement", token);
    } else if (before.type === "Pipe" || (before.value === "filter" && tokens[i - 2]?.type === "OpenStatement")) {
      if (!FILTER_NAMES.has(token.value)) refuse("filter", token);
    } else if (isTest(tokens, i)) {
      if (!TEST_NAMES.has(token.value)) refuse("test", token);
    } else if (tokens[i + 1]?.type === "OpenParen" && before.type !== "Dot" && !KEYWORDS.has(token.value)) {
      if (!GLOBAL_NAMES.has(token.value) && !assigned.has(token.value)) refuse("function", token);
    }
  }
}

const KEYWORDS = new Set(["not", "and", "or", "in", "is", "if", "else", "call"]);

function isTest(tokens: readonly Token[], i: number): boolean {
  const previous = tokens[i - 1];
  if (previous.type !== "Identifier" || tokens[i].value === "not") return false;
  if (previous.value === "is") return tokens[i - 2]?.type !== "Dot" && tokens[i - 2]?.type !== "OpenExpression";
  return previous.value === "not" && tokens[i - 2]?.type === "Identifier" && tokens[i - 2].value === "is";
}

const VALUES = new Set(["Identifier", "NumericLiteral", "StringLiteral"]);
/**
 * The library's parser knows no arguments of tests: `a is not divisibleby(3)` becomes the filter `a | "is not divisibleby"(3)`,
 * which binds alike. The argument may stand without parentheses.
 */
function testsWithArguments(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    out.push(token);
    if (token.type !== "Identifier" || !isTest(tokens, i)) continue;
    const end = BINARY_TESTS.has(token.value) ? argumentEnd(tokens, i + 1) : i + 1;
    // A filter may follow a test, too, which the parser does not expect.
    if (end === i + 1 && tokens[end]?.type !== "Pipe") continue;
    const negated = tokens[i - 1].value === "not";
    out.length -= negated ? 3 : 2;
    out.push({ ...token, value: "|", type: "Pipe" });
    out.push({ ...token, value: `is ${negated ? "not " : ""}${token.value}` });
    if (end === i + 1) continue;
    if (tokens[i + 1].type === "OpenParen") continue;
    out.push({ ...token, value: "(", type: "OpenParen" }, ...tokens.slice(i + 1, end));
    out.push({ ...token, value: ")", type: "CloseParen" });
    i = end - 1;
  }
  return out;
}

/** Where the value that starts at `start` ends, with the parts, subscripts and calls behind it. */
function argumentEnd(tokens: readonly Token[], start: number): number {
  let at = start;
  const first = tokens[start];
  if (!first || (first.type === "Identifier" && KEYWORDS.has(first.value))) return start;
  if (VALUES.has(first.type)) at++;
  else if (!OPEN.has(first.type)) return start;
  while (at < tokens.length) {
    const { type } = tokens[at];
    if (type === "Dot") at += 2;
    else if (OPEN.has(type) && (at > start || first === tokens[at])) {
      for (let depth = 0; at < tokens.length; ) {
        depth += OPEN.has(tokens[at].type) ? 1 : CLOSE.has(tokens[at].type) ? -1 : 0;
        at++;
        if (depth === 0) break;
      }
    } else break;
  }
  return Math.min(at, tokens.length);
}

/** A token that notes how far the parser has looked: the parser reports no places, but that is where it gave up. */
class WatchedToken {
  readonly value: string;
  readonly #type: string;
  readonly #index: number;
  readonly #watch: { furthest: number };

  constructor({ value, type }: Token, index: number, watch: { furthest: number }) {
    this.value = value;
    this.#type = type;
    this.#index = index;
    this.#watch = watch;
  }

  get type(): string {
    if (this.#index > this.#watch.furthest) this.#watch.furthest = this.#index;
    return this.#type;
  }
}

function parseTokens(source: string, tokens: readonly Token[]): Program {
  const watch = { furthest: 0 };
  try {
    return parse(tokens.map((token, index) => new WatchedToken(token, index, watch)));
  } catch (cause) {
    if (cause instanceof RangeError) throw tooDeep();
    const offset = tokens[watch.furthest]?.offset ?? source.length;
    throw syntaxError(source, offset, "the template does not parse");
  }
}
