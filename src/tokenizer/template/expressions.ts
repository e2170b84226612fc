/** Tokens -> expressions, in Jinja's order of precedence, which is not quite Python's. */
import { TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { TokenReader } from "./reader.ts";
import type { Arguments, Arithmetic, CallNode, Comparison, Expression, FilterNode, NameNode, Target } from "./tree.ts";
import { Float, Text, type Value } from "./values.ts";
import { partsOf } from "./walk.ts";

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const CONSTANTS: ReadonlyMap<string, Value> = new Map([
  ...["true", "True"].map((name): [string, Value] => [name, true]),
  ...["false", "False"].map((name): [string, Value] => [name, false]),
  ...["none", "None"].map((name): [string, Value] => [name, null]),
]);
/** What may begin the argument of a test that stands without parentheses. */
const ARGUMENT_STARTS: ReadonlySet<string> = new Set(["name", "string", "integer", "float", "[", "{"]);
const NO_ARGUMENTS: Arguments = { list: [], named: [], spread: undefined, spreadNamed: undefined };

export class ExpressionParser extends TokenReader {
  /** How deep each expression is: a chain of operators nests to the left. */
  readonly #depths = new Map<Expression, number>();
  #nested = 0;

  #deep<Node extends Expression>(node: Node): Node {
    let depth = 0;
    for (const part of partsOf(node)) if (part) depth = Math.max(depth, this.#depths.get(part) ?? 0);
    if (depth >= TEMPLATE_LIMITS.expression - 1) this.#tooDeep();
    this.#depths.set(node, depth + 1);
    return node;
  }

  #tooDeep(): never {
    const limit = `at most ${TEMPLATE_LIMITS.expression}`;
    throw templateFault("TPL_DEPTH", "an expression nests too deep", undefined, limit);
  }

  /** A target of `set`, `for` or `with`: names, tuples of them, for `set` a namespace's attribute. */
  protected target(namespaces: boolean): Target {
    const { offset } = this.current;
    const parts: Target[] = [];
    while (true) {
      if (parts.length > 0) this.expect(",");
      if (this.#tupleEnds()) break;
      parts.push(this.#simpleTarget(namespaces, offset));
      if (this.current.type === ",") continue;
      if (parts.length === 1) return parts[0];
      break;
    }
    if (parts.length === 0) this.fail("expected a name");
    return { kind: "tupleTarget", items: parts };
  }

  #simpleTarget(namespaces: boolean, offset: number): Target {
    if (this.current.type === "name" && !CONSTANTS.has(this.current.value)) {
      const holder = this.nameTarget();
      if (!namespaces || !this.skip(".")) return holder;
      return { kind: "namespaceTarget", holder, attribute: this.expect("name").value };
    }
    const toTarget = (value: Expression): Target => {
      if (value.kind === "name") return { ...value };
      if (value.kind === "tuple") return { kind: "tupleTarget", items: value.items.map(toTarget) };
      return this.fail("cannot assign to this", offset);
    };
    return toTarget(this.#primary());
  }

  protected nameTarget(): NameNode {
    const { value: name, offset } = this.expect("name");
    if (CONSTANTS.has(name)) this.fail(`cannot assign to ${name}`, offset);
    return { kind: "name", name, offset };
  }

  #tupleEnds(): boolean {
    const { type } = this.current;
    return type === "}}" || type === "%}" || type === ")";
  }

  /** An expression, or several with commas between: a tuple. */
  protected tuple(conditions = true, parentheses = false): Expression {
    const items: Expression[] = [];
    let commas = false;
    while (true) {
      if (items.length > 0) this.expect(",");
      if (this.#tupleEnds()) break;
      items.push(this.expression(conditions));
      if (this.current.type !== ",") break;
      commas = true;
    }
    if (!commas && items.length > 0) return items[0];
    if (!commas && !parentheses) this.fail("expected an expression");
    return this.#deep({ kind: "tuple", items });
  }

  protected expression(conditions = true): Expression {
    if (++this.#nested > TEMPLATE_LIMITS.expression / 4) this.#tooDeep();
    const value = conditions ? this.#conditional() : this.#or();
    this.#nested--;
    return value;
  }

  #conditional(): Expression {
    let value = this.#or();
    while (this.skipWord("if")) {
      const test = this.#or();
      const otherwise = this.skipWord("else") ? this.expression() : undefined;
      value = this.#deep({ kind: "conditional", test, value, otherwise });
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.skipWord("or")) {
      const right = this.#and();
      left = this.#deep({ kind: "or", left, right });
    }
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.skipWord("and")) {
      const right = this.#not();
      left = this.#deep({ kind: "and", left, right });
    }
    return left;
  }

  #not(): Expression {
    let nots = 0;
    while (this.skipWord("not")) nots++;
    let operand = this.#compare();
    for (; nots > 0; nots--) operand = this.#deep({ kind: "not", operand });
    return operand;
  }

  #compare(): Expression {
    const first = this.#sum();
    const rest: [Comparison, Expression][] = [];
    while (true) {
      const { type } = this.current;
      if (COMPARISONS.has(type)) {
        this.next();
        rest.push([type as Comparison, this.#sum()]);
      } else if (this.skipWord("in")) rest.push(["in", this.#sum()]);
      else if (this.isWord("not") && this.isWord("in", this.following)) {
        this.position += 2;
        rest.push(["not in", this.#sum()]);
      } else break;
    }
    if (rest.length === 0) return first;
    return this.#deep({ kind: "compare", first, rest });
  }

  #chain(operators: readonly Arithmetic[], part: () => Expression): Expression {
    let left = part();
    while ((operators as readonly string[]).includes(this.current.type)) {
      const operator = this.next().type as Arithmetic;
      const right = part();
      left = this.#deep({ kind: "arithmetic", operator, left, right });
    }
    return left;
  }

  #sum(): Expression {
    return this.#chain(["+", "-"], () => this.#concat());
  }

  #concat(): Expression {
    const items = [this.#product()];
    while (this.skip("~")) items.push(this.#product());
    return items.length === 1 ? items[0] : this.#deep({ kind: "concat", items });
  }

  #product(): Expression {
    return this.#chain(["*", "/", "//", "%"], () => this.#chain(["**"], () => this.#unary()));
  }

  #unary(): Expression {
    const signs: ("+" | "-")[] = [];
    while (this.current.type === "-" || this.current.type === "+") signs.push(this.next().type as "+" | "-");
    let value = this.#postfix(this.#primary());
    for (const operator of signs.reverse()) {
      value = this.#deep({ kind: "sign", operator, operand: value });
    }
    return this.#filtersAndTests(signs.length > 0 ? this.#postfix(value) : value);
  }

  #primary(): Expression {
    const token = this.next();
    const { type, value } = token;
    if (type === "name") {
      if (CONSTANTS.has(value)) return { kind: "constant", value: CONSTANTS.get(value) };
      return { kind: "name", name: value, offset: token.offset };
    }
    if (type === "string") {
      const parts = [value];
      while (this.current.type === "string") parts.push(this.next().value);
      return { kind: "constant", value: new Text(parts.join("")) };
    }
    if (type === "integer") return { kind: "constant", value: token.number };
    if (type === "float") return { kind: "constant", value: new Float(Number(token.number)) };
    if (type === "(") {
      const inside = this.tuple(true, true);
      this.expect(")");
      return inside;
    }
    if (type === "[") {
      const items = this.#list("]", () => this.expression());
      return this.#deep({ kind: "list", items });
    }
    if (type === "{") {
      const entries = this.#list("}", (): [Expression, Expression] => {
        const key = this.expression();
        this.expect(":");
        return [key, this.expression()];
      });
      return this.#deep({ kind: "mapping", entries });
    }
    return this.fail("the template does not parse: expected a value", token.offset);
  }

  /** Items with commas between, one of which may stand at the end. */
  #list<Item>(close: string, item: () => Item): Item[] {
    const items: Item[] = [];
    while (this.current.type !== close) {
      if (items.length > 0) this.expect(",");
      if (this.current.type === close) break;
      items.push(item());
    }
    this.expect(close);
    return items;
  }

  #postfix(start: Expression): Expression {
    let value = start;
    while (true) {
      if (this.current.type === ".") value = this.#attribute(value);
      else if (this.current.type === "[") value = this.#subscript(value);
      else if (this.current.type === "(") value = this.#call(value);
      else return value;
    }
  }

  #filtersAndTests(start: Expression): Expression {
    let value = start;
    while (true) {
      if (this.current.type === "|") value = this.filters(value, false)!;
      else if (this.isWord("is")) value = this.#test(value);
      else if (this.current.type === "(") value = this.#call(value);
      else return value;
    }
  }

  #attribute(object: Expression): Expression {
    this.next();
    const { type, value, number, offset } = this.next();
    if (type === "name") return this.#deep({ kind: "attribute", object, name: value });
    if (type !== "integer") this.fail("the template does not parse: expected a name or a number", offset);
    return this.#deep({ kind: "item", object, key: { kind: "constant", value: number } });
  }

  #subscript(object: Expression): Expression {
    this.expect("[");
    const keys: Expression[] = [];
    while (this.current.type !== "]") {
      if (keys.length > 0) this.expect(",");
      const start = this.current.type === ":" ? undefined : this.expression();
      if (this.skip(":")) {
        const slice = this.#slice(object, start);
        // A slice among others is no Python.
        if (keys.length > 0 || !this.skip("]")) this.fail("expected ]");
        return slice;
      }
      keys.push(start!);
    }
    this.expect("]");
    const key: Expression = keys.length === 1 ? keys[0] : this.#deep({ kind: "tuple", items: keys });
    return this.#deep({ kind: "item", object, key });
  }

  #slice(object: Expression, start: Expression | undefined): Expression {
    const bound = (): Expression | undefined =>
      this.current.type === ":" || this.current.type === "]" || this.current.type === ","
        ? undefined
        : this.expression();
    const stop = bound();
    const step = this.skip(":") ? bound() : undefined;
    return this.#deep({ kind: "slice", object, start, stop, step });
  }

  #call(callee: Expression): CallNode {
    const { offset } = this.current;
    const args = this.#arguments();
    return this.#deep({ kind: "call", callee, args, offset });
  }

  #arguments(): Arguments {
    const { offset } = this.expect("(");
    const list: Expression[] = [];
    const named: [string, Expression][] = [];
    let spread: Expression | undefined;
    let spreadNamed: Expression | undefined;
    const ensure = (right: boolean): void => {
      if (!right) this.fail("arguments in this order are no call", offset);
    };
    let first = true;
    while (this.current.type !== ")") {
      if (!first) {
        this.expect(",");
        if (this.current.type === ")") break;
      }
      first = false;
      if (this.skip("*")) {
        ensure(spread === undefined && spreadNamed === undefined);
        spread = this.expression();
      } else if (this.skip("**")) {
        ensure(spreadNamed === undefined);
        spreadNamed = this.expression();
      } else if (this.current.type === "name" && this.following.type === "=") {
        ensure(spreadNamed === undefined);
        const { value: name } = this.next();
        this.next();
        ensure(named.every(([other]) => other !== name));
        named.push([name, this.expression()]);
      } else {
        ensure(spread === undefined && spreadNamed === undefined && named.length === 0);
        list.push(this.expression());
      }
    }
    this.expect(")");
    return { list, named, spread, spreadNamed };
  }

  /** Filters one after the other, from here on; undefined where there is none. `inline`: the first stands without `|`. */
  protected filters(start: Expression | undefined, inline: boolean): FilterNode | undefined {
    let value: FilterNode | undefined;
    for (let bare = inline; bare || this.current.type === "|"; bare = false) {
      if (!bare) this.next();
      const { offset } = this.current;
      const name = this.#dotted();
      const args = this.current.type === "(" ? this.#arguments() : NO_ARGUMENTS;
      const operand: Expression | undefined = value ?? start;
      value = this.#deep({ kind: "filter", operand, name, args, offset });
    }
    return value;
  }

  #dotted(): string {
    let name = this.expect("name").value;
    while (this.skip(".")) name += `.${this.expect("name").value}`;
    return name;
  }

  #test(operand: Expression): Expression {
    this.next();
    const negated = this.skipWord("not");
    const { offset } = this.current;
    const name = this.#dotted();
    let args = NO_ARGUMENTS;
    if (this.current.type === "(") args = this.#arguments();
    else if (ARGUMENT_STARTS.has(this.current.type) && !["else", "or", "and"].some((word) => this.isWord(word))) {
      if (this.isWord("is")) this.fail("tests do not chain");
      args = { ...NO_ARGUMENTS, list: [this.#postfix(this.#primary())] };
    }
    const test: Expression = this.#deep({ kind: "test", operand, name, args, offset });
    return negated ? this.#deep({ kind: "not", operand: test }) : test;
  }
}
