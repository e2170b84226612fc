/** The variable `loop`. */
import { type Budget, templateFault } from "./budget.ts";
import { equal } from "./compare.ts";
import { length } from "./sequences.ts";
import { bind, NO_NAMES, takes } from "./signature.ts";
import { Callable, Stream, Tuple, type Value } from "./values.ts";

const ITERABLE = takes("iterable");
const NOTHING = Symbol("nothing");

/** Reads on only as far as it is asked: `loop.last` looks one item ahead, `loop.length` of an iterator reads all. */
export class Loop extends Callable {
  readonly #iterable: Value;
  readonly #depth: number;
  readonly #budget: Budget;
  #source: Iterator<Value>;
  #index = -1;
  #length: number | undefined;
  #before: Value;
  #current: Value;
  #after: Value | typeof NOTHING = NOTHING;
  #changed: Value;
  #everChanged = false;

  /** `recurse` renders the loop's body for other items, one level deeper. */
  constructor(
    iterable: Value,
    source: Iterator<Value>,
    depth: number,
    recurse: ((iterable: Value) => Value) | undefined,
    budget: Budget,
  ) {
    super((args, named) => {
      const [inner] = bind(ITERABLE, args, named);
      if (!recurse) throw templateFault("TPL_VALUE", "the loop is not recursive");
      return recurse(inner);
    });
    this.#iterable = iterable;
    this.#source = source;
    this.#depth = depth;
    this.#budget = budget;
  }

  override print(): string {
    return `<LoopContext ${this.#index + 1}/${this.length}>`;
  }

  next(): IteratorResult<Value, undefined> {
    let item: Value;
    if (this.#after !== NOTHING) {
      item = this.#after;
      this.#after = NOTHING;
    } else {
      const next = this.#source.next();
      if (next.done) return { done: true, value: undefined };
      item = next.value;
    }
    this.#index++;
    this.#before = this.#current;
    this.#current = item;
    return { done: false, value: item };
  }

  #peek(): Value | typeof NOTHING {
    if (this.#after === NOTHING) {
      const next = this.#source.next();
      if (!next.done) this.#after = next.value;
    }
    return this.#after;
  }

  get length(): number {
    if (this.#length !== undefined) return this.#length;
    if (!(this.#iterable instanceof Stream)) {
      this.#length = length(this.#iterable);
    } else {
      const rest: Value[] = [];
      for (let next = this.#source.next(); !next.done; next = this.#source.next()) {
        this.#budget.spend(4);
        rest.push(next.value);
      }
      this.#source = rest.values();
      this.#length = rest.length + this.#index + 1 + (this.#after === NOTHING ? 0 : 1);
    }
    return this.#length;
  }

  override attribute(name: string): Value {
    switch (name) {
      case "index":
        return this.#index + 1;
      case "index0":
        return this.#index;
      case "revindex":
        return this.length - this.#index;
      case "revindex0":
        return this.length - this.#index - 1;
      case "first":
        return this.#index === 0;
      case "last":
        return this.#peek() === NOTHING;
      case "length":
        return this.length;
      case "depth":
        return this.#depth + 1;
      case "depth0":
        return this.#depth;
      case "previtem":
        return this.#index === 0 ? undefined : this.#before;
      case "nextitem": {
        const next = this.#peek();
        return next === NOTHING ? undefined : next;
      }
      case "cycle":
        return new Callable((args, named) => this.#cycle(args, named));
      case "changed":
        return new Callable((args, named) => this.#change(args, named));
      default:
        return undefined;
    }
  }

  #cycle(args: Value[], named: ReadonlyMap<string, Value>): Value {
    bind(NO_NAMES, [], named);
    if (args.length === 0) throw templateFault("TPL_VALUE", "no items to cycle through");
    return args[this.#index % args.length];
  }

  #change(args: Value[], named: ReadonlyMap<string, Value>): boolean {
    bind(NO_NAMES, [], named);
    const now = Tuple.from(args) as Tuple;
    if (this.#everChanged && equal(this.#changed, now, this.#budget)) return false;
    this.#everChanged = true;
    this.#changed = now;
    return true;
  }
}
