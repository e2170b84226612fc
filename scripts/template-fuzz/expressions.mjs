// Random expressions of the template language, mostly of the type that is asked for, now and then of another.
import { Texts } from "./texts.mjs";

const ATTRIBUTES = ["a", "b", "name", "n", "tags", "missing", "items", "x.y", "tags.0"];

export class Expressions extends Texts {
  int(depth) {
    const { random } = this;
    if (depth <= 0 || this.chance(0.25)) {
      return this.pick([
        () => String(random.below(6)),
        () => String(random.below(40)),
        () => this.name("int"),
        () => this.pick(["9007199254740993", "1_000", "0x1F", "0b101", "0o17", "123456789012345678901234567890", "00"]),
      ])();
    }
    const d = depth;
    return this.pick([
      () => `${this.of("int", d)} ${this.pick(["+", "-", "*", "//", "%"])} ${this.of("int", d)}`,
      () => `(${this.of("int", d)} ${this.pick(["+", "-", "*", "//", "%"])} ${this.of("int", d)})`,
      () => `${this.of("int", d)} ** ${this.pick(["2", "3", "0", "1", "5"])}`,
      () => `-${this.atom("int", d)}`,
      () => `+${this.atom("int", d)}`,
      () => `${this.of("list", d)}|length`,
      () => `${this.atom("str", d)}|length`,
      () =>
        `${this.atom("any", d)}|int${this.pick(["", "(7)", "(base=16)", "(1, 2)", "(none, base=8)", "(0, base=0)"])}`,
      () => `${this.atom("list", d)}|sum`,
      () => `${this.atom("int", d)}|abs`,
      () =>
        `${this.atom("str", d)}.${this.pick(["find", "rfind", "index", "count", "rindex"])}(${this.of("str", d)}${this.bounds()})`,
      () => `${this.atom("list", d)}.${this.pick(["index", "count"])}(${this.of("any", d)})`,
      () => `${this.atom("str", d)}|wordcount`,
      () => `${this.atom("int", d)}.${this.pick(["bit_length()", "real", "numerator", "conjugate()", "imag"])}`,
      () => `${this.atom("float", d)}|round|int`,
      () => `${this.atom("int", d)}|round(${this.pick(["0", "-1", "-2", "2"])})`,
      () => `(${this.of("int", d)} if ${this.of("bool", d)} else ${this.of("int", d)})`,
      () => `(${this.of("int", d)} ${this.pick(["and", "or"])} ${this.of("int", d)})`,
    ])();
  }

  float(depth) {
    if (depth <= 0 || this.chance(0.3))
      return this.pick([
        () =>
          this.pick([
            "1.5",
            "0.1",
            "2.0",
            "1e3",
            "1e-7",
            "1.25e20",
            "3.14159",
            "2.675",
            "100.0",
            "1_0.5",
            "0.5",
            "1e16",
            "123456.789",
          ]),
        () => this.name("float"),
      ])();
    const d = depth;
    return this.pick([
      () => `${this.of("float", d)} ${this.pick(["+", "-", "*", "/", "//", "%"])} ${this.of("float", d)}`,
      () => `${this.of("int", d)} / ${this.of("int", d)}`,
      () => `${this.of("float", d)} ${this.pick(["+", "-", "*", "/", "//", "%"])} ${this.of("int", d)}`,
      () =>
        `${this.atom("float", d)}|round${this.pick(["", "(1)", "(2)", "(2, 'floor')", "(1, 'ceil')", "(0, 'floor')", "(-1)", "(precision=3)", "(method='ceil')"])}`,
      () => `${this.atom("any", d)}|float${this.pick(["", "(2.5)", "('x')", "(default=none)"])}`,
      () => `-${this.atom("float", d)}`,
      () => `${this.atom("float", d)}|abs`,
      () => `${this.pick(["2", "10", "3", f("f"), "1.5"])} ** ${this.pick(["-1", "-2", "0.5", "2", "-3"])}`,
      () => `[${this.of("float", d)}, ${this.of("int", d)}]|${this.pick(["sum", "max", "min"])}`,
    ])();
    function f(name) {
      return name;
    }
  }

  bool(depth) {
    if (depth <= 0 || this.chance(0.15))
      return this.pick([() => this.pick(["true", "false", "True"]), () => this.name("bool")])();
    const d = depth;
    return this.pick([
      () => `${this.of("int", d)} ${this.pick(["==", "!=", "<", "<=", ">", ">="])} ${this.of("int", d)}`,
      () =>
        `${this.atom("int", d)} ${this.pick(["<", "<=", ">"])} ${this.atom("int", d)} ${this.pick(["<", "==", ">"])} ${this.atom("float", d)}`,
      () => `${this.atom("str", d)} ${this.pick(["==", "!=", "<", "<=", ">", ">="])} ${this.atom("str", d)}`,
      () => `${this.atom("any", d)} ${this.pick(["==", "!="])} ${this.atom("any", d)}`,
      () => `${this.atom("str", d)} ${this.pick(["in", "not in"])} ${this.atom("str", d)}`,
      () => `${this.atom("any", d)} ${this.pick(["in", "not in"])} ${this.atom("list", d)}`,
      () => `${this.atom("any", d)} in ${this.atom("dict", d)}`,
      () => `not ${this.of("any", d)}`,
      () => `(${this.of("bool", d)} ${this.pick(["and", "or"])} ${this.of("bool", d)})`,
      () => `${this.atom("any", d)} is ${this.pick(["", "not "])}${this.test(d)}`,
      () => `${this.atom("any", d)} is ${this.pick(["", "not "])}${this.test(d)}`,
      () =>
        `${this.atom("int", d)} is ${this.pick(["odd", "even", "divisibleby 3", "divisibleby(2)", "lt 3", "ge(2)", "eq 1", "ne 2", "in [1, 2]"])}`,
      () =>
        `${this.atom("str", d)}.${this.pick(["startswith", "endswith"])}(${this.pick([() => this.of("str", d), () => `(${this.of("str", d)}, 'a')`, () => `${this.of("str", d)}${this.bounds()}`])()})`,
      () =>
        `${this.atom("str", d)}.${this.pick(["isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "istitle", "isnumeric", "isdecimal", "isascii", "isidentifier", "isprintable"])}()`,
      () => `${this.atom("list", d)} ${this.pick(["==", "<", ">=", "!="])} ${this.atom("list", d)}`,
    ])();
  }

  test(d) {
    return this.pick(
      [
        "defined",
        "undefined",
        "none",
        "true",
        "false",
        "boolean",
        "string",
        "number",
        "integer",
        "float",
        "mapping",
        "iterable",
        "sequence",
        "callable",
        "lower",
        "upper",
        "escaped",
        "filter",
        "test",
        () => `sameas(${this.pick(["none", "true", "false"])})`,
        () => `in(${this.of("list", d)})`,
        () => `eq(${this.of("any", d)})`,
        () => `equalto ${this.atom("int", d)}`,
        () => `ne(${this.of("any", d)})`,
      ].map((one) => (typeof one === "string" ? () => one : one)),
    )();
  }

  list(depth) {
    if (depth <= 0 || this.chance(0.2))
      return this.pick([
        () => this.name("list"),
        () => this.name("list"),
        () => this.name("rows"),
        () => "[3, 1, 2]",
        () => "['b', 'A', 'c']",
        () => "()",
        () => "[]",
        () => "(1, 'a')",
        () => "range(4)",
      ])();
    const d = depth;
    return this.pick([
      () => `[${this.many(d, "any").join(", ")}]`,
      () => `[${this.many(d, "int").join(", ")}]`,
      () => `[${this.many(d, "str").join(", ")}]`,
      () => `(${this.many(d, "int").join(", ")},)`,
      () => `range(${this.pick(["5", "1, 6", "10, 0, -3", "0"])})`,
      () => `${this.of("list", d)} + ${this.of("list", d)}`,
      () => `${this.atom("list", d)} * ${this.random.below(3)}`,
      () => `${this.atom("list", d)}[${this.pick(["1:", ":-1", "::2", "::-1", "-2:", "1:2", ":0"])}]`,
      () =>
        `${this.atom("list", d)}|${this.pick(["list", "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "unique|list", "reverse|list", "unique(true)|list", "map('string')|list", "map('upper')|list", "map('int')|list", "map('length')|list", "map('default', 1)|list", "select|list", "reject|list", "select('string')|list", "select('odd')|list", "reject('gt', 2)|list", "select('defined')|list", "select('in', [1, 2, 'a'])|list", "batch(2)|list", "batch(3, 'x')|list", "slice(2)|list", "slice(3, 0)|list", "map('round', 1)|list", "map('tojson')|list", "map('replace', 'a', 'b')|list", "map(attribute=0)|list", "map(attribute=-1)|list"])}`,
      () =>
        `rows|${this.pick(["map(attribute='a')|list", "map(attribute='name', default='?')|list", "selectattr('a')|list", "selectattr('n', 'gt', 1)|list", "rejectattr('name', 'defined')|list", "selectattr('tags', 'sequence')|list", "sort(attribute='n')", "sort(attribute='name,n')", "groupby('n')", "groupby('name', default='z')", "groupby('a', case_sensitive=true)", "unique(attribute='n')|list", "map(attribute='tags.0')|list", "sum(attribute='n')", "min(attribute='n')", "max(attribute='name')", "map('items')|map('list')|list", "map('attr', 'keys')|list|length", `sort(attribute='${this.pick(ATTRIBUTES)}')`, `map(attribute='${this.pick(ATTRIBUTES)}')|list`])}`,
      () =>
        `${this.atom("dict", d)}|${this.pick(["dictsort", "dictsort(true)", "dictsort(by='value')", "dictsort(reverse=true)", "list", "items|list"])}`,
      () =>
        `${this.atom("dict", d)}.${this.pick(["items()|list", "keys()|list", "values()|list", "items()", "keys()", "values()"])}`,
      () => `${this.atom("str", d)}.split(${this.pick(["", "','", "'a'", "none, 1"])})`,
      () => `${this.atom("str", d)}|list`,
      () => `(${this.of("list", d)} if ${this.of("bool", d)} else ${this.of("list", d)})`,
    ])();
  }

  dict(depth) {
    if (depth <= 0 || this.chance(0.3))
      return this.pick([
        () => this.name("dict"),
        () => this.name("dict"),
        () => "{}",
        () => "{'a': 1, 'b': [2]}",
        () => "rows[0]",
      ])();
    const d = depth;
    return this.pick([
      () =>
        `{${this.many(d, "any")
          .map(
            (value) =>
              `${this.pick([() => this.literalText(), () => "1", () => "1.0", () => "true", () => "none", () => "(1, 2)", () => this.of("int", d)])()}: ${value}`,
          )
          .join(", ")}}`,
      () => `dict(${this.atom("dict", d)}, a=${this.of("any", d)})`,
      () => `dict(a=${this.of("any", d)}, n=${this.of("int", d)})`,
      () => `dict([('a', ${this.of("any", d)}), (1, 2)])`,
      () => `dict.fromkeys(${this.atom("list", d)}, 0)`,
      () => `${this.atom("dict", d)}.copy()`,
    ])();
  }

  rows(depth) {
    return depth > 0 && this.chance(0.3) ? `rows${this.pick(["[1:]", "|list", "|reverse|list"])}` : "rows";
  }

  any(depth) {
    const d = depth;
    if (depth <= 0 || this.chance(0.2))
      return this.pick([
        () => this.name("any"),
        () => "none",
        () => this.literalText(),
        () => String(this.random.below(5)),
        () => this.name("list"),
        () => this.name("dict"),
        () => this.name("float"),
      ])();
    return this.pick([
      () => this.of("int", d),
      () => this.of("str", d),
      () => this.of("float", d),
      () => this.of("bool", d),
      () => this.of("list", d),
      () => this.of("dict", d),
      () =>
        `${this.atom("dict", d)}${this.pick([".a", "['a']", ".n", "['missing']", ".missing", ".get('a')", ".get('q', 2)", ".items is callable", "[1]", "[none]", ".keys is defined", "['items'] is callable", ".pop", ".update"])}`,
      () =>
        `${this.atom("list", d)}${this.pick(["[0]", "[-1]", "[9]", ".0", "|first", "|last", "|min", "|max", "|length", ".append", "['x']"])}`,
      () => `${this.atom("any", d)}|default(${this.of("any", d)}${this.pick(["", "", ", true"])})`,
      () => `(${this.of("any", d)} if ${this.of("any", d)})`,
      () => `${this.atom("any", d)} ${this.pick(["and", "or"])} ${this.atom("any", d)}`,
      () => `(${this.of("any", d)}, ${this.of("any", d)})`,
      () =>
        `${this.atom("str", d)}.${this.pick(["upper is callable", "missing", "__class__", "_x", "format is defined"])}`,
      () => `${this.name("any")}.${this.pick(["a", "b", "x"])}`,
    ])();
  }
}
