/**
 * Runs a program under a budget. Statements write into a builder; expressions give values (evaluate.ts).
 * The meaning is that of Python's Jinja as transformers sets it up.
 */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { Evaluator, Frame } from "./evaluate.ts";
import { checkAttribute, makeGlobals } from "./globals.ts";
import { Loop } from "./loop.ts";
import { Macro } from "./macro.ts";
import { toText } from "./print.ts";
import { items, iterate } from "./sequences.ts";
import { asText } from "./strings.ts";
import { unsupported } from "./syntax-error.ts";
import { TextBuilder } from "./text.ts";
import type {
  CallBlock,
  FilterBlock,
  ForNode,
  MacroBody,
  Program,
  Scope,
  SetBlock,
  Statement,
  Target,
} from "./tree.ts";
import { type Callable, type Dict, Namespace, Stream, Text, Tuple, truthy, typeName, type Value } from "./values.ts";

type Flow = "next" | "break" | "continue";

export function runTemplate(program: Program, variables: Dict, now: Date, budget: Budget): Text {
  try {
    const context = makeGlobals(budget, now);
    for (const [name, value] of variables) context.set(name, value);
    return new Interpreter(budget, context, program.source).run(program);
  } catch (error) {
    // The limits keep well below the stack's end, unless the caller stands at its edge already.
    if (error instanceof RangeError) throw templateFault("TPL_DEPTH", "the template nests too deep to run");
    throw error;
  }
}

class Interpreter {
  readonly #budget: Budget;
  readonly #context: Dict;
  readonly #source: string;
  readonly #expressions: Evaluator;
  #blocks = 0;

  constructor(budget: Budget, context: Dict, source: string) {
    this.#budget = budget;
    this.#context = context;
    this.#source = source;
    this.#expressions = new Evaluator(budget, source);
  }

  run(program: Program): Text {
    const frame = new Frame(program.frame.slots);
    this.#enter(program.scope, frame);
    return this.#render(program.body, frame);
  }

  #enter({ loads }: Scope, frame: Frame): void {
    this.#budget.spend(loads.length);
    for (const { slot, from } of loads) {
      frame.slots[slot] =
        from === undefined ? undefined : typeof from === "string" ? this.#context.get(from) : frame.at(from);
    }
  }

  #leave({ loads }: Scope, frame: Frame): void {
    for (const { slot } of loads) frame.slots[slot] = undefined;
  }

  #render(body: readonly Statement[], frame: Frame): Text {
    const out = new TextBuilder(this.#budget);
    this.#block(body, frame, out);
    return out.done();
  }

  #block(body: readonly Statement[], frame: Frame, out: TextBuilder): Flow {
    if (++this.#blocks > TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "blocks or macros nested too deep");
    let flow: Flow = "next";
    for (const node of body) {
      flow = this.#statement(node, frame, out);
      if (flow !== "next") break;
    }
    this.#blocks--;
    return flow;
  }

  #statement(node: Statement, frame: Frame, out: TextBuilder): Flow {
    this.#budget.spend(1);
    switch (node.kind) {
      case "text":
        out.own(node.value);
        return "next";
      case "output":
        out.add(toText(this.#expressions.value(node.value, frame), this.#budget));
        return "next";
      case "if":
        for (const { test, body } of node.branches) {
          this.#budget.spend(1);
          if (truthy(this.#expressions.value(test, frame))) return this.#block(body, frame, out);
        }
        return this.#block(node.otherwise, frame, out);
      case "for":
        return this.#for(node, frame, out);
      case "set":
        this.#bind(node.target, this.#expressions.value(node.value, frame), frame);
        return "next";
      case "setBlock":
        return this.#setBlock(node, frame);
      case "filterBlock":
        return this.#filterBlock(node, frame, out);
      case "macro":
        frame.set(node.target.place!, this.#macro(node, frame, node.target.name));
        return "next";
      case "callBlock":
        out.add(asText(this.#callBlock(node, frame)));
        return "next";
      case "with": {
        const values = node.values.map((value) => this.#expressions.value(value, frame));
        this.#enter(node.scope!, frame);
        for (const [i, target] of node.targets.entries()) this.#bind(target, values[i], frame);
        return this.#block(node.body, frame, out);
      }
      case "scope": {
        this.#enter(node.scope!, frame);
        return this.#block(node.body, frame, out);
      }
      case "break":
      case "continue":
        return node.kind;
      case "refused":
        throw unsupported(this.#source, node.offset, "statement", node.word);
    }
  }

  #for(node: ForNode, frame: Frame, out: TextBuilder): Flow {
    const iterable = this.#expressions.value(node.iterable, frame);
    if (!node.recursive) return this.#iterations(node, iterable, frame, 0, undefined, out);
    const render = (inner: Value, depth: number): Text => {
      const own = new Frame(node.frame!.slots, frame);
      const text = new TextBuilder(this.#budget);
      this.#iterations(node, inner, own, depth, (deeper) => render(deeper, depth + 1), text);
      return text.done();
    };
    out.add(render(iterable, 0));
    return "next";
  }

  #iterations(
    node: ForNode,
    iterable: Value,
    frame: Frame,
    depth: number,
    recurse: ((inner: Value) => Value) | undefined,
    out: TextBuilder,
  ): Flow {
    const chosen = node.test ? new Stream("generator object", this.#chosen(node, iterable, frame)) : iterable;
    const source = iterate(chosen, this.#budget);
    // Few bodies ask for `loop`.
    const loop = node.loop === undefined ? undefined : new Loop(chosen, source, depth, recurse, this.#budget);
    if (node.loop !== undefined) frame.slots[node.loop] = loop;
    // As in Python, a loop that never came to the end of its body has not run.
    let ran = false;
    for (let next = (loop ?? source).next(); !next.done; next = (loop ?? source).next()) {
      this.#budget.spend(20); // a scope and the loop's variables
      this.#enter(node.scope!, frame);
      this.#bind(node.target, next.value, frame);
      const flow = this.#block(node.body, frame, out);
      if (flow === "break") break;
      ran ||= flow === "next";
    }
    this.#leave(node.scope!, frame);
    if (ran || node.otherwise.length === 0) return "next";
    this.#enter(node.otherwiseScope!, frame);
    return this.#block(node.otherwise, frame, out);
  }

  /** The items for which the loop's test holds, when they are asked for. */
  *#chosen(node: ForNode, iterable: Value, frame: Frame): Generator<Value> {
    this.#enter(node.testScope!, frame);
    for (const item of iterate(iterable, this.#budget)) {
      this.#budget.spend(4);
      this.#bind(node.testTarget, item, frame);
      if (truthy(this.#expressions.value(node.test!, frame))) yield this.#rebuilt(node.testTarget, item, frame);
    }
  }

  /** What has been taken apart into names comes on as a tuple of them. */
  #rebuilt(target: Target, item: Value, frame: Frame): Value {
    if (target.kind !== "tupleTarget") return target.kind === "name" ? frame.at(target.place!) : item;
    return Tuple.from(target.items, (part) => this.#rebuilt(part, undefined, frame)) as Tuple;
  }

  #bind(target: Target, value: Value, frame: Frame): void {
    if (target.kind === "name") {
      frame.set(target.place!, value);
      return;
    }
    if (target.kind === "namespaceTarget") {
      const holder = frame.at(target.holder.place!);
      if (!(holder instanceof Namespace)) {
        throw templateFault("TPL_ATTR", "only a namespace's attributes can be set", typeName(holder));
      }
      checkAttribute(target.attribute);
      holder.values.set(new Text(target.attribute), value);
      return;
    }
    const parts = value === null ? undefined : items(value, this.#budget);
    if (parts?.length !== target.items.length) {
      throw templateFault("TPL_VALUE", `cannot unpack into ${target.items.length} names`, typeName(value));
    }
    for (const [i, part] of target.items.entries()) this.#bind(part, parts[i], frame);
  }

  #setBlock(node: SetBlock, frame: Frame): Flow {
    this.#enter(node.scope!, frame);
    const out = new TextBuilder(this.#budget);
    const flow = this.#block(node.body, frame, out);
    if (flow !== "next") return flow;
    const text = out.done();
    const value = node.filter ? this.#expressions.filter(node.filter, text, frame) : text;
    this.#bind(node.target, value, frame);
    return "next";
  }

  #filterBlock(node: FilterBlock, frame: Frame, out: TextBuilder): Flow {
    this.#enter(node.scope!, frame);
    const inner = new TextBuilder(this.#budget);
    const flow = this.#block(node.body, frame, inner);
    if (flow !== "next") return flow;
    // As in Jinja, what is no string is no text of a block.
    out.add(asText(this.#expressions.filter(node.filter, inner.done(), frame)));
    return "next";
  }

  #macro(node: MacroBody, frame: Frame, name: string | undefined): Callable {
    const names = node.parameters.map(({ target }) => target.name);
    return new Macro(name, names, node, (slots) => {
      this.#budget.spend(10);
      const own = new Frame(node.frame!.slots, frame);
      this.#enter(node.scope!, own);
      for (const [slot, value] of slots.special) own.slots[slot] = value;
      for (const [i, { target }] of node.parameters.entries()) {
        const given = slots.parameters[i];
        if (given) own.set(target.place!, given.value);
      }
      for (const [i, { target, fallback }] of node.parameters.entries()) {
        if (!slots.parameters[i] && fallback) own.set(target.place!, this.#expressions.value(fallback, own));
      }
      return this.#render(node.body, own);
    });
  }

  #callBlock(node: CallBlock, frame: Frame): Value {
    const caller = this.#macro(node, frame, undefined);
    return this.#expressions.call(node.call, frame, caller);
  }
}
