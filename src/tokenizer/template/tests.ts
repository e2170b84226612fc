/** What may follow `is`. */
import { type Budget, templateFault } from "./budget.ts";
import { KINDS } from "./casing.ts";
import { equal, same } from "./compare.ts";
import { numeric } from "./numbers.ts";
import { arithmetic, compare } from "./operators.ts";
import { toText } from "./print.ts";
import { contains, isIterable } from "./sequences.ts";
import { bind, NO_NAMES, type Signature, takes } from "./signature.ts";
import { Markup, Text } from "./text.ts";
import { asked, Callable, Float, isInt, Mapping, Range, Silent, type Value } from "./values.ts";

type Run = (value: Value, args: Value[], budget: Budget) => boolean;
interface Test {
  readonly signature: Signature;
  readonly run: Run;
}

const ONE = takes("other");
const plain = (run: Run): Test => ({ signature: NO_NAMES, run });
const binary = (run: (value: Value, other: Value, budget: Budget) => boolean, signature = ONE): Test => ({
  signature,
  run: (value, [other], budget) => run(value, other, budget),
});
const comparing = (operator: "<" | "<=" | ">" | ">=" | "==" | "!="): Test =>
  binary((value, other, budget) => compare(operator, value, other, budget), takes("other /"));

const remainderIs = (value: Value, by: Value, rest: number, budget: Budget): boolean =>
  equal(arithmetic("%", value, by, budget), rest, budget);

const kind =
  (name: string): Run =>
  (value, _, budget) => {
    const { text } = toText(value, budget);
    budget.text(text.length);
    return KINDS.get(name)!(text);
  };

function isSequence(value: Value): boolean {
  if (value instanceof Silent) return value.value === undefined;
  return (
    value === undefined ||
    value instanceof Text ||
    Array.isArray(value) ||
    value instanceof Mapping ||
    value instanceof Range
  );
}

const TESTS = new Map<string, Test>([
  ["defined", plain((value) => asked(value) !== undefined)],
  ["undefined", plain((value) => asked(value) === undefined)],
  ["none", plain((value) => asked(value) === null)],
  ["true", plain((value) => value === true)],
  ["false", plain((value) => value === false)],
  ["boolean", plain((value) => typeof value === "boolean")],
  ["string", plain((value) => value instanceof Text)],
  ["number", plain((value) => numeric(value) !== undefined)],
  ["integer", plain((value) => isInt(value))],
  ["float", plain((value) => value instanceof Float)],
  ["mapping", plain((value) => value instanceof Mapping)],
  ["iterable", plain(isIterable)],
  ["sequence", plain(isSequence)],
  // Python's undefined has a method that says it cannot be called.
  ["callable", plain((value) => value instanceof Callable || asked(value) === undefined)],
  ["escaped", plain((value) => value instanceof Markup)],
  ["odd", plain((value, _, budget) => remainderIs(value, 2, 1, budget))],
  ["even", plain((value, _, budget) => remainderIs(value, 2, 0, budget))],
  ["divisibleby", binary((value, by, budget) => remainderIs(value, by, 0, budget), takes("num"))],
  ["lower", plain(kind("islower"))],
  ["upper", plain(kind("isupper"))],
  ["sameas", binary(same)],
  ["in", binary((value, holder, budget) => contains(holder, value, budget), takes("seq"))],
  ...["eq", "equalto", "=="].map((name): [string, Test] => [name, comparing("==")]),
  ...["ne", "!="].map((name): [string, Test] => [name, comparing("!=")]),
  ...["lt", "lessthan", "<"].map((name): [string, Test] => [name, comparing("<")]),
  ...["le", "<="].map((name): [string, Test] => [name, comparing("<=")]),
  ...["gt", "greaterthan", ">"].map((name): [string, Test] => [name, comparing(">")]),
  ...["ge", ">="].map((name): [string, Test] => [name, comparing(">=")]),
]);

export const isTest = (name: string): boolean => TESTS.has(name) || name === "filter" || name === "test";

/** `isFilter` tells whether there is a filter of that name. */
export function runTest(
  name: string,
  value: Value,
  list: readonly Value[],
  named: ReadonlyMap<string, Value>,
  isFilter: (name: string) => boolean,
  budget: Budget,
): boolean {
  if (value instanceof Text) budget.text(value.text.length);
  if (name === "filter" || name === "test") {
    bind(NO_NAMES, list, named);
    // In Python these are looked up in mappings.
    new Mapping().has(value);
    return value instanceof Text && (name === "test" ? isTest(value.text) : isFilter(value.text));
  }
  const test = TESTS.get(name);
  if (!test) throw templateFault("TPL_UNSUPPORTED", "unsupported test", name);
  return test.run(value, bind(test.signature, list, named), budget);
}
