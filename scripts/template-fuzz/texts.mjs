// Random expressions that are strings: literals, filters, methods and formats.
import { Source } from "./source.mjs";

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

export class Texts extends Source {
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

  bounds() {
    return this.chance(0.7) ? "" : this.pick([", 1", ", 0, 3", ", -2", ", 1, -1", ", none, 2", ", 5, 2"]);
  }
}
