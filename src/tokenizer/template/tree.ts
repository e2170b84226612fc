/** The syntax tree of a template. Names are resolved to places in frames by symbols.ts. */
import type { Value } from "./values.ts";

/** Where a name lives: so many frames (functions) outwards, in that slot. */
export interface Place {
  readonly hops: number;
  readonly slot: number;
}

/** A name that is read or set. `place` is filled in by symbols.ts, after parsing. */
export interface NameNode {
  readonly kind: "name";
  readonly name: string;
  readonly offset: number;
  place?: Place;
}

/** `ns.attribute`, as the target of an assignment. */
export interface NamespaceTarget {
  readonly kind: "namespaceTarget";
  readonly holder: NameNode;
  readonly attribute: string;
}

export interface TupleTarget {
  readonly kind: "tupleTarget";
  readonly items: readonly Target[];
}

export type Target = NameNode | NamespaceTarget | TupleTarget;

export interface Arguments {
  readonly list: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  readonly spread: Expression | undefined;
  readonly spreadNamed: Expression | undefined;
}

export interface FilterNode {
  readonly kind: "filter";
  /** Absent where a block's text is filtered. */
  readonly operand: Expression | undefined;
  readonly name: string;
  readonly args: Arguments;
  readonly offset: number;
}

export interface CallNode {
  readonly kind: "call";
  readonly callee: Expression;
  readonly args: Arguments;
  readonly offset: number;
}

export interface SliceNode {
  readonly kind: "slice";
  readonly object: Expression;
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";
export type Arithmetic = "+" | "-" | "*" | "/" | "//" | "%" | "**";

export type Expression =
  | NameNode
  | FilterNode
  | CallNode
  | SliceNode
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "tuple" | "list" | "concat"; readonly items: readonly Expression[] }
  | { readonly kind: "mapping"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "attribute"; readonly object: Expression; readonly name: string }
  | { readonly kind: "item"; readonly object: Expression; readonly key: Expression }
  | {
      readonly kind: "test";
      readonly operand: Expression;
      readonly name: string;
      readonly args: Arguments;
      readonly offset: number;
    }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "sign"; readonly operator: "+" | "-"; readonly operand: Expression }
  | {
      readonly kind: "arithmetic";
      readonly operator: Arithmetic;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: "compare";
      readonly first: Expression;
      readonly rest: readonly (readonly [Comparison, Expression])[];
    }
  | {
      readonly kind: "conditional";
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    };

/** What a scope does when it is entered: copy from another slot, or ask the variables of the render by name. */
export interface Load {
  readonly slot: number;
  readonly from: Place | string | undefined;
}

/** A scope of names within a frame. */
export interface Scope {
  loads: readonly Load[];
}

/** A function: a macro, a call block's body, a recursive loop, the template itself. */
export interface FrameLayout {
  slots: number;
}

export interface Parameter {
  readonly target: NameNode;
  readonly fallback: Expression | undefined;
}

/** What a macro and the body of a call block have in common. */
export interface MacroBody {
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
  readonly offset: number;
  scope?: Scope;
  frame?: FrameLayout;
  /** Slots of `caller`, `kwargs` and `varargs`, where the body reads them. */
  caller?: number;
  kwargs?: number;
  varargs?: number;
}

export interface MacroNode extends MacroBody {
  readonly kind: "macro";
  readonly target: NameNode;
}

export interface CallBlock extends MacroBody {
  readonly kind: "callBlock";
  readonly call: CallNode;
}

export interface ForNode {
  readonly kind: "for";
  readonly target: Target;
  readonly iterable: Expression;
  readonly test: Expression | undefined;
  readonly recursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
  /** The test sets the target on its own: in Python it is a generator. */
  readonly testTarget: Target;
  scope?: Scope;
  testScope?: Scope;
  otherwiseScope?: Scope;
  /** Slot of `loop`, where the body reads it. */
  loop?: number;
  /** A recursive loop is a function. */
  frame?: FrameLayout;
}

export interface Branch {
  readonly test: Expression;
  readonly body: readonly Statement[];
}

export type Statement =
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "output"; readonly value: Expression }
  | { readonly kind: "if"; readonly branches: readonly Branch[]; readonly otherwise: readonly Statement[] }
  | { readonly kind: "break" | "continue"; readonly offset: number }
  | { readonly kind: "set"; readonly target: Target; readonly value: Expression }
  | SetBlock
  | FilterBlock
  | WithNode
  | ScopeBlock
  | ForNode
  | MacroNode
  | CallBlock
  | Refused;

export interface SetBlock {
  readonly kind: "setBlock";
  readonly target: Target;
  readonly filter: FilterNode | undefined;
  readonly body: readonly Statement[];
  scope?: Scope;
}

export interface FilterBlock {
  readonly kind: "filterBlock";
  readonly filter: FilterNode;
  readonly body: readonly Statement[];
  scope?: Scope;
}

export interface WithNode {
  readonly kind: "with";
  readonly targets: readonly Target[];
  readonly values: readonly Expression[];
  readonly body: readonly Statement[];
  scope?: Scope;
}

/** `{% generation %}` (a function in Python) and `{% autoescape false %}`: what they hold, in a scope of its own. */
export interface ScopeBlock {
  readonly kind: "scope";
  readonly body: readonly Statement[];
  /** Whether break and continue reach through it. */
  readonly function: boolean;
  scope?: Scope;
}

/** A statement that we know and do not have: an error where it is reached. */
export interface Refused {
  readonly kind: "refused";
  readonly word: string;
  readonly offset: number;
}

export interface Program {
  /** For the places in errors. */
  readonly source: string;
  readonly body: readonly Statement[];
  readonly scope: Scope;
  readonly frame: FrameLayout;
}
