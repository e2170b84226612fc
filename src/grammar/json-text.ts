import { choice, literal, sequence } from "./fragment.ts";
import { escaping, hexDigits, type Notation, oneOf, UNESCAPED } from "./notation.ts";

const HEX = hexDigits();
const HIGH = [oneOf("dD"), oneOf("89abAB")];
const LOW = [oneOf("dD"), hexDigits(12, 15)];
const ESCAPE = sequence(
  literal("\\"),
  choice(
    oneOf('"\\/bfnrt'),
    sequence(
      literal("u"),
      choice(
        sequence(choice(hexDigits(0, 12), hexDigits(14, 15)), HEX, HEX, HEX),
        sequence(oneOf("dD"), hexDigits(0, 7), HEX, HEX),
        // A pair of surrogates is one code point; half of one is no Unicode.
        sequence(...HIGH, HEX, HEX, literal("\\u"), ...LOW, HEX, HEX),
      ),
    ),
  ),
);

export const JSON_NOTATION: Notation = {
  null: "null",
  true: "true",
  false: "false",
  character: choice(UNESCAPED, ESCAPE),
  write: (set) => escaping(set, (char) => JSON.stringify(char).slice(1, -1)),
  value: (value) => JSON.stringify(value),
};
