/** What may follow `is`. */
import { type Budget, templateFault } from "./budget.ts";
import { contains } from "./sequences.ts";
import { Callable, equal, Float, numeric, Text, type Value } from "./values.ts";

export type Test = (value: Value, other: Value, budget: Budget) => boolean;

const isIterable: Test = (value) =>
  value === undefined || value instanceof Text || Array.isArray(value) || value instanceof Map;
const isEqual: Test = (value, other, budget) => equal(value, other, budget);
const cased = (text: string): boolean => text.toLowerCase() !== text.toUpperCase();

const order =
  (test: (a: number | string, b: number | string) => boolean): Test =>
  (value, other, budget) => {
    if (value instanceof Text && other instanceof Text) budget.text(Math.min(value.text.length, other.text.length));
    if (value instanceof Text && other instanceof Text) return test(value.text, other.text);
    const [a, b] = [numeric(value), numeric(other)];
    if (a === undefined || b === undefined) throw templateFault("TPL_VALUE", "cannot order these");
    return test(a, b);
  };
const [less, lessEqual, greater, greaterEqual] = [
  order((a, b) => a < b),
  order((a, b) => a <= b),
  order((a, b) => a > b),
  order((a, b) => a >= b),
];

function divisible(value: Value, by: Value): boolean {
  const [a, b] = [numeric(value), numeric(by)];
  if (a === undefined || !b) throw templateFault("TPL_VALUE", "divisibility needs numbers");
  return a % b === 0;
}

const TESTS = new Map<string, Test>([
  ["defined", (value) => value !== undefined],
  ["undefined", (value) => value === undefined],
  ["none", (value) => value === null],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["boolean", (value) => typeof value === "boolean"],
  ["string", (value) => value instanceof Text],
  ["number", (value) => numeric(value) !== undefined],
  ["integer", (value) => typeof value === "number"],
  ["float", (value) => value instanceof Float],
  ["mapping", (value) => value instanceof Map],
  ["iterable", isIterable],
  ["sequence", isIterable],
  ["callable", (value) => value instanceof Callable],
  ["odd", (value) => Math.abs((numeric(value) ?? 0) % 2) === 1],
  ["even", (value) => (numeric(value) ?? 1) % 2 === 0],
  ["divisibleby", divisible],
  ["lower", (value) => value instanceof Text && cased(value.text) && value.text === value.text.toLowerCase()],
  ["upper", (value) => value instanceof Text && cased(value.text) && value.text === value.text.toUpperCase()],
  [
    "sameas",
    (value, other) => (value instanceof Text && other instanceof Text ? value.text === other.text : value === other),
  ],
  ["in", (value, other, budget) => contains(other, value, budget)],
  ["ne", (value, other, budget) => !equal(value, other, budget)],
  ...["eq", "equalto", "=="].map((name): [string, Test] => [name, isEqual]),
  ...["lt", "lessthan", "<"].map((name): [string, Test] => [name, less]),
  ...["le", "<="].map((name): [string, Test] => [name, lessEqual]),
  ...["gt", "greaterthan", ">"].map((name): [string, Test] => [name, greater]),
  ...["ge", ">="].map((name): [string, Test] => [name, greaterEqual]),
]);

export const TEST_NAMES: ReadonlySet<string> = new Set(TESTS.keys());

/** Those that take an argument. */
export const BINARY_TESTS: ReadonlySet<string> = new Set(
  "divisibleby sameas in ne eq equalto lt lessthan le gt greaterthan ge".split(" "),
);

export function findTest(name: string): Test {
  const test = TESTS.get(name);
  if (test) return test;
  throw templateFault("TPL_UNSUPPORTED", "unsupported test", name);
}
