/** A tool call's arguments as clients send them: JSON text. Read as Python reads it, integers exactly, floats as floats. */
import { numberValue } from "./template/numbers.ts";
import { JsonText, Text } from "./template/text.ts";
import { Float, Mapping, type Value } from "./template/values.ts";

const DEPTH = 64;
const TOKEN =
  /[ \t\n\r]*(?:([[\]{}:,])|"((?:[^"\\\x00-\x1f]|\\[\s\S])*)"|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;

/** Text that is no JSON, or no object, stays plain. */
export function readArguments(text: string): Text {
  if (!/^[ \t\n\r]*\{/.test(text)) return Text.foreign(text);
  try {
    const parsed = new Reader(text).run();
    return parsed instanceof Mapping ? new JsonText(text, parsed) : Text.foreign(text);
  } catch (error) {
    if (error instanceof NotJson || error instanceof SyntaxError) return Text.foreign(text);
    throw error;
  }
}

class NotJson extends Error {}

type Token = RegExpExecArray;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Value {
    const value = this.#value(this.#next(), 0);
    if (/[^ \t\n\r]/.test(this.#text.slice(this.#at))) throw new NotJson();
    return value;
  }

  #next(): Token {
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.#text);
    if (!found) throw new NotJson();
    this.#at += found[0].length;
    return found;
  }

  #value([, sign, string, number, word]: Token, depth: number): Value {
    if (string !== undefined) return Text.foreign(JSON.parse(`"${string}"`));
    if (number !== undefined) return /[.eE]/.test(number) ? new Float(Number(number)) : numberValue(number);
    if (word !== undefined) return word === "null" ? null : word === "true";
    if (depth > DEPTH) throw new NotJson();
    if (sign === "[") return this.#list("]", (token) => this.#value(token, depth + 1));
    if (sign !== "{") throw new NotJson();
    const entries = this.#list("}", (token): [Value, Value] => {
      if (token[2] === undefined || this.#next()[1] !== ":") throw new NotJson();
      return [this.#value(token, depth), this.#value(this.#next(), depth + 1)];
    });
    return new Mapping(entries);
  }

  #list<Item>(close: string, item: (token: Token) => Item): Item[] {
    const items: Item[] = [];
    let token = this.#next();
    if (token[1] === close) return items;
    while (true) {
      items.push(item(token));
      const [, sign] = this.#next();
      if (sign === close) return items;
      if (sign !== ",") throw new NotJson();
      token = this.#next();
    }
  }
}
