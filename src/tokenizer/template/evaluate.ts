/** Expressions -> values. */
import { getAttribute, getItem, slice } from "./access.ts";
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { isFilter, runFilter } from "./filters.ts";
import { arithmetic, compare, concatenate, sign } from "./operators.ts";
import { iterate } from "./sequences.ts";
import { unsupported } from "./syntax-error.ts";
import { isTest, runTest } from "./tests.ts";
import type { Arguments, CallNode, Expression, FilterNode, Place } from "./tree.ts";
import { Callable, type Dict, Mapping, Text, Tuple, truthy, undefinedUsed, type Value, wrong } from "./values.ts";

/** The variables of one call of a function. */
export class Frame {
  readonly slots: Value[];
  readonly parent: Frame | undefined;

  constructor(size: number, parent?: Frame) {
    this.slots = new Array(size).fill(undefined);
    this.parent = parent;
  }

  at({ hops, slot }: Place): Value {
    return this.#outwards(hops).slots[slot];
  }

  set({ hops, slot }: Place, value: Value): void {
    this.#outwards(hops).slots[slot] = value;
  }

  #outwards(hops: number): Frame {
    let frame: Frame = this;
    for (let left = hops; left > 0; left--) frame = frame.parent!;
    return frame;
  }
}

/** Nobody adds to it. */
const NONE: Dict = new Map();

export class Evaluator {
  readonly #budget: Budget;
  readonly #source: string;
  #depth = 0;

  constructor(budget: Budget, source: string) {
    this.#budget = budget;
    this.#source = source;
  }

  value(node: Expression, frame: Frame): Value {
    this.#budget.spend(1);
    if (++this.#depth > TEMPLATE_LIMITS.expression) throw templateFault("TPL_DEPTH", "expression nested too deep");
    const value = this.#evaluate(node, frame);
    this.#depth--;
    return value;
  }

  #evaluate(node: Expression, frame: Frame): Value {
    switch (node.kind) {
      case "constant":
        return node.value;
      case "name":
        return frame.at(node.place!);
      case "tuple":
        return Tuple.from(node.items, (item) => this.value(item, frame)) as Tuple;
      case "list":
        return node.items.map((item) => this.value(item, frame));
      case "mapping":
        return this.#mapping(node.entries, frame);
      case "concat":
        return concatenate(
          node.items.map((item) => this.value(item, frame)),
          this.#budget,
        );
      case "attribute":
        return getAttribute(this.value(node.object, frame), node.name, this.#budget);
      case "item":
        return getItem(this.value(node.object, frame), this.value(node.key, frame), this.#budget);
      case "slice": {
        const object = this.value(node.object, frame);
        const bound = (part: Expression | undefined): Value => (part ? this.value(part, frame) : null);
        const bounds = { start: bound(node.start), stop: bound(node.stop), step: bound(node.step) };
        return slice(object, bounds, this.#budget);
      }
      case "call":
        return this.call(node, frame);
      case "filter":
        return this.filter(node, undefined, frame);
      case "test": {
        const operand = this.value(node.operand, frame);
        const { list, named } = this.#arguments(node.args, frame);
        if (!isTest(node.name)) throw unsupported(this.#source, node.offset, "test", node.name);
        return runTest(node.name, operand, list, named, isFilter, this.#budget);
      }
      case "not":
        return !truthy(this.value(node.operand, frame));
      case "sign":
        return sign(node.operator, this.value(node.operand, frame));
      case "arithmetic": {
        const left = this.value(node.left, frame);
        return arithmetic(node.operator, left, this.value(node.right, frame), this.#budget);
      }
      case "and": {
        const left = this.value(node.left, frame);
        return truthy(left) ? this.value(node.right, frame) : left;
      }
      case "or": {
        const left = this.value(node.left, frame);
        return truthy(left) ? left : this.value(node.right, frame);
      }
      case "compare": {
        let left = this.value(node.first, frame);
        for (const [operator, operand] of node.rest) {
          const right = this.value(operand, frame);
          if (!compare(operator, left, right, this.#budget)) return false;
          left = right;
        }
        return true;
      }
      case "conditional":
        if (truthy(this.value(node.test, frame))) return this.value(node.value, frame);
        return node.otherwise ? this.value(node.otherwise, frame) : undefined;
    }
  }

  #mapping(entries: readonly (readonly [Expression, Expression])[], frame: Frame): Mapping {
    const map = new Mapping();
    for (const [key, value] of entries) {
      const name = this.value(key, frame);
      if (name instanceof Text) this.#budget.text(name.text.length);
      map.set(name, this.value(value, frame));
    }
    return map;
  }

  #arguments(nodes: Arguments, frame: Frame, caller?: Callable): { list: Value[]; named: Dict } {
    const list = nodes.list.map((node) => this.value(node, frame));
    if (nodes.named.length === 0 && !caller && !nodes.spread && !nodes.spreadNamed) return { list, named: NONE };
    const named: Dict = new Map();
    for (const [name, node] of nodes.named) named.set(name, this.value(node, frame));
    if (caller) named.set("caller", caller);
    if (nodes.spread) {
      const spread = this.value(nodes.spread, frame);
      if (spread === null) return wrong("* needs what can be looped over", spread);
      for (const item of iterate(spread, this.#budget)) {
        this.#budget.spend(4);
        list.push(item);
      }
    }
    if (nodes.spreadNamed) {
      const map = this.value(nodes.spreadNamed, frame);
      if (!(map instanceof Mapping)) return wrong("** needs a mapping", map);
      this.#budget.spend(map.size * 4);
      for (const [key, value] of map.entries()) {
        if (!(key instanceof Text)) return wrong("an argument's name is a string", key);
        if (named.has(key.text)) throw templateFault("TPL_VALUE", "an argument is given twice", key.text);
        named.set(key.text, value);
      }
    }
    return { list, named };
  }

  /** `caller` is what a call block hands over. */
  call({ callee, args, offset }: CallNode, frame: Frame, caller?: Callable): Value {
    const callable = this.value(callee, frame);
    const { list, named } = this.#arguments(args, frame, caller);
    if (callable instanceof Callable) return callable.call(list, named);
    const name = callee.kind === "name" || callee.kind === "attribute" ? callee.name : undefined;
    if (callable === undefined && name !== undefined) {
      throw unsupported(this.#source, offset, "function or method", name);
    }
    return callable === undefined ? undefinedUsed() : wrong("this cannot be called", callable);
  }

  /** `text` is the block's, where a block is filtered. */
  filter(node: FilterNode, text: Text | undefined, frame: Frame): Value {
    const { operand } = node;
    const filtered = operand?.kind === "filter" && text ? this.filter(operand, text, frame) : text;
    const value = operand && !text ? this.value(operand, frame) : filtered;
    const { list, named } = this.#arguments(node.args, frame);
    if (!isFilter(node.name)) throw unsupported(this.#source, node.offset, "filter", node.name);
    return runFilter(node.name, value, list, named, this.#budget);
  }
}
