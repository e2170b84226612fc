/** Goes through tokens one after the other, for the parsers. */
import type { Token, TokenType } from "./lexer.ts";
import { syntaxError, unsupported } from "./syntax-error.ts";

export class TokenReader {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  protected position = 0;

  constructor(source: string, tokens: readonly Token[]) {
    this.#source = source;
    this.#tokens = tokens;
  }

  protected get current(): Token {
    return this.#tokens[this.position];
  }

  /** The token behind the current one. */
  protected get following(): Token {
    return this.#tokens[Math.min(this.position + 1, this.#tokens.length - 1)];
  }

  protected next(): Token {
    const token = this.#tokens[this.position];
    if (token.type !== "end") this.position++;
    return token;
  }

  protected fail(what: string, offset = this.current.offset): never {
    throw syntaxError(this.#source, offset, what);
  }

  protected unsupported(what: string, word: string, offset: number): never {
    throw unsupported(this.#source, offset, what, word);
  }

  protected expect(type: TokenType): Token {
    if (this.current.type !== type) this.fail(`the template does not parse: expected ${type}`);
    return this.next();
  }

  protected skip(type: TokenType): boolean {
    if (this.current.type !== type) return false;
    this.next();
    return true;
  }

  protected isWord(word: string, token = this.current): boolean {
    return token.type === "name" && token.value === word;
  }

  protected skipWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.next();
    return true;
  }

  protected expectWord(word: string): void {
    if (!this.skipWord(word)) this.fail(`the template does not parse: expected ${word}`);
  }
}
