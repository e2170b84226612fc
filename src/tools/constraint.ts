/** What an answer must be where calls, or their arguments, are not left to the model: a grammar over its text. */
import { EngineError, quoteName } from "../error.ts";
import { isPlain } from "../given.ts";
import { ANY, type CodePoints, union, utf8, without } from "../grammar/code-points.ts";
import { choice, EMPTY, type Fragment, literal, repeat, sequence, words } from "../grammar/fragment.ts";
import { argumentsFragment, schemaFragment } from "../grammar/schema.ts";
import { ARGUMENT_NAME } from "../grammar/schema-object.ts";
import type { Dialect, ToolFormat } from "./dialect.ts";
import type { Offer, OfferedTool } from "./offer.ts";

export interface CallConstraint {
  /** The same for the same tools and choice: it is compiled once. */
  readonly key: string;
  /** Throws what is wrong with the schema of a strict tool. */
  fragment(): Fragment;
  /** A control token that opens the calls. No grammar of text holds one: it goes behind the prompt. */
  readonly opened: string | null;
}

/** How a dialect writes calls: what opens and closes, what stands between several, and one call. */
interface Writing {
  readonly mark: string;
  readonly before: string;
  readonly between: string;
  readonly behind: string;
  call(tool: OfferedTool): Fragment;
}

const WRITINGS: Readonly<Record<ToolFormat, Writing>> = {
  json: { mark: "", before: "", between: "", behind: "", call: objectWith("parameters") },
  hermes: {
    mark: "<tool_call>",
    before: "\n",
    between: "\n",
    behind: "\n</tool_call>",
    call: objectWith("arguments"),
  },
  mistral: { mark: "[TOOL_CALLS]", before: " [", between: ", ", behind: "]", call: objectWith("arguments") },
  pythonic: { mark: "", before: "[", between: ", ", behind: "]", call: pythonCall },
};

const NO_BOUND = Number.POSITIVE_INFINITY;

/** null: the answer is free. `isControl`: whether a mark is a control token of the vocabulary. */
export function constraintFor(
  { choice: chosen, tools }: Offer,
  { name: format, marks }: Dialect,
  isControl: (mark: string) => boolean,
): CallConstraint | null {
  if (chosen === "none" || (chosen === "auto" && !tools.some(({ strict }) => strict))) return null;
  const writing = WRITINGS[format];
  const nameless = format === "pythonic" ? tools.find(({ name }) => !/^[-\w.]+$/.test(name)) : undefined;
  if (nameless)
    throw unsupported("tools", `${quoteName(nameless.name)} cannot be called in this form`, "letters, digits, _ - .");
  const control = writing.mark !== "" && isControl(writing.mark);
  if (control && chosen === "auto") {
    const limit = "tools that are not strict, or a toolChoice that demands a call";
    throw unsupported("tools", `${writing.mark} is a control token, which no grammar of text holds`, limit);
  }
  const behind = isControl(writing.behind.trim()) ? "" : writing.behind;
  const wanted = typeof chosen === "object" ? tools.filter(({ name }) => name === chosen.name) : tools;
  const key = `calls ${JSON.stringify([format, control, behind, typeof chosen === "object" || chosen, wanted])}`;
  const fragment = () => {
    const call = choice(...wanted.map((tool) => writing.call(tool)));
    if (chosen === "auto")
      return format === "pythonic" ? answerInPython(call, writing, marks.every(isControl)) : answerWith(call, writing);
    // Behind a mark that is a control token no other can come: several stand in one list then, or none.
    const several = chosen === "required" && (!control || behind === "]");
    return calls(call, { ...writing, behind, mark: control ? "" : writing.mark }, several);
  };
  return { key, fragment, opened: control ? writing.mark : null };
}

/** Calls and nothing else: one, or as many as the model wants where the dialect says how they follow each other. */
function calls(call: Fragment, { mark, before, between, behind }: Writing, several: boolean): Fragment {
  const more = (one: Fragment) => sequence(one, repeat(sequence(literal(between), one), 0, NO_BOUND));
  const [open, close] = [literal(mark + before), literal(behind)];
  if (between === "" || !several) return sequence(open, call, close);
  // Those of a list stand between its brackets; the others are opened and closed each.
  return behind === "]" ? sequence(open, more(call), close) : more(sequence(open, call, close));
}

/** Any text, in which a call follows its grammar where one begins. */
function answerWith(call: Fragment, writing: Writing): Fragment {
  const { mark } = writing;
  if (mark === "")
    return choice(sequence(call, repeat(sequence(literal("; "), call), 0, NO_BOUND)), beginningOtherwise("[{", null));
  const one = calls(call, writing, writing.behind === "]");
  return sequence(textWithout(mark), repeat(sequence(one, textWithout(mark)), 0, NO_BOUND));
}

/** A list of calls, or any text that is none. Where marks that may open one are text, it does not hold what they begin with. */
function answerInPython(call: Fragment, writing: Writing, marked: boolean): Fragment {
  return choice(calls(call, writing, true), beginningOtherwise("[", marked ? null : "<|python_"));
}

/** A call as an object; what is not strict has any object for arguments. */
function objectWith(key: string): Writing["call"] {
  return ({ name, parameters, strict }) => {
    const schema = strict && parameters !== undefined ? parameters : { type: "object" };
    const open = literal(`{"name": ${JSON.stringify(name)}, "${key}": `);
    return sequence(open, written(schemaFragment, schema, name), literal("}"));
  };
}

/** A call as Python writes it; what is not strict has any values for the arguments that it names. */
function pythonCall({ name, parameters, strict }: OfferedTool): Fragment {
  const schema = strict && parameters !== undefined ? parameters : namesOf(parameters);
  return sequence(literal(`${name}(`), written(argumentsFragment, schema, name), literal(")"));
}

function namesOf(parameters: unknown): object {
  const { properties } = (isPlain(parameters) ? parameters : {}) as { properties?: unknown };
  const names = isPlain(properties) ? Object.keys(properties).filter((name) => ARGUMENT_NAME.test(name)) : [];
  if (names.length === 0) return { type: "object" };
  return { properties: Object.fromEntries(names.map((name) => [name, true])), additionalProperties: false };
}

function written(fragmentOf: (schema: unknown) => Fragment, schema: unknown, name: string): Fragment {
  try {
    return fragmentOf(schema);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const field = `tools.${name}.parameters${error.at?.field ?? ""}`;
    throw new EngineError(error.code, "the schema of a strict tool", {
      at: { source: "option", field },
      limit: error.limit,
      actual: error.actual,
      cause: error,
    });
  }
}

/**
 * Any text in which `mark` does not stand. Its first character stands in it once, so that whatever begins a mark and goes on otherwise
 * has begun nothing else: beginnings end the text, begin again, or meet a character that leads nowhere. It does not begin with what is
 * in `start`.
 */
export function textWithout(mark: string, start: CodePoints = []): Fragment {
  const [first] = mark;
  const beginnings = Array.from({ length: mark.length - 1 }, (_, length) => mark.slice(0, length + 1));
  const begun = words(beginnings);
  const point = (char: string) => [char.codePointAt(0)!, char.codePointAt(0)!] as const;
  const astray = beginnings.map((beginning) =>
    sequence(
      literal(beginning),
      utf8(
        without(
          ANY,
          [point(first), point(mark[beginning.length])].sort((a, b) => a[0] - b[0]),
        ),
      ),
    ),
  );
  const pieceBut = (set: CodePoints) =>
    choice(utf8(without(ANY, union(set, [point(first)]))), sequence(repeat(begun, 0, NO_BOUND), choice(...astray)));
  const end = repeat(begun, 0, NO_BOUND);
  return choice(end, sequence(pieceBut(start), repeat(pieceBut([]), 0, NO_BOUND), end));
}

const SPACE: CodePoints = [
  [9, 10],
  [13, 13],
  [32, 32],
];

/** Any text that cannot be read as a call that nothing marks: white space, and then no bracket. `mark` does not stand in it. */
function beginningOtherwise(brackets: string, mark: string | null): Fragment {
  const call = [...brackets].map((char) => [char.charCodeAt(0), char.charCodeAt(0)] as const);
  const start = union(SPACE, call);
  const any = sequence(utf8(without(ANY, start)), repeat(utf8(ANY), 0, NO_BOUND));
  return sequence(repeat(utf8(SPACE), 0, NO_BOUND), mark === null ? choice(EMPTY, any) : textWithout(mark, start));
}

function unsupported(field: string, what: string, limit: string): EngineError {
  return new EngineError("TOOLS_UNSUPPORTED", what, { at: { source: "option", field }, limit });
}
