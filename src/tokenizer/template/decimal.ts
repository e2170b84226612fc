/** Floats as decimal digits, rounded half to even from their exact value. */
import { binaryParts } from "./numbers.ts";

/** The exact value: `digits` * 10 ** -places. */
function exact(value: number): { digits: bigint; places: number } {
  const [digits, exponent] = binaryParts(Math.abs(value));
  if (exponent >= 0) return { digits: digits << BigInt(exponent), places: 0 };
  return { digits: digits * 5n ** BigInt(-exponent), places: -exponent };
}

/** digits / 10 ** drop, to the nearest integer. */
function rounded(digits: bigint, drop: number): bigint {
  if (drop <= 0) return digits * 10n ** BigInt(-drop);
  const unit = 10n ** BigInt(drop);
  const [whole, rest] = [digits / unit, (digits % unit) * 2n];
  return rest > unit || (rest === unit && whole % 2n === 1n) ? whole + 1n : whole;
}

/** |value| with so many digits behind the point. */
export function fixed(value: number, places: number): string {
  const all = exact(value);
  const text = String(rounded(all.digits, all.places - places)).padStart(places + 1, "0");
  return places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`;
}

/** |value| as d.ddd with so many digits behind the point, and the power of ten. */
function scientific(value: number, places: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: "0".repeat(places + 1), exponent: 0 };
  const all = exact(value);
  const size = String(all.digits).length;
  let exponent = size - 1 - all.places;
  let digits = String(rounded(all.digits, size - 1 - places));
  if (digits.length > places + 1) {
    digits = digits.slice(0, -1);
    exponent++;
  }
  return { digits, exponent };
}

/** `round(value, places)`. */
export function roundFloat(value: number, places: number): number {
  if (!Number.isFinite(value) || places > 323) return value;
  if (places < -308) return 0 * value;
  const all = exact(value);
  const digits = rounded(all.digits, all.places - places);
  const result = Number(`${digits}e${-places}`);
  return value < 0 || Object.is(value, -0) ? -result : result;
}

export type FloatKind = "e" | "f" | "g" | "%";

/** |value| as the format kinds e, f, g and % print it. `alternate`: keeps the point, and g's zeros. */
export function formatFloat(value: number, kind: FloatKind, precision: number, alternate: boolean): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : "inf";
  if (kind === "%") return `${fixed(value * 100, precision)}${alternate && precision === 0 ? "." : ""}%`;
  if (kind === "f") return fixed(value, precision) + (alternate && precision === 0 ? "." : "");
  if (kind === "e") {
    const { digits, exponent } = scientific(value, precision);
    return exponential(digits, exponent, alternate);
  }
  const places = Math.max(1, precision);
  const { digits, exponent } = scientific(value, places - 1);
  const bare = alternate ? digits : digits.replace(/0+$/, "") || "0";
  if (exponent < -4 || exponent >= places) return exponential(bare, exponent, alternate);
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${bare}`;
  const whole = bare.padEnd(exponent + 1, "0");
  const rest = whole.slice(exponent + 1);
  return whole.slice(0, exponent + 1) + (rest !== "" || alternate ? `.${rest}` : "");
}

function exponential(digits: string, exponent: number, alternate: boolean): string {
  const point = digits.length > 1 || alternate ? "." : "";
  const power = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits[0]}${point}${digits.slice(1)}e${exponent < 0 ? "-" : "+"}${power}`;
}
