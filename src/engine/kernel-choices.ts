import { type Choice, type Choices, STREAMS, TOUCHES } from "../choice.ts";
import { checkPlain, outOfRange, readOptions } from "../given.ts";
import { type StoredType, WEIGHT_TYPE_NAMES } from "../weight-types.ts";

/** The option `choices`; whether a kernel multiplies what the model holds is seen when it is open. */
export function checkChoices(given: unknown): Choices {
  if (given === undefined) return {};
  checkPlain(given, "choices");
  const choices: Partial<Record<StoredType, Choice>> = {};
  for (const [type, choice] of Object.entries(given as Record<string, unknown>)) {
    if (!(WEIGHT_TYPE_NAMES as readonly string[]).includes(type))
      throw outOfRange("choices", type, `types of weights: ${WEIGHT_TYPE_NAMES.join(", ")}`);
    choices[type as StoredType] = checkChoice(choice, `choices.${type}`);
  }
  return choices;
}

function checkChoice(given: unknown, field: string): Choice {
  checkPlain(given, field);
  const { tile, row, streams, touch } = readOptions(given as Choice, ["tile", "row", "streams", "touch"], field);
  if (typeof tile !== "string") throw outOfRange(`${field}.tile`, tile, "the name of a kernel");
  if (typeof row !== "string" && row !== null) throw outOfRange(`${field}.row`, row, "the name of a kernel, or null");
  return {
    tile,
    row,
    streams: oneOf(`${field}.streams`, streams, STREAMS),
    touch: oneOf(`${field}.touch`, touch, TOUCHES),
  };
}

function oneOf<Value extends number>(field: string, given: unknown, values: readonly Value[]): Value {
  const found = values.find((value) => value === given);
  if (found === undefined) throw outOfRange(field, given, `one of ${values.join(", ")}`);
  return found;
}
