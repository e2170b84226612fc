/**
 * Which name means which variable, settled before anything runs, as Jinja's compiler does it: a name that a scope sets
 * anywhere is the scope's own from its start, beginning with the outer value where an outer scope knows the name.
 */

import type { Expression, FrameLayout, Load, NameNode, Place, Scope, Statement, Target } from "./tree.ts";
import { eachExpression, eachTarget } from "./walk.ts";

/** A function while it is compiled. */
export class Frame {
  readonly layout: FrameLayout = { slots: 0 };
  readonly depth: number;

  constructor(parent?: Frame) {
    this.depth = parent ? parent.depth + 1 : 0;
  }
}

interface Slot {
  readonly frame: Frame;
  readonly slot: number;
}

/** Where a variable's first value comes from: an outer variable, the render's variables by name, a call, nowhere. */
type Source = { readonly alias: Slot } | { readonly variable: string } | "parameter" | "nothing";

export class Symbols {
  readonly frame: Frame;
  readonly #parent: Symbols | undefined;
  /** Shared by the copies that branches get: one name is one slot. */
  readonly #slots: Map<string, Slot>;
  #refs = new Map<string, Slot>();
  #loads = new Map<Slot, Source>();
  #stores = new Set<string>();

  constructor(frame: Frame, parent?: Symbols, slots = new Map<string, Slot>()) {
    this.frame = frame;
    this.#parent = parent;
    this.#slots = slots;
  }

  #copy(): Symbols {
    const copy = new Symbols(this.frame, this.#parent, this.#slots);
    copy.#refs = new Map(this.#refs);
    copy.#loads = new Map(this.#loads);
    copy.#stores = new Set(this.#stores);
    return copy;
  }

  #define(name: string, source: Source): Slot {
    let slot = this.#slots.get(name);
    if (!slot) {
      slot = { frame: this.frame, slot: this.frame.layout.slots++ };
      this.#slots.set(name, slot);
    }
    this.#refs.set(name, slot);
    this.#loads.set(slot, source);
    return slot;
  }

  find(name: string): Slot | undefined {
    return this.#refs.get(name) ?? this.#parent?.find(name);
  }

  declare(name: string): number {
    this.#stores.add(name);
    return this.#define(name, "parameter").slot;
  }

  load(name: string): void {
    if (!this.find(name)) this.#define(name, { variable: name });
  }

  store(name: string): void {
    this.#stores.add(name);
    if (this.#refs.has(name)) return;
    const outer = this.#parent?.find(name);
    this.#define(name, outer ? { alias: outer } : "nothing");
  }

  #merge(branches: readonly Symbols[]): void {
    const stores = new Set<string>();
    for (const branch of branches) for (const name of branch.#stores) if (!this.#stores.has(name)) stores.add(name);
    for (const branch of branches) {
      for (const [name, slot] of branch.#refs) this.#refs.set(name, slot);
      for (const [slot, source] of branch.#loads) this.#loads.set(slot, source);
      for (const name of branch.#stores) this.#stores.add(name);
    }
    for (const name of stores) {
      const outer = this.#parent?.find(name);
      this.#loads.set(this.find(name)!, outer ? { alias: outer } : { variable: name });
    }
  }

  placeOf(name: string, from: Frame): Place {
    const slot = this.find(name)!;
    return { hops: from.depth - slot.frame.depth, slot: slot.slot };
  }

  scope(): Scope {
    const loads: Load[] = [];
    for (const [{ slot }, source] of this.#loads) {
      if (source === "parameter") continue;
      if (source === "nothing") loads.push({ slot, from: undefined });
      else if ("variable" in source) loads.push({ slot, from: source.variable });
      else {
        const { alias } = source;
        loads.push({ slot, from: { hops: this.frame.depth - alias.frame.depth, slot: alias.slot } });
      }
    }
    return { loads };
  }

  readonly expression = (node: Expression | undefined): void => {
    if (node) eachExpression(node, (one) => one.kind === "name" && this.load(one.name));
  };

  target(target: Target, parameter: boolean): void {
    eachTarget(target, (one) => {
      if (one.kind === "namespaceTarget") this.load(one.holder.name);
      else if (parameter) this.declare(one.name);
      else this.store(one.name);
    });
  }

  /** Names of this scope in statements; blocks with scopes of their own are seen from outside only. */
  statements(body: readonly Statement[]): void {
    for (const node of body) this.#statement(node);
  }

  #statement(node: Statement): void {
    switch (node.kind) {
      case "output":
        this.expression(node.value);
        break;
      case "if":
        this.#if(node.branches, node.otherwise);
        break;
      case "set":
        this.expression(node.value);
        this.target(node.target, false);
        break;
      case "setBlock":
        this.target(node.target, false);
        break;
      case "macro":
        this.store(node.target.name);
        break;
      case "for":
        this.expression(node.iterable);
        break;
      case "callBlock":
        this.expression(node.call);
        break;
      case "filterBlock":
        this.expression(node.filter);
        break;
      case "with":
        node.values.forEach(this.expression);
    }
  }

  #if(branches: readonly { test: Expression; body: readonly Statement[] }[], otherwise: readonly Statement[]): void {
    const [first, ...rest] = branches;
    this.expression(first.test);
    const inner = (visit: (copy: Symbols) => void): Symbols => {
      const copy = this.#copy();
      visit(copy);
      return copy;
    };
    this.#merge([
      inner((copy) => copy.statements(first.body)),
      inner((copy) => {
        for (const branch of rest) copy.#if([branch], []);
      }),
      inner((copy) => copy.statements(otherwise)),
    ]);
  }
}

export function setPlace(node: NameNode, symbols: Symbols, from: Frame): void {
  node.place = symbols.placeOf(node.name, from);
}
