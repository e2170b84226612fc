/** Macros, and what a call block hands over: how their arguments are bound. */
import { templateFault } from "./budget.ts";
import { quoted } from "./print.ts";
import type { MacroBody } from "./tree.ts";
import { Callable, Mapping, Text, Tuple, type Value } from "./values.ts";

/** Values for a call: of the parameters that were given, and of `caller`, `kwargs` and `varargs` by their slots. */
export interface Bound {
  readonly parameters: readonly ({ readonly value: Value } | undefined)[];
  readonly special: readonly (readonly [number, Value])[];
}

type Body = Pick<MacroBody, "caller" | "kwargs" | "varargs">;

export class Macro extends Callable {
  readonly #name: string | undefined;
  readonly #parameters: readonly string[];
  readonly #body: Body;

  constructor(name: string | undefined, parameters: readonly string[], body: Body, run: (bound: Bound) => Text) {
    super(
      (args, named) => run(bind(args, named, parameters, body)),
      `<Macro ${name === undefined ? "anonymous" : quoted(name)}>`,
    );
    this.#name = name;
    this.#parameters = parameters;
    this.#body = body;
  }

  override attribute(name: string): Value {
    switch (name) {
      case "name":
        return this.#name === undefined ? null : new Text(this.#name);
      case "arguments":
        return Tuple.from(this.#parameters, (one) => new Text(one)) as Tuple;
      case "catch_kwargs":
        return this.#body.kwargs !== undefined;
      case "catch_varargs":
        return this.#body.varargs !== undefined;
      case "caller":
        return this.#body.caller !== undefined;
      case "explicit_caller":
        return this.#parameters.includes("caller");
      default:
        return undefined;
    }
  }
}

function bind(args: Value[], named: ReadonlyMap<string, Value>, parameters: readonly string[], body: Body): Bound {
  const rest = new Map(named);
  const bound = parameters.map((name, i) => {
    if (i < args.length) return { value: args[i] };
    if (!rest.has(name)) return undefined;
    const value = rest.get(name);
    rest.delete(name);
    return { value };
  });
  const special: [number, Value][] = [];
  if (body.caller !== undefined) {
    const caller = rest.get("caller");
    rest.delete("caller");
    special.push([body.caller, caller === null ? undefined : caller]);
  }
  if (body.kwargs !== undefined) {
    special.push([body.kwargs, new Mapping([...rest].map(([name, value]) => [new Text(name), value]))]);
  } else if (rest.size > 0) {
    const [name] = rest.keys();
    throw templateFault("TPL_VALUE", "the macro does not take this argument", name);
  }
  if (body.varargs !== undefined) {
    special.push([body.varargs, Tuple.from(args.slice(parameters.length)) as Tuple]);
  } else if (args.length > parameters.length) {
    throw templateFault("TPL_VALUE", "too many arguments for the macro", args.length, `at most ${parameters.length}`);
  }
  return { parameters: bound, special };
}
