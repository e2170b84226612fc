/** What a filter is, for the tables of filters. */
import type { Budget } from "./budget.ts";
import { type Signature, takes } from "./signature.ts";
import type { Value } from "./values.ts";

/** What a filter gets that takes any arguments, and other filters and tests by name. */
export interface FilterCall {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
  readonly filter: (name: string, value: Value, list: readonly Value[], named: ReadonlyMap<string, Value>) => Value;
  readonly test: (name: string, value: Value, list: readonly Value[], named: ReadonlyMap<string, Value>) => boolean;
}

/** `args` are in the order of the signature; without a signature there are none. */
export interface Filter {
  readonly signature: Signature | undefined;
  readonly run: (value: Value, args: Value[], budget: Budget, call: FilterCall) => Value;
}

export const filter = (
  parameters: string,
  defaults: Value[],
  run: (value: Value, args: Value[], budget: Budget) => Value,
): Filter => ({ signature: takes(parameters, ...defaults), run });
