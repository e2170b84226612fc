/** Arguments as Python binds them to parameters: too many, too few and unknown ones are errors. */
import { templateFault } from "./budget.ts";
import type { Value } from "./values.ts";

export interface Signature {
  readonly names: readonly string[];
  /** So many, counted from the start, cannot be given by name. */
  readonly unnamed: number;
  /** Of the last parameters. */
  readonly defaults: readonly Value[];
}

/** `takes("old new / count", -1)`: parameters, the last with these defaults; those before `/` have no names for callers. */
export function takes(parameters: string, ...defaults: Value[]): Signature {
  const words = parameters.split(" ").filter((word) => word !== "");
  const slash = words.indexOf("/");
  return { names: words.filter((word) => word !== "/"), unnamed: Math.max(0, slash), defaults };
}

/** Of what takes no argument. */
export const NO_NAMES = takes("");

export function bind(
  { names, unnamed, defaults }: Signature,
  list: readonly Value[],
  named: ReadonlyMap<string, Value>,
): Value[] {
  if (list.length === names.length && named.size === 0) return list as Value[];
  if (list.length > names.length) {
    throw templateFault("TPL_VALUE", "too many arguments", list.length, `at most ${names.length}`);
  }
  for (const name of named.keys()) {
    const index = names.indexOf(name);
    if (index < unnamed) throw templateFault("TPL_VALUE", "unknown argument", name);
    if (index < list.length) throw templateFault("TPL_VALUE", "an argument is given twice", name);
  }
  return names.map((name, index) => {
    if (index < list.length) return list[index];
    if (named.has(name)) return named.get(name);
    const fallback = index - (names.length - defaults.length);
    if (fallback < 0) throw templateFault("TPL_VALUE", "an argument is missing", name);
    return defaults[fallback];
  });
}
