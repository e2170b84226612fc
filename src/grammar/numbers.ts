import { bytes, choice, EMPTY, type Fragment, literal, NOTHING, optional, repeat, sequence } from "./fragment.ts";
import { multiplesFragment } from "./multiples.ts";

/**
 * Numbers between bounds, as decimal text. A number has at most 15 digits, so that what JSON.parse makes of it lies on the same side
 * of each bound as the text does.
 */
const MOST_DIGITS = 15;

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

const digit = (first: number, last: number) => bytes([[48 + first, 48 + last]]);
const DIGITS = digit(0, 9);
const some = (least: number, most: number): Fragment => (most <= 0 ? EMPTY : repeat(DIGITS, least, most));
const MINUS = literal("-");

/** `factor` divides them. null: it cannot be followed. */
export function integerFragment(low: Bound | null, high: Bound | null, factor = 1): Fragment | null {
  const most = 10 ** MOST_DIGITS - 1;
  const least = low ? Math.ceil(low.value) + (low.exclusive && Number.isInteger(low.value) ? 1 : 0) : -most;
  const last = high ? Math.floor(high.value) - (high.exclusive && Number.isInteger(high.value) ? 1 : 0) : most;
  const [from, to] = [Math.max(least, -most), Math.min(last, most)];
  return factor === 1 ? signed(from, to) : multiplesFragment(from, to, factor);
}

function signed(low: number, high: number): Fragment {
  const parts: Fragment[] = [];
  if (low < 0 && high >= low) parts.push(sequence(MINUS, between(Math.max(1, -high), -low)));
  if (high >= 0 && high >= low) parts.push(between(Math.max(0, low), high));
  return choice(...parts.filter((part) => part !== NOTHING));
}

/** Integers from low to high, 0 <= low, without leading zeros. */
function between(low: number, high: number): Fragment {
  if (low > high) return NOTHING;
  const parts: Fragment[] = [];
  const [from, to] = [String(low), String(high)];
  for (let length = from.length; length <= to.length; length++) {
    const first = length === from.length ? from : `1${"0".repeat(length - 1)}`;
    const last = length === to.length ? to : "9".repeat(length);
    parts.push(sameLength(first, last));
  }
  return choice(...parts);
}

function sameLength(low: string, high: string): Fragment {
  if (low === "") return EMPTY;
  const rest = low.length - 1;
  const [a, b] = [Number(low[0]), Number(high[0])];
  const exactly = (count: number) => some(count, count);
  if (a === b) return sequence(digit(a, a), sameLength(low.slice(1), high.slice(1)));
  if (/^0*$/.test(low.slice(1)) && /^9*$/.test(high.slice(1))) return sequence(digit(a, b), exactly(rest));
  const parts: Fragment[] = [
    sequence(digit(a, a), sameLength(low.slice(1), "9".repeat(rest))),
    sequence(digit(b, b), sameLength("0".repeat(rest), high.slice(1))),
  ];
  if (b - a > 1) parts.push(sequence(digit(a + 1, b - 1), exactly(rest)));
  return choice(...parts);
}

/** null: a bound has more digits than can be kept apart. */
export function numberFragment(low: Bound | null, high: Bound | null): Fragment | null {
  if (!low && !high) {
    const fraction = optional(sequence(literal("."), some(1, MOST_DIGITS)));
    const exponent = optional(
      sequence(
        bytes([
          [69, 69],
          [101, 101],
        ]),
        optional(
          bytes([
            [43, 43],
            [45, 45],
          ]),
        ),
        some(1, 2),
      ),
    );
    return sequence(optional(MINUS), between(0, 10 ** MOST_DIGITS - 1), fraction, exponent);
  }
  const parts: Fragment[] = [];
  const negated = (bound: Bound | null) => bound && { value: -bound.value, exclusive: bound.exclusive };
  if (!low || low.value < 0) {
    // -0 is written as 0.
    const above = high && high.value < 0 ? negated(high) : { value: 0, exclusive: true };
    const part = positive(above!, negated(low));
    if (!part) return null;
    parts.push(sequence(MINUS, part));
  }
  if (!high || high.value >= 0) {
    const part = positive(low && low.value >= 0 ? low : { value: 0, exclusive: false }, high);
    if (!part) return null;
    parts.push(part);
  }
  return choice(...parts);
}

const OPEN_DIGITS = 9;
const FRACTION_DIGITS = 6;

interface Decimal {
  readonly whole: number;
  /** Digits behind the point, without zeros at the end. */
  readonly fraction: string;
}

function positive(low: Bound, high: Bound | null): Fragment | null {
  const from = decimal(low.value);
  const to = high
    ? decimal(high.value)
    : { whole: 10 ** Math.max(OPEN_DIGITS, String(from?.whole).length) - 1, fraction: "" };
  if (!from || !to) return null;
  const places = Math.max(from.fraction.length, to.fraction.length, FRACTION_DIGITS);
  const digits = MOST_DIGITS - String(to.whole).length;
  if (Math.max(from.fraction.length, to.fraction.length) > digits) return null;
  const most = Math.min(places, digits);
  const fromOpen = low.exclusive;
  const toOpen = high?.exclusive ?? false;
  if (from.whole > to.whole) return NOTHING;
  const whole = (value: number, tail: Fragment) => sequence(literal(String(value)), tail);
  if (from.whole === to.whole) return whole(from.whole, fraction(from.fraction, fromOpen, to.fraction, toOpen, most));
  const middle = between(from.whole + 1, to.whole - 1);
  return choice(
    whole(from.whole, fraction(from.fraction, fromOpen, null, false, most)),
    ...(middle === NOTHING ? [] : [sequence(middle, fraction("", false, null, false, most))]),
    whole(to.whole, fraction("", false, to.fraction, toOpen, most)),
  );
}

/** `.digits`, or nothing where 0 is in the range: as a decimal not below `low` and not above `high`. */
function fraction(low: string, lowOpen: boolean, high: string | null, highOpen: boolean, most: number): Fragment {
  const zero = low === "" && !lowOpen && !(high === "" && highOpen);
  const digits = tail(low, lowOpen, high, highOpen, most, true);
  const written = digits === NOTHING ? NOTHING : sequence(literal("."), digits);
  return zero ? choice(EMPTY, written) : written;
}

/** null: that bound is met already. `first`: a digit must come. */
function tail(
  low: string | null,
  lowOpen: boolean,
  high: string | null,
  highOpen: boolean,
  most: number,
  first = false,
): Fragment {
  if (low === "" && !lowOpen) return tail(null, false, high, highOpen, most, first);
  if (low === null && high === null) return some(first ? 1 : 0, most);
  const parts: Fragment[] = [];
  const lowDone = low === null;
  const highDone = high === null || !(high === "" && highOpen);
  if (!first && lowDone && highDone) parts.push(EMPTY);
  const least = low === null || low === "" ? 0 : Number(low[0]);
  const largest = high === null ? 9 : high === "" ? 0 : Number(high[0]);
  for (let value = least; value <= largest && most > 0; value++) {
    const nextLow = low === null || value > least ? null : low.slice(1);
    const nextHigh = high === null || value < largest ? null : high.slice(1);
    const rest = tail(nextLow, lowOpen, nextHigh, highOpen, most - 1);
    if (rest !== NOTHING) parts.push(sequence(digit(value, value), rest));
  }
  return parts.length === 0 ? NOTHING : choice(...parts);
}

/** Of a number >= 0; null where it has too many digits. */
function decimal(value: number): Decimal | null {
  const [mantissa, exponent = "0"] = String(Math.abs(value)).split("e");
  const [whole, fraction = ""] = mantissa.split(".");
  const shift = Number(exponent);
  if (Math.abs(shift) > MOST_DIGITS) return null;
  const padded = shift >= 0 ? fraction.padEnd(shift, "0") : fraction;
  const all = shift >= 0 ? whole : whole.padStart(1 - shift, "0");
  const integer = shift >= 0 ? all + padded.slice(0, shift) : all.slice(0, shift);
  const rest = shift >= 0 ? padded.slice(shift) : all.slice(shift) + padded;
  const trimmed = rest.replace(/0+$/, "");
  return Number(integer) > 10 ** MOST_DIGITS - 1 ? null : { whole: Number(integer), fraction: trimmed };
}
