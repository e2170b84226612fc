/**
 * Runs a template's syntax tree under a budget. Statements write into a builder; expressions give values.
 * The tree is the one of @huggingface/jinja; the meaning is that of Python's Jinja as transformers sets it up.
 */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import type { Program } from "./compile.ts";
import { Args, findFilter } from "./filters.ts";
import { makeGlobals } from "./globals.ts";
import { findMethod } from "./methods.ts";
import { binary, subscript, unary } from "./operators.ts";
import { items } from "./sequences.ts";
import { findTest } from "./tests.ts";
import {
  Callable,
  type Dict,
  Namespace,
  Text,
  TextBuilder,
  Tuple,
  toText,
  truthy,
  typeName,
  type Value,
} from "./values.ts";

/** A node of the library's tree, which does not export its types: fields as its parser fills them. */
// biome-ignore lint/suspicious/noExplicitAny: the node's `type` decides which fields there are
type Node = any;

type Flow = "next" | "break" | "continue";

class Scope {
  readonly variables: Dict;
  readonly #parent: Scope | undefined;

  constructor(parent?: Scope, variables: Dict = new Map()) {
    this.#parent = parent;
    this.variables = variables;
  }

  get(name: string): Value {
    for (let scope: Scope | undefined = this; scope; scope = scope.#parent) {
      if (scope.variables.has(name)) return scope.variables.get(name);
    }
    return undefined;
  }
}

export function runTemplate(program: Program, variables: Dict, now: Date, budget: Budget): Text {
  const scope = new Scope(new Scope(undefined, makeGlobals(budget, now)), new Map(variables));
  try {
    return new Interpreter(budget).run(program, scope);
  } catch (error) {
    // The limits keep well below the stack's end, unless the caller stands at its edge already.
    if (error instanceof RangeError) throw templateFault("TPL_DEPTH", "the template nests too deep to run");
    throw error;
  }
}

class Interpreter {
  readonly #budget: Budget;
  #blocks = 0;
  #expressions = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  run(program: Program, scope: Scope): Text {
    return this.#render(program.body, scope);
  }

  #render(body: readonly Node[], scope: Scope): Text {
    const out = new TextBuilder(this.#budget);
    this.#block(body, scope, out);
    return out.done();
  }

  #block(body: readonly Node[], scope: Scope, out: TextBuilder): Flow {
    if (++this.#blocks > TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "blocks or macros nested too deep");
    let flow: Flow = "next";
    for (const node of body) {
      flow = this.#statement(node, scope, out);
      if (flow !== "next") break;
    }
    this.#blocks--;
    return flow;
  }

  #statement(node: Node, scope: Scope, out: TextBuilder): Flow {
    this.#budget.spend(1);
    switch (node.type) {
      case "Comment":
        return "next";
      case "Break":
        return "break";
      case "Continue":
        return "continue";
      case "If":
        return this.#if(node, scope, out);
      case "For":
        return this.#for(node, scope, out);
      case "Set":
        this.#set(node, scope);
        return "next";
      case "Macro":
        scope.variables.set(node.name.value, this.#macro(node.args, node.body, scope));
        return "next";
      case "CallStatement":
        out.add(this.#callBlock(node, scope));
        return "next";
      case "FilterStatement":
        out.add(toText(this.#filter(this.#render(node.body, scope), node.filter, scope), this.#budget));
        return "next";
      default:
        out.add(toText(this.#value(node, scope), this.#budget));
        return "next";
    }
  }

  #if(node: Node, scope: Scope, out: TextBuilder): Flow {
    let branch = node;
    while (!truthy(this.#value(branch.test, scope))) {
      this.#budget.spend(1);
      // `elif` is an If alone in the alternative: no deeper than `if`.
      if (branch.alternate.length !== 1 || branch.alternate[0].type !== "If")
        return this.#block(branch.alternate, scope, out);
      branch = branch.alternate[0];
    }
    return this.#block(branch.body, scope, out);
  }

  #for(node: Node, scope: Scope, out: TextBuilder): Flow {
    const filtered = node.iterable.type === "SelectExpression";
    const all = items(this.#value(filtered ? node.iterable.lhs : node.iterable, scope), this.#budget);
    let list = all;
    if (filtered) {
      list = all.filter((item) => {
        const inner = new Scope(scope);
        this.#bind(node.loopvar, item, inner);
        return truthy(this.#value(node.iterable.test, inner));
      });
    }
    for (let i = 0; i < list.length; i++) {
      this.#budget.spend(20); // a scope and the loop's variables
      const inner = new Scope(scope);
      inner.variables.set("loop", loopVariables(list, i));
      this.#bind(node.loopvar, list[i], inner);
      if (this.#block(node.body, inner, out) === "break") break;
    }
    return list.length === 0 ? this.#block(node.defaultBlock, scope, out) : "next";
  }

  #bind(target: Node, value: Value, scope: Scope): void {
    if (target.type === "Identifier") {
      scope.variables.set(target.value, value);
      return;
    }
    if (target.type === "MemberExpression") {
      const holder = this.#value(target.object, scope);
      if (!(holder instanceof Namespace) || target.computed)
        throw templateFault("TPL_ATTR", "only a namespace's attributes can be set", typeName(holder));
      holder.values.set(target.property.value, value);
      return;
    }
    if (target.type !== "TupleLiteral") throw templateFault("TPL_UNSUPPORTED", "cannot assign to this", target.type);
    if (!Array.isArray(value) || value.length !== target.value.length) {
      throw templateFault("TPL_VALUE", `cannot unpack into ${target.value.length} names`, typeName(value));
    }
    for (const [i, part] of target.value.entries()) this.#bind(part, value[i], scope);
  }

  #set(node: Node, scope: Scope): void {
    this.#bind(node.assignee, node.value ? this.#value(node.value, scope) : this.#render(node.body, scope), scope);
  }

  #macro(parameters: readonly Node[], body: readonly Node[], defined: Scope, caller?: Callable): Callable {
    return new Callable((args, named) => {
      this.#budget.spend(10);
      const scope = new Scope(defined);
      const rest = new Map(named);
      for (const [i, parameter] of parameters.entries()) {
        const name = parameter.type === "Identifier" ? parameter.value : parameter.key.value;
        const given = i < args.length || rest.has(name);
        const value = given ? (i < args.length ? args[i] : rest.get(name)) : undefined;
        rest.delete(name);
        scope.variables.set(
          name,
          given || parameter.type === "Identifier" ? value : this.#value(parameter.value, scope),
        );
      }
      const callback = rest.get("caller") ?? caller;
      if (callback) scope.variables.set("caller", callback);
      rest.delete("caller");
      scope.variables.set("varargs", Tuple.from(args.slice(parameters.length)));
      scope.variables.set("kwargs", rest);
      return this.#render(body, scope);
    });
  }

  #callBlock(node: Node, scope: Scope): Text {
    const { list, named } = this.#arguments(node.call.args, scope);
    const caller = this.#macro(node.callerArgs ?? [], node.body, scope);
    const macro = this.#value(node.call.callee, scope);
    return toText(this.#call(macro, list, new Map([...named, ["caller", caller]]), node.call.callee), this.#budget);
  }

  #value(node: Node, scope: Scope): Value {
    this.#budget.spend(1);
    if (++this.#expressions > TEMPLATE_LIMITS.expression)
      throw templateFault("TPL_DEPTH", "expression nested too deep");
    const value = this.#expression(node, scope);
    this.#expressions--;
    return value;
  }

  #expression(node: Node, scope: Scope): Value {
    switch (node.type) {
      case "IntegerLiteral":
      case "FloatLiteral":
        return node.type === "IntegerLiteral" ? node.value : unary("float", node.value);
      case "StringLiteral":
        return new Text(node.value);
      case "TupleLiteral":
        return Tuple.from(node.value as Node[], (item) => this.#value(item, scope));
      case "ArrayLiteral":
        return node.value.map((item: Node) => this.#value(item, scope));
      case "ObjectLiteral":
        return this.#mapping(node, scope);
      case "Identifier":
        return scope.get(node.value);
      case "MemberExpression":
        return this.#member(node, scope);
      case "CallExpression": {
        const { list, named } = this.#arguments(node.args, scope);
        return this.#call(this.#value(node.callee, scope), [...list], new Map(named), node.callee);
      }
      case "FilterExpression":
        return this.#filter(this.#value(node.operand, scope), node.filter, scope);
      case "TestExpression":
        return this.#test(this.#value(node.operand, scope), node.test.value) !== node.negate;
      case "UnaryExpression":
        return unary(node.operator.value, this.#value(node.argument, scope));
      case "BinaryExpression":
        return this.#binary(node, scope);
      case "Ternary":
        return this.#value(truthy(this.#value(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
      case "SelectExpression":
        return truthy(this.#value(node.test, scope)) ? this.#value(node.lhs, scope) : undefined;
      default:
        throw templateFault("TPL_UNSUPPORTED", "unsupported expression", node.type);
    }
  }

  #test(value: Value, name: string): boolean {
    if (value instanceof Text) this.#budget.text(value.text.length);
    return findTest(name)(value, undefined, this.#budget);
  }

  #binary(node: Node, scope: Scope): Value {
    const operator: string = node.operator.value;
    const left = this.#value(node.left, scope);
    if (operator === "and") return truthy(left) ? this.#value(node.right, scope) : left;
    if (operator === "or") return truthy(left) ? left : this.#value(node.right, scope);
    return binary(operator, left, this.#value(node.right, scope), this.#budget);
  }

  #mapping(node: Node, scope: Scope): Dict {
    const map: Dict = new Map();
    for (const [key, value] of node.value) {
      const name = toText(this.#value(key, scope), this.#budget).text;
      this.#budget.text(name.length);
      map.set(name, this.#value(value, scope));
    }
    return map;
  }

  #member(node: Node, scope: Scope): Value {
    const object = this.#value(node.object, scope);
    const { property } = node;
    if (property.type === "SliceExpression") {
      const bound = (part: Node): Value => (part ? this.#value(part, scope) : undefined);
      return subscript(
        object,
        { start: bound(property.start), stop: bound(property.stop), step: bound(property.step) },
        this.#budget,
      );
    }
    const key = node.computed
      ? this.#value(property, scope)
      : property.type === "Identifier"
        ? new Text(property.value)
        : property.value;
    const method = key instanceof Text ? findMethod(object, key.text, this.#budget) : undefined;
    // As in Python: `args.items` is the method though there may be an item of that name, `args["items"]` is the item.
    if (method && !node.computed) return method;
    const part = subscript(object, key, this.#budget);
    return part === undefined ? method : part;
  }

  #arguments(nodes: readonly Node[], scope: Scope): { list: Value[]; named: Dict } {
    const list: Value[] = [];
    const named: Dict = new Map();
    for (const node of nodes) {
      if (node.type === "KeywordArgumentExpression") named.set(node.key.value, this.#value(node.value, scope));
      else if (node.type === "SpreadExpression")
        for (const item of items(this.#value(node.argument, scope), this.#budget)) {
          this.#budget.spend(4);
          list.push(item);
        }
      else if (node.type === "KeywordSpreadExpression") {
        const map = this.#value(node.argument, scope);
        if (!(map instanceof Map)) throw templateFault("TPL_VALUE", "** needs a mapping", typeName(map));
        this.#budget.spend(map.size * 4);
        for (const [key, value] of map) named.set(key, value);
      } else list.push(this.#value(node, scope));
    }
    return { list, named };
  }

  #call(callee: Value, list: Value[], named: Dict, node: Node): Value {
    if (callee instanceof Callable) return callee.call(list, named);
    const name = node.type === "MemberExpression" ? node.property.value : node.value;
    throw templateFault("TPL_UNSUPPORTED", "unknown function or method", String(name ?? typeName(callee)));
  }

  #filter(value: Value, node: Node, scope: Scope): Value {
    const { list, named } =
      node.type === "CallExpression" ? this.#arguments(node.args, scope) : { list: [], named: new Map() };
    const name: string = node.type === "CallExpression" ? node.callee.value : node.value;
    if (value instanceof Text) this.#budget.text(value.text.length);
    const test = /^is (not )?(.+)/.exec(name);
    if (test) return findTest(test[2])(value, list[0], this.#budget) !== (test[1] !== undefined);
    return findFilter(name)(value, new Args(list, named), this.#budget);
  }
}

function loopVariables(list: readonly Value[], i: number): Dict {
  const { length } = list;
  const cycle = new Callable((args) => args[i % args.length]);
  return new Map<string, Value>([
    ["index", i + 1],
    ["index0", i],
    ["revindex", length - i],
    ["revindex0", length - i - 1],
    ["first", i === 0],
    ["last", i === length - 1],
    ["length", length],
    ["previtem", list[i - 1]],
    ["nextitem", list[i + 1]],
    ["cycle", cycle],
  ]);
}
