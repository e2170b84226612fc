import { Automaton, matches } from "./automaton.ts";
import { type CodePoints, PLAIN } from "./code-points.ts";
import { choice, EMPTY, type Fragment, literal, NOTHING, optional, repeat, sequence } from "./fragment.ts";
import { COLON, COMMA, type Notation, otherNames, patterned, QUOTE, textOf } from "./notation.ts";
import { type JsonObject, pointerPart, type Schema, unsupported } from "./schema-keywords.ts";

/** How the members of an object are written: those of a value, or as arguments of a call. */
export interface Members {
  readonly open: string;
  readonly close: string;
  /** Between name and value. */
  readonly is: Fragment;
  /** Throws where it cannot be written. */
  name(name: string, pointer: string): string;
  /** Any name but these. */
  other(names: readonly string[]): Fragment;
  /** Names that hold what the pattern looks for. */
  patterned(pattern: string, pointer: string): Fragment;
  /** Of members that the schema does not name. */
  readonly most: number;
}

export function membersOf(notation: Notation): Members {
  return {
    ...{ open: "{", close: "}", is: COLON, most: Number.POSITIVE_INFINITY },
    name: (name) => notation.value(name),
    other: (names) =>
      names.length === 0
        ? textOf(notation, 0, Number.POSITIVE_INFINITY)
        : sequence(QUOTE, otherNames(names, PLAIN, PLAIN, true), QUOTE),
    patterned: (pattern, pointer) => patterned(notation, pattern, pointer),
  };
}

const LETTERS: CodePoints = [
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const WORD: CodePoints = [[0x30, 0x39], ...LETTERS];

/** Names of arguments, as whoever reads calls takes them. */
export const ARGUMENT_NAME = /^[\w\u0080-\uffff]+$/;

/**
 * `a=1, b="x"`. An argument stands once in a call, which no automaton can see of names that the schema does not say: there is one of
 * those at most.
 */
export const ARGUMENTS: Members = {
  ...{ open: "", close: "", is: literal("="), most: 1 },
  name(name, pointer) {
    if (ARGUMENT_NAME.test(name)) return name;
    throw unsupported(pointer, "no name of an argument: letters, digits and _", name);
  },
  other: (names) =>
    otherNames(
      names.filter((name) => ARGUMENT_NAME.test(name)),
      LETTERS,
      WORD,
      false,
    ),
  patterned(_, pointer) {
    throw unsupported(pointer, "not of arguments of a call");
  },
};

/**
 * Members in the schema's order, then others where there may be: those of `additionalProperties` that is written down, or any where the
 * schema names none. `child`: the grammar of a member's value.
 */
export function objectFragment(
  schema: JsonObject,
  pointer: string,
  { open, close, is, ...write }: Members,
  notation: Notation,
  child: (schema: Schema, pointer: string) => Fragment,
): Fragment {
  const properties = (schema.properties ?? {}) as JsonObject;
  const patterns = Object.entries((schema.patternProperties ?? {}) as JsonObject);
  const required = new Set((schema.required ?? []) as string[]);
  const { additionalProperties: more } = schema;
  if (patterns.length > 1) throw unsupported(`${pointer}/patternProperties`, "more than one pattern");
  if (patterns.length > 0 && more !== undefined && more !== false)
    throw unsupported(`${pointer}/additionalProperties`, "not beside patternProperties, unless false");
  const [pattern, ruled] = patterns[0] ?? [];
  const at = `${pointer}/patternProperties/${pointerPart(pattern ?? "")}`;
  const named = pattern === undefined ? null : write.patterned(pattern, at);
  const members = new Map<string, Schema>(Object.entries(properties) as [string, Schema][]);
  const naming = named && new Automaton(named);
  const isPatterned = (name: string) =>
    naming !== null && matches(naming, new TextEncoder().encode(notation.value(name)));
  if ([...members.keys()].some(isPatterned)) throw unsupported(at, "a pattern that a name of properties matches");
  for (const name of required) {
    if (members.has(name) || isPatterned(name)) continue;
    members.set(name, (pattern === undefined || more === false ? (more ?? true) : true) as Schema);
  }
  if ([...required].some(isPatterned)) throw unsupported(at, "a pattern that a required name matches");
  let extra: Fragment | null = null;
  if (named) extra = sequence(named, is, child(ruled as Schema, at));
  else if (more !== false && (more !== undefined || members.size === 0)) {
    const name = write.other([...members.keys()]);
    extra = sequence(name, is, child((more ?? true) as Schema, `${pointer}/additionalProperties`));
  }
  let rest: Fragment = extra ? repeat(sequence(COMMA, extra), 0, write.most) : EMPTY;
  let first: Fragment = extra ? optional(sequence(extra, repeat(sequence(COMMA, extra), 0, write.most - 1))) : EMPTY;
  for (const [name, value] of [...members].reverse()) {
    const where = `${pointer}/properties/${pointerPart(name)}`;
    const key = literal(write.name(name, where));
    const member = value === false ? NOTHING : sequence(key, is, child(value, where));
    const [begun, next] = [sequence(member, rest), sequence(COMMA, member, rest)];
    first = required.has(name) ? begun : choice(begun, first);
    rest = required.has(name) ? next : choice(next, rest);
  }
  return sequence(literal(open), first, literal(close));
}
