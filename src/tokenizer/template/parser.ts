/** Tokens -> statements, by recursive descent, as Jinja's own parser goes. */
import { TEMPLATE_LIMITS } from "./budget.ts";
import { ExpressionParser } from "./expressions.ts";
import { type Token, tooDeep } from "./lexer.ts";
import type { Branch, CallBlock, Expression, ForNode, Parameter, Statement, Target } from "./tree.ts";

/** Known to Jinja and of no use without other templates, or to a prompt. */
const REFUSED = new Set(["block", "extends", "include", "import", "from", "autoescape"]);

export function parse(source: string, tokens: readonly Token[]): Statement[] {
  return new Parser(source, tokens).template();
}

class Parser extends ExpressionParser {
  #depth = 0;

  template(): Statement[] {
    return this.#statements([]);
  }

  /** Statements up to a tag of one of these words, which is left standing at its word. */
  #statements(ends: readonly string[]): Statement[] {
    if (++this.#depth > TEMPLATE_LIMITS.depth) throw tooDeep();
    const body: Statement[] = [];
    while (true) {
      const { type, value } = this.current;
      if (type === "data") {
        body.push({ kind: "text", value });
        this.next();
      } else if (type === "{{") {
        this.next();
        body.push({ kind: "output", value: this.tuple() });
        this.expect("}}");
      } else if (type === "{%") {
        this.next();
        if (this.current.type === "name" && ends.includes(this.current.value)) break;
        body.push(...this.#statement());
        this.expect("%}");
      } else break;
    }
    if (this.current.type === "end" && ends.length > 0) this.fail(`the template ends before ${ends.join(" or ")}`);
    this.#depth--;
    return body;
  }

  /** The body of a block, from the end of its first tag to its last, whose word is skipped. */
  #body(...ends: string[]): Statement[] {
    const body = this.#open(...ends);
    this.next();
    return body;
  }

  #open(...ends: string[]): Statement[] {
    this.skip(":");
    this.expect("%}");
    return this.#statements(ends);
  }

  #statement(): Statement[] {
    const { offset, value: word } = this.expect("name");
    switch (word) {
      case "for":
        return [this.#for()];
      case "if":
        return [this.#if()];
      case "set":
        return [this.#set()];
      case "with":
        return [this.#with()];
      case "macro":
        return [this.#macro(offset)];
      case "call":
        return [this.#call(offset)];
      case "print":
        return this.#print();
      case "filter": {
        const filter = this.filters(undefined, true);
        return [{ kind: "filterBlock", filter: filter!, body: this.#body("endfilter") }];
      }
      case "generation":
        return [{ kind: "scope", function: true, body: this.#body("endgeneration") }];
      case "break":
      case "continue":
        return [{ kind: word, offset }];
      default:
        return REFUSED.has(word) ? [this.#refused(word, offset)] : this.unsupported("statement", word, offset);
    }
  }

  #for(): ForNode {
    const from = this.position;
    const target = this.target(false);
    // Parsed again for the test: it sets names of its own.
    const to = this.position;
    this.position = from;
    const testTarget = this.target(false);
    this.position = to;
    this.expectWord("in");
    const iterable = this.tuple(false);
    const test = this.skipWord("if") ? this.expression() : undefined;
    const recursive = this.skipWord("recursive");
    const body = this.#open("endfor", "else");
    const otherwise = this.next().value === "else" ? this.#body("endfor") : [];
    return { kind: "for", target, testTarget, iterable, test, recursive, body, otherwise };
  }

  #if(): Statement {
    const branches: Branch[] = [];
    while (true) {
      const test = this.tuple(false);
      branches.push({ test, body: this.#open("elif", "else", "endif") });
      const word = this.next().value;
      if (word === "endif") return { kind: "if", branches, otherwise: [] };
      if (word === "else") return { kind: "if", branches, otherwise: this.#body("endif") };
    }
  }

  #set(): Statement {
    const target = this.target(true);
    if (this.skip("=")) return { kind: "set", target, value: this.tuple() };
    const filter = this.filters(undefined, false);
    return { kind: "setBlock", target, filter, body: this.#body("endset") };
  }

  #with(): Statement {
    const targets: Target[] = [];
    const values: Expression[] = [];
    while (this.current.type !== "%}" && this.current.type !== "end") {
      if (targets.length > 0) this.expect(",");
      targets.push(this.target(false));
      this.expect("=");
      values.push(this.expression());
    }
    return { kind: "with", targets, values, body: this.#body("endwith") };
  }

  #parameters(): Parameter[] {
    const list: Parameter[] = [];
    this.expect("(");
    while (this.current.type !== ")") {
      if (list.length > 0) this.expect(",");
      const { offset } = this.current;
      const target = this.nameTarget();
      if (list.some((one) => one.target.name === target.name)) this.fail("a parameter twice", offset);
      const fallback = this.skip("=") ? this.expression() : undefined;
      if (fallback === undefined && list.at(-1)?.fallback) this.fail("a parameter without a default after one with");
      list.push({ target, fallback });
    }
    this.expect(")");
    return list;
  }

  #macro(offset: number): Statement {
    const target = this.nameTarget();
    const parameters = this.#parameters();
    return { kind: "macro", target, parameters, body: this.#body("endmacro"), offset };
  }

  #call(offset: number): CallBlock {
    const parameters = this.current.type === "(" ? this.#parameters() : [];
    const call = this.expression();
    if (call.kind !== "call") return this.fail("expected a call", offset);
    if (call.args.named.some(([name]) => name === "caller")) this.fail("caller is given twice", offset);
    return { kind: "callBlock", parameters, call, body: this.#body("endcall"), offset };
  }

  #print(): Statement[] {
    const out: Statement[] = [];
    while (this.current.type !== "%}" && this.current.type !== "end") {
      if (out.length > 0) this.expect(",");
      out.push({ kind: "output", value: this.expression() });
    }
    return out;
  }

  /** Read over to its end, so that what is wrong in it is found. */
  #refused(word: string, offset: number): Statement {
    if (word === "autoescape") {
      const value = this.expression();
      const body = this.#body("endautoescape");
      if (value.kind === "constant" && value.value === false) return { kind: "scope", function: false, body };
    } else {
      while (this.current.type !== "%}" && this.current.type !== "end") this.next();
      if (word === "block") {
        this.#body("endblock");
        this.skip("name");
      }
    }
    return { kind: "refused", word, offset };
  }
}
