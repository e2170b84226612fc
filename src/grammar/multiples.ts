import { choice, EMPTY, type Fragment, literal, NOTHING, sequence, words } from "./fragment.ts";

/** Integers between bounds that a whole number divides, as decimal text: digits with what is left over by now. */

const MOST_WORDS = 1000;
/** Of what is left over. */
const MOST_RESTS = 512;

/** Without leading zeros; -0 is none. null: there are too many rests. `low` and `high` are of at most 15 digits. */
export function multiplesFragment(low: number, high: number, factor: number): Fragment | null {
  const [first, last] = [Math.ceil(low / factor), Math.floor(high / factor)];
  if (first > last) return NOTHING;
  if (last - first < MOST_WORDS) {
    return words(Array.from({ length: last - first + 1 }, (_, at) => String((first + at) * factor || 0)));
  }
  // Zeros at the end divide by themselves.
  let [zeros, rest] = ["", factor];
  for (; rest % 10 === 0; rest /= 10) zeros += "0";
  if (rest > MOST_RESTS) return null;
  const unit = 10 ** zeros.length;
  const digits = new Digits(rest);
  const [least, most] = [Math.ceil(low / unit), Math.floor(high / unit)];
  const parts: Fragment[] = [];
  if (low <= 0 && high >= 0) parts.push(literal("0"));
  const positive = digits.between(Math.max(1, least), most);
  if (most >= 1) parts.push(sequence(positive, literal(zeros)));
  if (least <= -1) parts.push(sequence(literal("-"), digits.between(Math.max(1, -most), -least), literal(zeros)));
  return choice(...parts);
}

const DIGITS = Array.from({ length: 10 }, (_, digit) => literal(String(digit)));

class Digits {
  readonly #factor: number;
  readonly #known = new Map<string, Fragment>();

  constructor(factor: number) {
    this.#factor = factor;
  }

  between(low: number, high: number): Fragment {
    const parts: Fragment[] = [];
    const [from, to] = [String(low), String(high)];
    for (let length = from.length; length <= to.length; length++) {
      const first = length === from.length ? from : `1${"0".repeat(length - 1)}`;
      const last = length === to.length ? to : "9".repeat(length);
      if (first <= last) parts.push(this.#from(first, last, 0));
    }
    return parts.length === 0 ? NOTHING : choice(...parts);
  }

  /** Digits of the same number from `low` to `high`, behind those that leave `rest`. */
  #from(low: string, high: string, rest: number): Fragment {
    if (low === "") return rest === 0 ? EMPTY : NOTHING;
    const key = `${low} ${high} ${rest}`;
    const known = this.#known.get(key);
    if (known) return known;
    const [least, most] = [Number(low[0]), Number(high[0])];
    const tail = low.length - 1;
    const parts: Fragment[] = [];
    for (let digit = least; digit <= most; digit++) {
      const from = digit === least ? low.slice(1) : "0".repeat(tail);
      const to = digit === most ? high.slice(1) : "9".repeat(tail);
      const more = this.#from(from, to, (10 * rest + digit) % this.#factor);
      if (more !== NOTHING) parts.push(sequence(DIGITS[digit], more));
    }
    const made = parts.length === 0 ? NOTHING : choice(...parts);
    this.#known.set(key, made);
    return made;
  }
}
