/** Attributes and methods of numbers. */
import { templateFault } from "./budget.ts";
import { binaryParts, normal } from "./numbers.ts";
import { Callable, Float, type Int, Tuple, type Value } from "./values.ts";

const method = (run: () => Value): Callable =>
  new Callable((args, named) => {
    if (args.length + named.size > 0) throw templateFault("TPL_VALUE", "too many arguments");
    return run();
  }, "<built-in method>");

export function numberAttribute(value: Int | boolean | Float, name: string): Value {
  if (value instanceof Float) return floatAttribute(value, name);
  const whole: Int = typeof value === "boolean" ? Number(value) : value;
  switch (name) {
    case "real":
    case "numerator":
      return whole;
    case "imag":
      return 0;
    case "denominator":
      return 1;
    case "conjugate":
      return method(() => whole);
    case "bit_length":
      return method(() => BigInt(whole).toString(2).replace("-", "").length - (whole === 0 ? 1 : 0));
    case "bit_count":
      return method(() => BigInt(whole).toString(2).replace(/[-0]/g, "").length);
    case "as_integer_ratio":
      return method(() => Tuple.with(whole, 1));
    default:
      return undefined;
  }
}

function floatAttribute(float: Float, name: string): Value {
  const { value } = float;
  switch (name) {
    case "real":
      return float;
    case "imag":
      return new Float(0);
    case "conjugate":
      return method(() => float);
    case "is_integer":
      return method(() => Number.isInteger(value));
    case "as_integer_ratio":
      return method(() => {
        if (!Number.isFinite(value)) throw templateFault("TPL_VALUE", "no ratio is that");
        return ratio(value);
      });
    default:
      return undefined;
  }
}

function ratio(value: number): Tuple {
  let [top, exponent] = binaryParts(value);
  while (top !== 0n && exponent < 0 && top % 2n === 0n) {
    top /= 2n;
    exponent++;
  }
  if (top === 0n) return Tuple.with(0, 1);
  if (exponent >= 0) return Tuple.with(normal(top << BigInt(exponent)), 1);
  return Tuple.with(normal(top), normal(1n << BigInt(-exponent)));
}
