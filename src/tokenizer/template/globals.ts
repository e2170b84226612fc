/** Functions every template can call. */
import { type Budget, templateFault } from "./budget.ts";
import { Callable, type Dict, Namespace, numeric, Text, toText, typeName, type Value } from "./values.ts";

export const GLOBAL_NAMES = new Set(["range", "namespace", "dict", "raise_exception", "strftime_now"]);

export function makeGlobals(budget: Budget, now: Date): Dict {
  return new Map<string, Value>([
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
    ["none", null],
    ["None", null],
    ["range", new Callable((args) => range(args, budget))],
    ["namespace", new Callable((args, named) => new Namespace(new Map([...entries(args[0]), ...named])))],
    ["dict", new Callable((args, named) => new Map([...entries(args[0]), ...named]))],
    ["strftime_now", new Callable(([format]) => new Text(strftime(now, toText(format, budget).text.slice(0, 256))))],
    [
      "raise_exception",
      new Callable(([message]) => {
        throw templateFault(
          "TPL_RAISED",
          "the template refuses these messages",
          toText(message, budget).text.slice(0, 120),
        );
      }),
    ],
  ]);
}

function entries(value: Value): Dict {
  if (value === undefined) return new Map();
  if (value instanceof Map) return value;
  throw templateFault("TPL_VALUE", "expected a mapping", typeName(value));
}

function range(args: Value[], budget: Budget): Value[] {
  const numbers = args.map(numeric);
  if (numbers.length < 1 || numbers.length > 3 || !numbers.every(Number.isInteger)) {
    throw templateFault("TPL_VALUE", "range takes one to three integers");
  }
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  if (step === 0) throw templateFault("TPL_VALUE", "range with step 0");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  budget.spend(count);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const day = (date: Date): number => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());

function strftime(now: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const parts: Record<string, () => string> = {
    Y: () => String(now.getFullYear()),
    y: () => two(now.getFullYear() % 100),
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    e: () => String(now.getDate()).padStart(2),
    j: () => String(Math.round((day(now) - day(new Date(now.getFullYear(), 0, 0))) / 864e5)).padStart(3, "0"),
    B: () => MONTHS[now.getMonth()],
    b: () => MONTHS[now.getMonth()].slice(0, 3),
    A: () => DAYS[now.getDay()],
    a: () => DAYS[now.getDay()].slice(0, 3),
    H: () => two(now.getHours()),
    I: () => two(now.getHours() % 12 || 12),
    p: () => (now.getHours() < 12 ? "AM" : "PM"),
    M: () => two(now.getMinutes()),
    S: () => two(now.getSeconds()),
    F: () => strftime(now, "%Y-%m-%d"),
    T: () => strftime(now, "%H:%M:%S"),
    "%": () => "%",
  };
  return format.replace(/%(-?)(.)/g, (part, bare, name) => {
    if (!Object.hasOwn(parts, name)) throw templateFault("TPL_UNSUPPORTED", "unsupported date format", part);
    return bare ? parts[name]().replace(/^[0 ]+(?=.)/, "") : parts[name]();
  });
}
