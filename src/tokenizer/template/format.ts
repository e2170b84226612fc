/** `str.format`: fields, their attributes through the sandbox, conversions, nested specifications. */
import { type Budget, templateFault } from "./budget.ts";
import { formatValue } from "./format-spec.ts";
import { repr, toText } from "./print.ts";
import { asciiOnly } from "./printf.ts";
import { Text, TextBuilder } from "./text.ts";
import type { Value } from "./values.ts";

/** How attributes and items of values are found. */
export interface Access {
  readonly attribute: (object: Value, name: string, budget: Budget) => Value;
  readonly item: (object: Value, key: Value, budget: Budget) => Value;
}

export interface FormatValues {
  readonly access: Access;
  readonly list: readonly Value[];
  readonly named: (name: Text) => { readonly value: Value } | undefined;
}

export function format(text: Text, values: FormatValues, budget: Budget, escaping = (part: Text): Text => part): Text {
  return new Formatter(values, budget, escaping).run(text, 1);
}

class Formatter {
  readonly #values: FormatValues;
  readonly #budget: Budget;
  readonly #escaping: (part: Text) => Text;
  /** Fields number themselves, or carry numbers: not both. */
  #next = 0;
  #numbered = false;

  constructor(values: FormatValues, budget: Budget, escaping: (part: Text) => Text) {
    this.#values = values;
    this.#budget = budget;
    this.#escaping = escaping;
  }

  run(text: Text, depth: number): Text {
    if (depth < 0) throw templateFault("TPL_VALUE", "a format nests too deep");
    const out = new TextBuilder(this.#budget);
    const source = text.text;
    let at = 0;
    for (let i = 0; i < source.length; ) {
      const char = source[i];
      if (char !== "{" && char !== "}") {
        i++;
        continue;
      }
      this.#budget.spend(8);
      out.add(text.slice(at, i));
      if (source[i + 1] === char) {
        out.add(text.slice(i, i + 1));
        i += 2;
      } else {
        if (char === "}") throw templateFault("TPL_VALUE", "a single } in a format");
        const end = this.#fieldEnd(source, i + 1);
        out.add(this.#field(text.slice(i + 1, end), depth));
        i = end + 1;
      }
      at = i;
    }
    return out.add(text.slice(at, source.length)).done(text);
  }

  #fieldEnd(source: string, start: number): number {
    let open = 1;
    let bracket = false;
    for (let i = start; i < source.length; i++) {
      const char = source[i];
      if (char === "[") bracket = true;
      else if (char === "]") bracket = false;
      if (bracket) continue;
      if (char === "{") open++;
      else if (char === "}" && --open === 0) return i;
    }
    throw templateFault("TPL_VALUE", "a format's field has no end");
  }

  #field(field: Text, depth: number): Text {
    const source = field.text;
    let at = 0;
    for (let bracket = false; at < source.length; at++) {
      if (source[at] === "[") bracket = true;
      else if (source[at] === "]") bracket = false;
      else if (source[at] === "{") throw templateFault("TPL_VALUE", "unexpected { in a field's name");
      else if (!bracket && (source[at] === "!" || source[at] === ":")) break;
    }
    const name = field.slice(0, at);
    let conversion = "";
    if (source[at] === "!") {
      conversion = source[at + 1] ?? "";
      at += 2;
      if (conversion === "" || (at < source.length && source[at] !== ":")) {
        throw templateFault("TPL_VALUE", "a bad conversion in a format");
      }
    }
    const value = this.#convert(this.#value(name), conversion);
    const spec = at < source.length ? this.run(field.slice(at + 1, source.length), depth - 1) : new Text("");
    return this.#escaping(formatValue(value, spec, this.#budget));
  }

  #convert(value: Value, conversion: string): Value {
    if (conversion === "") return value;
    if (conversion === "s") return toText(value, this.#budget);
    if (conversion === "r") return repr(value, this.#budget);
    if (conversion === "a") return asciiOnly(repr(value, this.#budget), this.#budget);
    throw templateFault("TPL_VALUE", "unknown conversion in a format", conversion);
  }

  #value(name: Text): Value {
    const { access } = this.#values;
    const [first] = /^[^.[]*/.exec(name.text)!;
    let value = this.#first(first, name);
    let rest = name.text.slice(first.length);
    while (rest !== "") {
      this.#budget.spend(4 + (rest.length >> 4));
      const part = /^(?:\.([^.[]+)|\[([^\]]+)\])/.exec(rest);
      if (!part) throw templateFault("TPL_VALUE", "a bad field in a format", name.text);
      rest = rest.slice(part[0].length);
      if (rest !== "" && rest[0] !== "." && rest[0] !== "[") {
        throw templateFault("TPL_VALUE", "a bad field in a format", name.text);
      }
      if (part[1] !== undefined) value = access.attribute(value, part[1], this.#budget);
      else value = access.item(value, /^\d{1,15}$/.test(part[2]) ? Number(part[2]) : new Text(part[2]), this.#budget);
    }
    return value;
  }

  #first(first: string, name: Text): Value {
    if (first === "" || /^\d+$/.test(first)) {
      const numbers = first !== "";
      if (this.#numbered ? !numbers : numbers && this.#next !== 0) {
        throw templateFault("TPL_VALUE", "a format numbers its fields and does not");
      }
      this.#numbered ||= numbers;
      const index = numbers ? Number(first) : this.#next;
      if (!numbers) this.#next = index + 1;
      if (index >= this.#values.list.length) throw templateFault("TPL_VALUE", "a format has too few values", index);
      return this.#values.list[index];
    }
    this.#budget.text(first.length);
    const found = this.#values.named(name.slice(0, first.length));
    if (!found) throw templateFault("TPL_VALUE", "a format names a missing value", first.slice(0, 120));
    return found.value;
  }
}
