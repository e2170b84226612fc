/** Text -> numbers, as Python's `int` and `float` read it. */
import { TEMPLATE_LIMITS } from "./budget.ts";
import { normal } from "./numbers.ts";
import type { Int } from "./values.ts";
import { endOfText, isSpace } from "./whitespace.ts";

const DIGITS = /^\d+(?:_\d+)*$/;
const FLOAT = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i;
const PREFIXES: Readonly<Record<string, number>> = { "0b": 2, "0o": 8, "0x": 16 };

/** Without blanks around it, its digits those of ASCII. */
function bare(text: string): string {
  let start = 0;
  const end = endOfText(text);
  while (start < end && isSpace(text[start])) start++;
  return text.slice(start, end).replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    // Decimal digits stand in runs of ten.
    let zero = digit.codePointAt(0)!;
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
    return String((digit.codePointAt(0)! - zero) % 10);
  });
}

/** Undefined where it is no integer in that base. */
export function parseInteger(text: string, base: number): Int | undefined {
  if (base !== 0 && !(base >= 2 && base <= 36)) return undefined;
  let digits = bare(text).toLowerCase();
  const negative = digits.startsWith("-");
  if (negative || digits.startsWith("+")) digits = digits.slice(1);
  const prefix = PREFIXES[digits.slice(0, 2)];
  let radix = base;
  if (prefix !== undefined && (base === 0 || base === prefix)) {
    radix = prefix;
    digits = digits.slice(2).replace(/^_/, "");
  } else if (base === 0) {
    radix = 10;
    if (/^0[0_]*[1-9]/.test(digits)) return undefined;
  }
  if (!/^[0-9a-z]+(?:_[0-9a-z]+)*$/.test(digits)) return undefined;
  if ((radix & (radix - 1)) !== 0 && digits.replaceAll("_", "").length > TEMPLATE_LIMITS.digits) return undefined;
  const value = DIGITS.test(digits) && radix === 10 ? BigInt(digits.replaceAll("_", "")) : inBase(digits, radix);
  return value === undefined ? undefined : normal(negative ? -value : value);
}

function inBase(digits: string, base: number): bigint | undefined {
  let value = 0n;
  const bare = digits.replaceAll("_", "");
  if (bare.length > TEMPLATE_LIMITS.digits) return undefined;
  for (const char of bare) {
    const digit = Number.parseInt(char, 36);
    if (!(digit < base)) return undefined;
    value = value * BigInt(base) + BigInt(digit);
  }
  return value;
}

/** Undefined where it is no float. */
export function parseFloatText(text: string): number | undefined {
  const digits = bare(text);
  if (FLOAT.test(digits)) return Number(digits.replaceAll("_", ""));
  const word = /^([+-]?)(?:(inf|infinity)|nan)$/i.exec(digits);
  if (!word) return undefined;
  if (!word[2]) return Number.NaN;
  return word[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
