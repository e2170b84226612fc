// Random expressions of the template language, mostly of the type that is asked for, now and then of another.

const WORDS = [
  "a",
  "b",
  "ab",
  "abc",
  "Hello World",
  " x ",
  "a,b,,c",
  "1",
  "12",
  "-3",
  "1e3",
  "0x1f",
  "3.50",
  "",
  "aXbXc",
  "foo-bar (baz) [q]",
  "x\ny",
  "İß",
  "é",
  "🦊b",
  "it's",
  'a"b',
  "<a href='x'>&</a>",
  "A",
  "%s",
  "ab ab ab",
  "the quick-brown fox--jumps",
];
const ATTRIBUTES = ["a", "b", "name", "n", "tags", "missing", "items", "x.y", "tags.0"];

export class Expressions {
  constructor(random) {
    this.random = random;
    /** Names in scope, by type. */
    this.names = {
      int: ["n", "big", "zero"],
      float: ["f", "g"],
      str: ["s", "t", "e"],
      bool: ["yes", "no"],
      list: ["l", "w", "mixed", "none_"],
      dict: ["d", "row"],
      rows: ["rows"],
      any: ["undef", "none_", "s", "n", "l", "d"],
    };
    this.fuel = 0;
  }

  pick(list) {
    return this.random.pick(list);
  }

  chance(p) {
    return this.random.chance(p);
  }

  /** An expression; `depth` bounds its nesting. */
  of(type, depth) {
    if (this.chance(0.03)) return this[this.pick(["int", "float", "str", "bool", "list", "dict", "any"])](depth - 1);
    return this[type](depth - 1);
  }

  name(type) {
    return this.pick(this.names[type].length > 0 ? this.names[type] : ["undef"]);
  }

  literalText() {
    const word = this.pick(WORDS);
    const quote = this.chance(0.8) ? "'" : '"';
    const escaped = (char) =>
      char === quote || char === "\\" ? `\\${char}` : char === "\n" ? this.pick(["\\n", "\n"]) : char;
    const body = [...word].map(escaped).join("");
    return this.chance(0.02)
      ? `${quote}${body}${this.pick(["\\x41", "\\u00e9", "\\101", "\\q", "\\t", "\\é", "\\\n"])}${quote}`
      : quote + body + quote;
  }

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

  bounds() {
    return this.chance(0.7) ? "" : this.pick([", 1", ", 0, 3", ", -2", ", 1, -1", ", none, 2", ", 5, 2"]);
  }

  str(depth) {
    if (depth <= 0 || this.chance(0.25)) return this.chance(0.5) ? this.literalText() : this.name("str");
    const d = depth;
    return this.pick([
      () => `${this.atom("any", d)} ~ ${this.atom("any", d)}`,
      () => `${this.atom("any", d)} ~ ${this.atom("str", d)} ~ ${this.atom("int", d)}`,
      () => `${this.of("str", d)} + ${this.of("str", d)}`,
      () => `${this.of("str", d)} * ${this.random.below(4)}`,
      () => `${this.random.below(4)} * ${this.atom("str", d)}`,
      () => `${this.atom("str", d)}${this.subscript(d)}`,
      () => this.textFilter(d),
      () => this.textFilter(d),
      () => this.textMethod(d),
      () => this.textMethod(d),
      () => this.textMethod(d),
      () => this.printf(d),
      () => this.formatted(d),
      () =>
        `${this.atom("any", d)}|tojson${this.pick(["", "", "(indent=2)", "(ensure_ascii=true)", "(sort_keys=true)", "(separators=(',', ':'))", "(true, 1)", "(indent='\\t')", "(indent=0)"])}`,
      () =>
        `${this.atom("list", d)}|join${this.pick(["", `(${this.of("str", d)})`, "('-', attribute='a')", "(d=', ')"])}`,
      () =>
        `${this.atom("str", d)}.join(${this.pick([() => "w", () => this.of("list", d), () => `${this.atom("list", d)}|map('string')`])()})`,
      () => `${this.atom("any", d)}|string`,
      () => `(${this.of("str", d)} if ${this.of("bool", d)}${this.chance(0.7) ? ` else ${this.of("str", d)}` : ""})`,
      () => `(${this.of("str", d)} or ${this.of("str", d)})`,
      () => `${this.literalText()} ${this.literalText()}`,
      () => this.markup(d),
    ])();
  }

  markup(d) {
    const markup = () => `(${this.of("str", d)}|${this.pick(["e", "safe"])})`;
    return this.pick([
      () => `${markup()} + ${this.atom("str", d)}`,
      () => `${this.atom("str", d)} + ${markup()}`,
      () => `${markup()} ~ ${this.atom("any", d)}`,
      () => `${markup()} % ${this.atom("any", d)}`,
      () => `'%s|%r' % (${markup()}, ${this.of("any", d)})`,
      () => `${markup()}.join([${this.many(d, "str").join(", ")}])`,
      () => `${markup()}.format(${this.many(d, "any").join(", ")})`,
      () =>
        `${markup()}.${this.pick(["upper()", "replace('a', '<')", "strip()", "split()", "striptags()", "partition('a')", "center(9, '<')", "unescape()", "title()", "splitlines()", "zfill(5)"])}`,
      () => `[${markup()}]`,
      () => `${markup()}${this.subscript(d)}`,
      () =>
        `${markup()}|${this.pick(["upper", "indent", "replace('a', '&')", "tojson", "list", "length", "striptags", "title", "capitalize", "trim", "truncate(4)", "string", "e", "forceescape", "reverse", "join('<')", "wordwrap(5)", "center(9)", "escape|length", "xmlattr", "urlencode", "first"])}`,
      () =>
        `[${markup()}, ${this.of("str", d)}]|${this.pick(["join('<')", "join", "sort", "unique|list", "map('upper')|list"])}`,
      () => `${markup()} is ${this.pick(["escaped", "string", "upper"])}`,
      () => `${markup()} * 2`,
    ])();
  }

  textFilter(d) {
    const filters = [
      "upper",
      "lower",
      "title",
      "capitalize",
      "trim",
      "trim('ab ')",
      "trim(chars='x')",
      "replace('a', 'b')",
      "replace('', '-')",
      "replace('a', 'bb', 1)",
      "replace('x', 'y', count=2)",
      "indent",
      "indent(2)",
      "indent(2, true)",
      "indent(1, blank=true)",
      "indent('> ', true, true)",
      "center(9)",
      "center",
      "truncate(5)",
      "truncate(9, true)",
      "truncate(6, false, '..', 0)",
      "truncate(4, leeway=0)",
      "reverse",
      "first",
      "last",
      "default('x')",
      "d('y', true)",
      "e",
      "escape",
      "safe",
      "forceescape",
      "striptags",
      "urlencode",
      "wordwrap(5)",
      "wordwrap(8, false)",
      "wordwrap(4, wrapstring='|')",
      "wordwrap(7, break_on_hyphens=false)",
      "string",
      "length",
      "list|join('|')",
      "xmlattr",
      "filesizeformat",
      "format(1)",
      "format('x', 2)",
    ];
    return `${this.atom("str", d)}|${this.pick(filters)}`;
  }

  textMethod(d) {
    const one = () => this.of("str", d);
    const width = () => this.random.below(12);
    const methods = [
      "upper()",
      "lower()",
      "title()",
      "capitalize()",
      "swapcase()",
      "strip()",
      "lstrip()",
      "rstrip()",
      "casefold()",
      () => `strip(${one()})`,
      () => `lstrip(${one()})`,
      () => `rstrip(${one()})`,
      () => `removeprefix(${one()})`,
      () => `removesuffix(${one()})`,
      () => `replace(${one()}, ${one()})`,
      () => `replace(${one()}, ${one()}, ${this.random.below(3)})`,
      () => `center(${width()})`,
      () => `center(${width()}, '*')`,
      () => `ljust(${width()}, '.')`,
      () => `rjust(${width()})`,
      () => `zfill(${width()})`,
      "expandtabs(4)",
      () => `split(${this.pick(["", one(), "none", "none, 1", "',', 1", "sep=','", "maxsplit=1"])})|join('|')`,
      () => `rsplit(${this.pick(["", one(), "none, 1", "',', 1", "' ', 2"])})|join('|')`,
      () => `partition(${one()})|join('|')`,
      () => `rpartition(${one()})|join('|')`,
      () => `splitlines(${this.pick(["", "true", "keepends=true", "false"])})|join('|')`,
      () => `format(${this.pick(["", one(), "1, 2", "a=1"])})`,
    ];
    const method = this.pick(methods);
    return `${this.atom("str", d)}.${typeof method === "string" ? method : method()}`;
  }

  printf(d) {
    const value = () =>
      this.pick([
        () => this.of("int", d),
        () => this.of("float", d),
        () => this.of("str", d),
        () => this.of("any", d),
      ])();
    const field = () =>
      `%${this.pick(["", "-", "0", "+", " ", "#", "-0", "+0"])}${this.pick(["", "5", "8", "12", "1"])}${this.pick(["", "", ".2", ".0", ".5"])}${this.pick("sdrfgexXoaiGEFc%".split(""))}`;
    const fields = Array.from({ length: 1 + this.random.below(2) }, field);
    const format = `'${fields.join(this.pick([" ", "", "a"]))}'`;
    const values = fields.map(() => `${this.chance(0.9) ? this.numberFor(fields.shift(), d) : value()}`);
    return this.pick([
      () =>
        `${format} % ${values.length === 1 && this.chance(0.5) ? `(${values[0]})` : `(${values.join(", ")}${values.length === 1 ? "," : ""})`}`,
      () => `${format}|format(${values.join(", ")})`,
      () => `'%(a)s-%(b)r' % ${this.atom("dict", d)}`,
      () => `'%(x)5d'|format(x=${this.of("int", d)})`,
    ])();
  }

  numberFor(field, d) {
    return /[srac%]$/.test(field ?? "s")
      ? this.of("any", d)
      : this.chance(0.5)
        ? this.of("int", d)
        : this.of("float", d);
  }

  formatted(d) {
    const textSpec = () =>
      `${this.pick(["", "<", ">", "^", "*^", "=^"])}${this.pick(["", "8", "3", "10"])}${this.pick(["", ".2", ".0"])}${this.pick(["", "s"])}`;
    const intSpec = () =>
      `${this.pick(["", "<", ">", "^", "=", "*=", "0="])}${this.pick(["", "+", "-", " "])}${this.pick(["", "", "#"])}${this.pick(["", "0"])}${this.pick(["", "8", "12", "3"])}${this.pick(["", ",", "_"])}${this.pick(["", "d", "x", "X", "b", "o", "n", "c", "f", "e", "g", "%"])}`;
    const floatSpec = () =>
      `${this.pick(["", "<", ">", "^", "="])}${this.pick(["", "+", " "])}${this.pick(["", "0"])}${this.pick(["", "10", "14", "4"])}${this.pick(["", ",", "_"])}${this.pick(["", ".2", ".0", ".5", ".10"])}${this.pick(["", "f", "e", "g", "%", "n", "F", "G", "E"])}`;
    const [spec, type] = this.pick([
      [textSpec(), "str"],
      [intSpec(), "int"],
      [floatSpec(), "float"],
    ]);
    return this.pick([
      () => `'{:${spec}}'.format(${this.of(type, d)})`,
      () => `'<{0:${spec}}|{0!r}>'.format(${this.of(type, d)})`,
      () => `'{} {}'.format(${this.of("any", d)}, ${this.of("any", d)})`,
      () => `'{a[0]} {b.n}'.format(a=${this.atom("list", d)}, b=${this.atom("dict", d)})`,
      () => `'{1}{0}{x!s}'.format(${this.of("any", d)}, ${this.of("int", d)}, x=${this.of("any", d)})`,
      () => `'{:{w}}'.format(${this.of(type, d)}, w=${this.pick(["5", "'>6'", "'^4'"])})`,
      () => `'{a}-{n!r:>5}'.format_map(${this.atom("dict", d)})`,
    ])();
  }

  subscript(d) {
    const bound = () =>
      this.chance(0.4)
        ? ""
        : this.chance(0.8)
          ? this.pick(["0", "1", "2", "-1", "-2", "5", "-9", "none"])
          : this.of("int", d);
    if (this.chance(0.35)) return `[${this.pick(["0", "1", "-1", "2", "-3", "7", "true"])}]`;
    return this.chance(0.6)
      ? `[${bound()}:${bound()}]`
      : `[${bound()}:${bound()}:${this.pick(["", "1", "2", "-1", "-2", "3", "0"])}]`;
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

  many(d, type) {
    return Array.from({ length: 1 + this.random.below(3) }, () => this.of(type, d));
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

  /** What may stand next to an operator, a filter or a subscript. */
  atom(type, depth) {
    const value = this.of(type, depth);
    return /^(?:\w+|'[^'\\]*'|\[[^\][]*\])$/.test(value) && !/^\d/.test(value) ? value : `(${value})`;
  }
}
