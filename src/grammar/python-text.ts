import { choice, literal, sequence } from "./fragment.ts";
import { escaping, hexDigits, type Notation, oneOf, UNESCAPED } from "./notation.ts";
import type { Json } from "./schema-keywords.ts";

const HEX = hexDigits();
const ESCAPE = sequence(
  literal("\\"),
  choice(
    oneOf("\"'\\abfnrtv"),
    sequence(literal("x"), HEX, HEX),
    // Python joins no halves: each is a string of its own kind, which no JSON holds.
    sequence(literal("u"), choice(hexDigits(0, 12), hexDigits(14, 15)), HEX, HEX, HEX),
    sequence(literal("u"), oneOf("dD"), hexDigits(0, 7), HEX, HEX),
    sequence(literal("U000"), hexDigits(1, 15), HEX, HEX, HEX, HEX),
    sequence(literal("U0010"), HEX, HEX, HEX, HEX),
  ),
);

/** Literals of Python, strings between double quotes. */
export const PYTHON_NOTATION: Notation = {
  null: "None",
  true: "True",
  false: "False",
  character: choice(UNESCAPED, ESCAPE),
  write: (set) => escaping(set, spell),
  value: write,
};

const SHORT: Readonly<Record<string, string>> = { "\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\" };

function spell(char: string): string {
  return `\\${SHORT[char] ?? `x${char.charCodeAt(0).toString(16).padStart(2, "0")}`}`;
}

function write(value: Json): string {
  if (value === null) return PYTHON_NOTATION.null;
  if (typeof value === "boolean") return value ? PYTHON_NOTATION.true : PYTHON_NOTATION.false;
  if (typeof value === "number") return JSON.stringify(value);
  if (typeof value === "string") return `"${value.replace(/["\\\u0000-\u001f]/g, spell)}"`;
  if (Array.isArray(value)) return `[${value.map(write).join(", ")}]`;
  const members = Object.entries(value).map(([name, member]) => `${write(name)}: ${write(member)}`);
  return `{${members.join(", ")}}`;
}
