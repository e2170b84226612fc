/** Integers without end and floats, as Python has them. A JavaScript number is an integer; `Float` is a float. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import type { Arithmetic } from "./tree.ts";
import { Float, type Int, isInt, type Value } from "./values.ts";

/** An integer as it is kept: a number as long as that is exact. */
export function normal(value: bigint): Int {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

const integer = (value: number, exact: () => bigint): Int =>
  Number.isSafeInteger(value) ? value + 0 : normal(exact());

/** Booleans count as 0 and 1; undefined for what is no number. */
export function numeric(value: Value): Int | Float | undefined {
  if (typeof value === "boolean") return Number(value);
  return isInt(value) || value instanceof Float ? value : undefined;
}

/** An integer where Python wants one: Booleans are, floats are not. */
export function asInt(value: Value): Int | undefined {
  return typeof value === "boolean" ? Number(value) : isInt(value) ? value : undefined;
}

const fault = (what: string): never => {
  throw templateFault("TPL_VALUE", what);
};

export function toFloat(value: Int | Float): number {
  if (value instanceof Float) return value.value;
  const float = Number(value);
  return Number.isFinite(float) ? float : fault("the integer is too large for a float");
}

export const bits = (value: Int): number =>
  typeof value === "number" ? Math.ceil(Math.log2(Math.abs(value) + 1)) : value.toString(16).length * 4;

function pay(size: number, budget: Budget): void {
  if (size > TEMPLATE_LIMITS.bits) {
    throw templateFault("TPL_FUEL", "an integer grows too large", size, `at most ${TEMPLATE_LIMITS.bits} bits`);
  }
  budget.spend(size >> 4);
}

export function calculate(operator: Arithmetic, left: Int | Float, right: Int | Float, budget: Budget): Value {
  if (isInt(left) && isInt(right)) return whole(operator, left, right, budget);
  const [a, b] = [toFloat(left), toFloat(right)];
  switch (operator) {
    case "+":
      return new Float(a + b);
    case "-":
      return new Float(a - b);
    case "*":
      return new Float(a * b);
    case "/":
      return b === 0 ? fault("division by zero") : new Float(a / b);
    case "//":
      return new Float(floorDivide(a, b));
    case "%":
      return new Float(modulo(a, b));
    case "**":
      return new Float(floatPower(a, b));
  }
}

function whole(operator: Arithmetic, a: Int, b: Int, budget: Budget): Value {
  if (typeof a === "bigint" || typeof b === "bigint") {
    const size = bits(a) + bits(b);
    pay(operator === "*" ? size : Math.max(bits(a), bits(b)), budget);
    budget.spend((size * size) >> 16);
  }
  // Not numbers, where one is beyond what they hold: the sum may be back within.
  const [x, y] = typeof a === "number" && typeof b === "number" ? [a, b] : [Number.NaN, Number(b)];
  switch (operator) {
    case "+":
      return integer(x + y, () => BigInt(a) + BigInt(b));
    case "-":
      return integer(x - y, () => BigInt(a) - BigInt(b));
    case "*":
      return integer(x * y, () => BigInt(a) * BigInt(b));
    case "/":
      return y === 0 ? fault("division by zero") : new Float(quotient(a, b));
    case "//":
      return y === 0 ? fault("division by zero") : wholeDivision(a, b)[0];
    case "%":
      return y === 0 ? fault("division by zero") : wholeDivision(a, b)[1];
    case "**":
      return power(a, b, budget);
  }
}

function wholeDivision(a: Int, b: Int): [Int, Int] {
  if (typeof a === "number" && typeof b === "number") {
    let rest = a % b;
    if (rest !== 0 && rest < 0 !== b < 0) rest += b;
    const multiple = a - rest;
    if (Number.isSafeInteger(multiple)) return [multiple / b + 0, rest + 0];
  }
  const [x, y] = [BigInt(a), BigInt(b)];
  let [times, rest] = [x / y, x % y];
  if (rest !== 0n && rest < 0n !== y < 0n) {
    rest += y;
    times -= 1n;
  }
  return [normal(times), normal(rest)];
}

/** The float next to a / b. */
function quotient(a: Int, b: Int): number {
  if (typeof a === "number" && typeof b === "number") return a / b;
  const [x, y] = [BigInt(a), BigInt(b)];
  const [size, by] = [x < 0n ? -x : x, y < 0n ? -y : y];
  const shift = Math.max(0, 66 - (bits(a) - bits(b)));
  const scaled = size << BigInt(shift);
  const digits = (scaled / by) * 2n + (scaled % by === 0n ? 0n : 1n);
  const value = Number(digits) * 2 ** -(shift + 1);
  if (!Number.isFinite(value)) return fault("the quotient is too large for a float");
  return x < 0n !== y < 0n ? -value : value;
}

function power(a: Int, b: Int, budget: Budget): Value {
  if (b < 0) {
    if (Number(a) === 0) return fault("zero has no negative power");
    return new Float(floatPower(toFloat(a), toFloat(b)));
  }
  const size = a === 0 || a === 1 || a === -1 ? 1 : bits(a) * Number(b);
  pay(size, budget);
  if (size === 1) return a === -1 ? (BigInt(b) % 2n === 0n ? 1 : -1) : Number(b) === 0 ? 1 : a;
  budget.spend((size * size) >> 16);
  return normal(BigInt(a) ** BigInt(b));
}

function floatPower(a: number, b: number): number {
  if (a === 0 && b < 0) return fault("zero has no negative power");
  if (a < 0 && Number.isFinite(b) && !Number.isInteger(b)) return fault("the power is no real number");
  if (a === 1 || b === 0) return 1;
  const result = exactPower(a, b) ?? (b === 0.5 ? Math.sqrt(a) + 0 : a ** b);
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) return fault("the power is too large");
  return result;
}

/** Small integer exponents, to the last bit: engines differ in theirs. */
function exactPower(a: number, b: number): number | undefined {
  if (!Number.isInteger(b) || Math.abs(b) > 400 || !Number.isFinite(a) || a === 0) return undefined;
  const [digits, exponent] = binaryParts(a);
  const times = BigInt(Math.abs(b));
  const raised = digits ** times;
  const shift = BigInt(exponent) * times;
  const [top, bottom] = shift >= 0n ? [raised << shift, 1n] : [raised, 1n << -shift];
  try {
    return b > 0 ? quotient(top, bottom) : quotient(bottom, top);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** value = digits * 2 ** exponent. */
export function binaryParts(value: number): [bigint, number] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const raw = view.getBigUint64(0);
  const field = Number((raw >> 52n) & 0x7ffn);
  const fraction = raw & 0xfffffffffffffn;
  const digits = field === 0 ? fraction : fraction | 0x10000000000000n;
  return [value < 0 ? -digits : digits, (field || 1) - 1075];
}

/** Step by step as CPython: other orders round otherwise. */
function floorDivide(a: number, b: number): number {
  if (b === 0) return fault("division by zero");
  const rest = a % b;
  let times = (a - rest) / b;
  if (rest !== 0 && rest < 0 !== b < 0) times -= 1;
  if (times === 0) return Object.is(a / b, -0) || a / b < 0 ? -0 : 0;
  const floor = Math.floor(times);
  return times - floor > 0.5 ? floor + 1 : floor;
}

function modulo(a: number, b: number): number {
  if (b === 0) return fault("division by zero");
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 !== b < 0 ? rest + b : rest;
}

export function negate(value: Int | Float): Value {
  if (value instanceof Float) return new Float(-value.value);
  return typeof value === "bigint" ? normal(-value) : 0 - value;
}

/** Digits as Python's `repr` of a float: exponents from 1e16 up and below 1e-4, of two digits at least. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e16) return value.toFixed(1);
  const text = size >= 1e16 || size < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

export function intText(value: Int): string {
  if (typeof value === "number") return String(value);
  const text = value.toString();
  return text.length > TEMPLATE_LIMITS.digits + 1 ? fault("an integer of too many digits to print") : text;
}

/** Decimal digits of an integer, few enough to be printed again. */
export function numberValue(digits: string): Int {
  if (digits.length > TEMPLATE_LIMITS.digits) return fault("an integer of too many digits");
  return normal(BigInt(digits));
}
