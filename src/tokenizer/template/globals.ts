/** Functions every template can call. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { fromKeys } from "./methods.ts";
import { asInt } from "./numbers.ts";
import { toText } from "./print.ts";
import { items } from "./sequences.ts";
import { bind, NO_NAMES, takes } from "./signature.ts";
import { strftime } from "./strftime.ts";
import {
  Callable,
  type Dict,
  Mapping,
  Namespace,
  Range,
  Text,
  Thing,
  Tuple,
  undefinedUsed,
  type Value,
  wrong,
} from "./values.ts";

const FORMAT = takes("format");
const MESSAGE = takes("message");
const SEPARATOR = takes("sep", new Text(", "));
const FROM_KEYS = takes("keys value /", null);

export function makeGlobals(budget: Budget, now: Date): Dict {
  return new Map<string, Value>([
    ["range", new Callable((args, named) => range(args, named, budget))],
    ["namespace", new Callable((args, named) => namespace(args, named, budget))],
    ["dict", new DictGlobal(budget)],
    ["cycler", new Callable((args, named) => cycler(args, named))],
    ["joiner", new Callable((args, named) => new Joiner(bind(SEPARATOR, args, named)[0]))],
    [
      "lipsum",
      new Callable(() => {
        throw templateFault("TPL_UNSUPPORTED", "unsupported function", "lipsum");
      }),
    ],
    [
      "strftime_now",
      new Callable((args, named) => {
        const [format] = bind(FORMAT, args, named);
        if (!(format instanceof Text)) return wrong("a date's format is a string", format);
        return new Text(strftime(now, format.text.slice(0, 256)));
      }),
    ],
    [
      "raise_exception",
      new Callable((args, named) => {
        const [message] = bind(MESSAGE, args, named);
        const text = toText(message, budget).text.slice(0, 120);
        throw templateFault("TPL_RAISED", "the template refuses these messages", text);
      }),
    ],
  ]);
}

/** What `dict(...)` and `namespace(...)` take: a mapping or pairs, and names. */
function entries(args: Value[], named: ReadonlyMap<string, Value>, budget: Budget): Mapping {
  if (args.length > 1) throw templateFault("TPL_VALUE", "too many arguments", args.length, "at most 1");
  const [given] = args;
  let map = new Mapping();
  if (given instanceof Mapping) map = given.copy(budget);
  else if (args.length > 0) {
    if (given === undefined) return undefinedUsed();
    for (const pair of items(given, budget)) {
      budget.spend(8);
      const [key, value, ...rest] = items(pair, budget);
      if (rest.length > 0 || items(pair, budget).length !== 2) return wrong("pairs make a mapping", pair);
      map.set(key, value);
    }
  }
  for (const [key, value] of named) map.set(new Text(key), value);
  return map;
}

function namespace(args: Value[], named: ReadonlyMap<string, Value>, budget: Budget): Namespace {
  const map = entries(args, named, budget);
  for (const key of map.keys()) if (key instanceof Text) checkAttribute(key.text);
  return new Namespace(map);
}

/** As in transformers, the attributes of a namespace do not begin with an underscore. */
export function checkAttribute(name: string): void {
  if (name.startsWith("_")) throw templateFault("TPL_ATTR", "an attribute of a namespace begins with _", name);
}

class DictGlobal extends Callable {
  readonly #budget: Budget;

  constructor(budget: Budget) {
    super((args, named) => entries(args, named, budget), "<dict>");
    this.#budget = budget;
  }

  override attribute(name: string): Value {
    if (name !== "fromkeys") return undefined;
    return new Callable((args, named) => fromKeys(bind(FROM_KEYS, args, named), this.#budget));
  }
}

function range(args: Value[], named: ReadonlyMap<string, Value>, budget: Budget): Range {
  if (named.size > 0 || args.length < 1 || args.length > 3) {
    throw templateFault("TPL_VALUE", "range takes one to three integers");
  }
  const numbers = args.map((arg) => {
    const number = arg === undefined ? undefinedUsed() : (asInt(arg) ?? wrong("range takes integers", arg));
    return typeof number === "bigint" ? Number(number) : number;
  });
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1];
  if (step === 0) throw templateFault("TPL_VALUE", "range with step 0");
  const made = new Range(start, stop, step);
  if (made.length > TEMPLATE_LIMITS.range) {
    throw templateFault("TPL_FUEL", "too large a range", made.length, `at most ${TEMPLATE_LIMITS.range}`);
  }
  budget.spend(1);
  return made;
}

const noArguments = (run: () => Value): Callable =>
  new Callable((args, named) => {
    bind(NO_NAMES, args, named);
    return run();
  });

function cycler(args: Value[], named: ReadonlyMap<string, Value>): Cycler {
  bind(NO_NAMES, [], named);
  return new Cycler(args);
}

/** `cycler('odd', 'even')`. */
class Cycler extends Thing {
  readonly #items: readonly Value[];
  #position = 0;

  constructor(list: readonly Value[]) {
    super();
    if (list.length === 0) throw templateFault("TPL_VALUE", "a cycler of nothing");
    this.#items = list;
  }

  print(): string {
    return "<Cycler>";
  }

  override attribute(name: string): Value {
    switch (name) {
      case "current":
        return this.#items[this.#position];
      case "pos":
        return this.#position;
      case "items":
        return Tuple.from(this.#items) as Tuple;
      case "reset":
        return noArguments(() => {
          this.#position = 0;
          return null;
        });
      case "next":
        return noArguments(() => {
          const item = this.#items[this.#position];
          this.#position = (this.#position + 1) % this.#items.length;
          return item;
        });
      default:
        return undefined;
    }
  }
}

/** `joiner(', ')`: nothing at the first call, then the separator. */
class Joiner extends Callable {
  readonly #separator: Value;
  #used = false;

  constructor(separator: Value) {
    super((args, named) => {
      bind(NO_NAMES, args, named);
      if (this.#used) return this.#separator;
      this.#used = true;
      return new Text("");
    }, "<Joiner>");
    this.#separator = separator;
  }

  override attribute(name: string): Value {
    if (name === "sep") return this.#separator;
    return name === "used" ? this.#used : undefined;
  }
}
