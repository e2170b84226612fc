/** What may follow `|`. */
import { type Budget, templateFault } from "./budget.ts";
import type { Filter, FilterCall } from "./filter.ts";
import { LIST_FILTERS } from "./list-filters.ts";
import { NUMBER_FILTERS } from "./number-filters.ts";
import { bind } from "./signature.ts";
import { runTest } from "./tests.ts";
import { Text } from "./text.ts";
import { TEXT_FILTERS } from "./text-filters.ts";
import type { Value } from "./values.ts";

const FILTERS: ReadonlyMap<string, Filter> = new Map([...TEXT_FILTERS, ...LIST_FILTERS, ...NUMBER_FILTERS]);

/** For those whose arguments are bound already. */
const NO_CALL: FilterCall = { list: [], named: new Map(), filter: () => undefined, test: () => false };

export const isFilter = (name: string): boolean => FILTERS.has(name);

export function runFilter(
  name: string,
  value: Value,
  list: readonly Value[],
  named: ReadonlyMap<string, Value>,
  budget: Budget,
): Value {
  if (value instanceof Text) budget.text(value.text.length);
  const filter = FILTERS.get(name);
  if (!filter) throw templateFault("TPL_UNSUPPORTED", "unsupported filter", name);
  if (filter.signature) return filter.run(value, bind(filter.signature, list, named), budget, NO_CALL);
  const call: FilterCall = {
    list,
    named,
    filter: (other, item, rest, more) => runFilter(other, item, rest, more, budget),
    test: (other, item, rest, more) => runTest(other, item, rest, more, isFilter, budget),
  };
  return filter.run(value, [], budget, call);
}
