/** What an answer must be where calls, or their arguments, are not left to the model: a grammar over its text. */
import { EngineError } from "../error.ts";
import { ANY, type CodePoints, utf8, without } from "../grammar/code-points.ts";
import { choice, EMPTY, type Fragment, literal, repeat, sequence, words } from "../grammar/fragment.ts";
import { schemaFragment } from "../grammar/schema.ts";
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

/** How a dialect writes calls: what opens and closes, what stands between several, and which key the arguments have. */
interface Writing {
  readonly mark: string;
  readonly before: string;
  readonly between: string;
  readonly behind: string;
  readonly key: string;
}

const WRITINGS: Readonly<Partial<Record<ToolFormat, Writing>>> = {
  json: { mark: "", before: "", between: "", behind: "", key: "parameters" },
  hermes: { mark: "<tool_call>", before: "\n", between: "\n", behind: "\n</tool_call>", key: "arguments" },
  mistral: { mark: "[TOOL_CALLS]", before: " [", between: ", ", behind: "]", key: "arguments" },
};

const NO_BOUND = Number.POSITIVE_INFINITY;

/** null: the answer is free. `isControl`: whether a mark is a control token of the vocabulary. */
export function constraintFor(
  { choice: chosen, tools }: Offer,
  { name: format }: Dialect,
  isControl: (mark: string) => boolean,
): CallConstraint | null {
  if (chosen === "none" || (chosen === "auto" && !tools.some(({ strict }) => strict))) return null;
  const writing = WRITINGS[format];
  if (!writing) {
    throw unsupported("toolFormat", `arguments of ${format} calls are no JSON`, "a form of calls that is JSON");
  }
  const control = writing.mark !== "" && isControl(writing.mark);
  if (control && chosen === "auto") {
    const limit = "tools that are not strict, or a toolChoice that demands a call";
    throw unsupported("tools", `${writing.mark} is a control token, which no grammar of text holds`, limit);
  }
  const behind = isControl(writing.behind.trim()) ? "" : writing.behind;
  const wanted = typeof chosen === "object" ? tools.filter(({ name }) => name === chosen.name) : tools;
  const key = `calls ${JSON.stringify([format, control, behind, typeof chosen === "object" || chosen, wanted])}`;
  const fragment = () => {
    const call = choice(...wanted.map((tool) => callOf(tool, writing)));
    if (chosen === "auto") return answerWith(call, writing);
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
  if (mark === "") return choice(sequence(call, repeat(sequence(literal("; "), call), 0, NO_BOUND)), notACall());
  const one = calls(call, writing, writing.behind === "]");
  return sequence(textWithout(mark), repeat(sequence(one, textWithout(mark)), 0, NO_BOUND));
}

/** A call as an object; what is not strict has any object for arguments. */
function callOf({ name, parameters, strict }: OfferedTool, { key }: Writing): Fragment {
  const schema = strict && parameters !== undefined ? parameters : { type: "object" };
  return sequence(literal(`{"name": ${JSON.stringify(name)}, "${key}": `), schemaOf(schema, name), literal("}"));
}

function schemaOf(schema: unknown, name: string): Fragment {
  try {
    return schemaFragment(schema);
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
 * has begun nothing else: beginnings end the text, begin again, or meet a character that leads nowhere.
 */
export function textWithout(mark: string): Fragment {
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
  const piece = choice(utf8(without(ANY, [point(first)])), sequence(repeat(begun, 0, NO_BOUND), choice(...astray)));
  return sequence(repeat(piece, 0, NO_BOUND), repeat(begun, 0, NO_BOUND));
}

const SPACE: CodePoints = [
  [9, 10],
  [13, 13],
  [32, 32],
];
const BRACKETS: CodePoints = [
  [91, 91],
  [123, 123],
];

/** Any text that cannot be read as a call that nothing marks: white space, and then no bracket. */
function notACall(): Fragment {
  const other = utf8(without(ANY, [...SPACE, ...BRACKETS]));
  return sequence(repeat(utf8(SPACE), 0, NO_BOUND), choice(EMPTY, sequence(other, repeat(utf8(ANY), 0, NO_BOUND))));
}

function unsupported(field: string, what: string, limit: string): EngineError {
  return new EngineError("TOOLS_UNSUPPORTED", what, { at: { source: "option", field }, limit });
}
