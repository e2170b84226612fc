/** Template text -> a program in which every name has its place, refusing at once what could not run. */
import { EngineError } from "../../error.ts";
import { TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { lex } from "./lexer.ts";
import { parse } from "./parser.ts";
import { Frame, Symbols, setPlace } from "./symbols.ts";
import { syntaxError } from "./syntax-error.ts";
import type { Expression, ForNode, MacroBody, Program, Statement, Target } from "./tree.ts";
import { eachExpression, eachTarget, undeclared } from "./walk.ts";

export type { Program } from "./tree.ts";

export function compileTemplate(text: string): Program {
  if (text.length > TEMPLATE_LIMITS.source) {
    throw templateFault("TPL_SIZE", "the template is too large", text.length, `at most ${TEMPLATE_LIMITS.source}`);
  }
  const source = text.replace(/\r\n?/g, "\n");
  try {
    const body = parse(source, lex(source));
    const frame = new Frame();
    const symbols = new Symbols(frame);
    symbols.statements(body);
    new Resolver(source).statements(body, { symbols, frame, loop: false, inFor: false });
    return { source, body, scope: symbols.scope(), frame: frame.layout };
  } catch (error) {
    if (error instanceof EngineError || !(error instanceof RangeError)) throw error;
    // The limits keep well below the stack's end, unless the caller stands at its edge already.
    throw templateFault("TPL_DEPTH", "the template nests too deep");
  }
}

interface Where {
  readonly symbols: Symbols;
  readonly frame: Frame;
  /** Whether `break` has a loop to leave, in the same function. */
  readonly loop: boolean;
  /** Whether a loop is around it at all: there `loop` is not to be set. */
  readonly inFor: boolean;
}

class Resolver {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  statements(body: readonly Statement[], where: Where): void {
    for (const node of body) this.#statement(node, where);
  }

  #statement(node: Statement, where: Where): void {
    switch (node.kind) {
      case "output":
        this.#expression(node.value, where);
        return;
      case "if":
        for (const { test, body } of node.branches) {
          this.#expression(test, where);
          this.statements(body, where);
        }
        this.statements(node.otherwise, where);
        return;
      case "break":
      case "continue":
        if (!where.loop) throw syntaxError(this.#source, node.offset, `${node.kind} outside a loop`);
        return;
      case "set":
        this.#expression(node.value, where);
        this.#target(node.target, where);
        return;
      case "setBlock":
      case "filterBlock": {
        const inner = this.#inner(where);
        inner.symbols.statements(node.body);
        // Of a set block Jinja's compiler forgets the filter's arguments, and trips over names that stand nowhere else.
        inner.symbols.expression(node.filter);
        this.statements(node.body, inner);
        this.#expression(node.filter, inner);
        node.scope = inner.symbols.scope();
        if (node.kind === "setBlock") this.#target(node.target, where);
        return;
      }
      case "scope": {
        const inner = this.#inner(node.function ? { ...where, loop: false } : where);
        inner.symbols.statements(node.body);
        this.statements(node.body, inner);
        node.scope = inner.symbols.scope();
        return;
      }
      case "with": {
        for (const value of node.values) this.#expression(value, where);
        const inner = this.#inner(where);
        for (const target of node.targets) inner.symbols.target(target, true);
        inner.symbols.statements(node.body);
        for (const target of node.targets) this.#target(target, { ...inner, inFor: false });
        this.statements(node.body, inner);
        node.scope = inner.symbols.scope();
        return;
      }
      case "for":
        this.#for(node, where);
        return;
      case "macro":
        this.#macro(node, where);
        setPlace(node.target, where.symbols, where.frame);
        return;
      case "callBlock":
        this.#macro(node, where);
        this.#expression(node.call, where);
        return;
    }
  }

  #inner(where: Where): Where {
    return { ...where, symbols: new Symbols(where.frame, where.symbols) };
  }

  #expression(node: Expression | undefined, { symbols, frame }: Where): void {
    if (node) eachExpression(node, (one) => one.kind === "name" && setPlace(one, symbols, frame));
  }

  #target(target: Target, { symbols, frame, inFor }: Where): void {
    eachTarget(target, (one) => {
      const name = one.kind === "name" ? one : one.holder;
      if (inFor && one.kind === "name" && name.name === "loop") {
        throw syntaxError(this.#source, name.offset, "loop cannot be set inside a loop");
      }
      setPlace(name, symbols, frame);
    });
  }

  #for(node: ForNode, where: Where): void {
    const frame = node.recursive ? new Frame(where.frame) : where.frame;
    const inner = (): Where => ({ symbols: new Symbols(frame, where.symbols), frame, loop: true, inFor: true });
    const body = inner();
    if (node.recursive || undeclared(node.body, ["loop"]).size > 0) node.loop = body.symbols.declare("loop");
    body.symbols.target(node.target, true);
    body.symbols.statements(node.body);
    this.#target(node.target, body);
    this.statements(node.body, body);
    node.scope = body.symbols.scope();
    const test = inner();
    if (node.test) {
      test.symbols.target(node.testTarget, true);
      test.symbols.expression(node.test);
      this.#target(node.testTarget, test);
      this.#expression(node.test, test);
      node.testScope = test.symbols.scope();
    }
    const otherwise = { ...inner(), loop: !node.recursive && where.loop };
    otherwise.symbols.statements(node.otherwise);
    this.statements(node.otherwise, otherwise);
    node.otherwiseScope = otherwise.symbols.scope();
    if (node.recursive) node.frame = frame.layout;
    this.#expression(node.iterable, where);
  }

  #macro(node: MacroBody, where: Where): void {
    const frame = new Frame(where.frame);
    const symbols = new Symbols(frame, where.symbols);
    const inner: Where = { symbols, frame, loop: false, inFor: where.inFor };
    const named = (name: string): boolean => node.parameters.some(({ target }) => target.name === name);
    const analyse = (): void => {
      for (const { target } of node.parameters) symbols.target(target, true);
      for (const { fallback } of node.parameters) symbols.expression(fallback);
      symbols.statements(node.body);
    };
    analyse();
    const special = undeclared(node.body, ["caller", "kwargs", "varargs"]);
    if (special.has("caller")) {
      if (!named("caller")) node.caller = symbols.declare("caller");
      else if (!node.parameters.find(({ target }) => target.name === "caller")?.fallback) {
        throw syntaxError(this.#source, node.offset, "the parameter caller needs a default");
      }
    }
    if (special.has("kwargs") && !named("kwargs")) node.kwargs = symbols.declare("kwargs");
    if (special.has("varargs") && !named("varargs")) node.varargs = symbols.declare("varargs");
    analyse();
    for (const { target, fallback } of node.parameters) {
      setPlace(target, symbols, frame);
      this.#expression(fallback, inner);
    }
    this.statements(node.body, inner);
    node.scope = symbols.scope();
    node.frame = frame.layout;
  }
}
