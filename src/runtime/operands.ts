import * as abi from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";

/** Ops and records as words of a program: every operand by its name in abi.ts, without the prefix, at the place that is there. */

const WORDS: Readonly<Record<string, number>> = abi;

/** All operands of an op, or all words of a record. */
export type Operands<Name extends string> = {
  readonly [Key in keyof typeof abi as Key extends `${Name}_${infer Word}` ? Exclude<Word, "WORDS"> : never]: number;
};

export type OpName = keyof typeof abi extends infer Key ? (Key extends `OP_${infer Name}` ? Name : never) : never;

/** The words of a record. What is not named is 0, which the types forbid. */
export function recordWords<Name extends string>(name: Name, operands: Operands<Name>): number[] {
  const words = new Array<number>(WORDS[`${name}_WORDS`] ?? 1).fill(0);
  for (const [word, value] of Object.entries<number>(operands)) {
    const at = WORDS[`${name}_${word}`];
    if (at === undefined || !Number.isInteger(value) || value < 0 || value > 0xffffffff) {
      throw new EngineError("PROGRAM_OPERANDS", `${word} of ${name} is no 32-bit word`, { actual: value });
    }
    words[at] = value;
  }
  return words;
}

/** The words of an op: opcode and length, operands, and what follows them; `op`: another one with the same operands. */
export function opWords<Name extends OpName>(
  name: Name,
  operands: Operands<Name>,
  further: readonly number[] = [],
  op: OpName = name,
): number[] {
  const words = [...recordWords(name, operands), ...further];
  words[0] = WORDS[`OP_${op}`] | (words.length << 16);
  return words;
}
