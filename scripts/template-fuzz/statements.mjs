// Random templates: text, output and every statement, in scopes that see one another's names.
import { Expressions } from "./expressions.mjs";

const TEXTS = [
  "x",
  " ",
  "\n",
  "a b",
  "\n\n",
  "  \n  ",
  "{",
  "}",
  "%",
  "é",
  "-",
  "<|t|>",
  "\t",
  " {x} ",
  "\u00a0\n",
  "end\n",
];

export class Templates {
  constructor(random) {
    this.random = random;
    this.values = new Expressions(random);
    this.macros = [];
    this.loops = 0;
    this.count = 0;
  }

  pick(list) {
    return this.random.pick(list);
  }

  chance(p) {
    return this.random.chance(p);
  }

  template() {
    const size = this.pick([1, 1, 1, 2, 3, 5]);
    return Array.from({ length: size }, () => this.statement(3)).join("");
  }

  open() {
    return this.chance(0.12) ? this.pick(["{%-", "{%+"]) : "{%";
  }

  close() {
    return this.chance(0.12) ? this.pick(["-%}", "+%}"]) : "%}";
  }

  tag(text) {
    return `${this.open()} ${text} ${this.close()}`;
  }

  output(depth) {
    const type = this.pick(["any", "any", "str", "int", "float", "bool", "list", "dict"]);
    const [open, close] = this.chance(0.1) ? ["{{-", "-}}"] : ["{{ ", " }}"];
    return `${open} ${this.values.of(type, depth)}${close}`;
  }

  body(depth) {
    return Array.from({ length: 1 + this.random.below(3) }, () => this.statement(depth - 1)).join("");
  }

  /** A body whose names are gone behind it, though templates may still ask for them. */
  scoped(depth, names = {}) {
    const saved = structuredClone(this.values.names);
    for (const [type, added] of Object.entries(names)) this.values.names[type].push(...added, ...added);
    const text = this.body(depth);
    if (!this.chance(0.1)) this.values.names = saved;
    return text;
  }

  fresh() {
    return this.chance(0.4) ? this.pick(["n", "s", "l", "x1", "x2", "x3"]) : `v${this.random.below(5)}`;
  }

  statement(depth) {
    if (depth <= 0 || this.chance(0.45)) return this.chance(0.25) ? this.pick(TEXTS) : this.output(3);
    const e = 2;
    return this.pick([
      () => this.pick(TEXTS) + this.output(4),
      () => this.output(4),
      () => `{#${this.pick(["", "-", "+"])} c ${this.pick(["", "-", "+"])}#}`,
      () => this.if(depth, e),
      () => this.if(depth, e),
      () => this.for(depth, e),
      () => this.for(depth, e),
      () => this.set(e),
      () => this.set(e),
      () => this.setBlock(depth),
      () => this.with(depth, e),
      () => this.filterBlock(depth),
      () => this.macro(depth, e),
      () => this.call(e),
      () => this.callBlock(depth, e),
      () => this.namespace(e),
      () => `${this.tag("generation")}${this.scoped(depth)}${this.tag("endgeneration")}`,
      () =>
        `{%${this.pick(["", "-"])} raw ${this.pick(["", "-"])}%}${this.pick(TEXTS)}{{ x }}${this.pick(TEXTS)}{%${this.pick(["", "-", "+"])} endraw ${this.pick(["", "-", "+"])}%}`,
      () => this.cycler(),
      () => (this.loops > 0 ? this.control(e) : this.output(3)),
      () => `{% print ${this.values.of("any", e)}, ${this.values.of("int", e)} %}`,
    ])();
  }

  if(depth, e) {
    const elses = this.chance(0.3) ? `${this.tag(`elif ${this.values.of("bool", e)}`)}${this.body(depth)}` : "";
    const end = this.chance(0.4) ? `${this.tag("else")}${this.body(depth)}` : "";
    return `${this.tag(`if ${this.values.of(this.pick(["bool", "bool", "any"]), e)}`)}${this.body(depth)}${elses}${end}${this.tag("endif")}`;
  }

  control(e) {
    return `${this.tag(`if ${this.pick([`loop.index > ${this.random.below(3)}`, this.values.of("bool", e), "loop.first"])}`)}${this.tag(this.pick(["break", "continue"]))}${this.tag("endif")}`;
  }

  loopPart() {
    return `{{ loop.${this.pick(["index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0", "previtem", "nextitem", "cycle('a', 'b')", "changed(n)", "changed(x1)"])} }}`;
  }

  for(depth, e) {
    this.loops++;
    const pairs = this.chance(0.2);
    const name = this.fresh();
    const target = pairs ? `k, ${name}` : name;
    const iterable = pairs
      ? this.pick([
          "d.items()",
          "row|items",
          "{'p': 1, 'q': 2}.items()",
          "[(1, 2), [3, 4]]",
          "d|dictsort",
          "rows|groupby('n')",
          "'ab', 'cd'",
        ])
      : this.pick([
          () => this.values.of("list", e),
          () => this.values.of("list", e),
          () => "1, 2, 3",
          () => "rows|selectattr('a')",
          () => "l|map('string')",
          () => this.values.of("str", e),
          () => "d",
          () => "l|select('odd')",
        ])();
    const recursive = !pairs && this.chance(0.12);
    const test = this.chance(0.25)
      ? ` if ${this.pick([`${name} is not none`, this.values.of("bool", e), `${name}`, `loop.index < 3 or ${name}`])}`
      : "";
    const names = { any: [name], ...(pairs ? { str: ["k"] } : {}) };
    let inside = (this.chance(0.4) ? this.loopPart() : "") + this.scoped(depth, names);
    if (recursive)
      inside += this.pick([
        "{{ loop([]) }}",
        "{% if loop.depth < 3 %}{{ loop([1, 2]) }}{% endif %}",
        "{% if loop.depth0 < 2 and loop.first %}({{ loop(['a']) }}){% endif %}",
      ]);
    this.loops--;
    const end = this.chance(0.25) ? `${this.tag("else")}${this.scoped(depth)}` : "";
    return `${this.tag(`for ${target} in ${recursive ? this.pick(["[1, 2]", "l", "'ab'"]) : iterable}${test}${recursive ? " recursive" : ""}`)}${inside}${end}${this.tag("endfor")}`;
  }

  set(e) {
    const type = this.pick(["int", "str", "list", "dict", "any", "bool", "float"]);
    const value = this.values.of(type, e + 1);
    const name = this.fresh();
    if (this.chance(0.1)) {
      const other = this.fresh();
      this.values.names.any.push(name, other);
      return this.tag(
        `set ${name}, ${other} = ${this.pick([`${value}, 1`, "[1, 2]", "'ab'", "(n, s)", "{'a': 1, 'b': 2}"])}`,
      );
    }
    this.values.names[type].push(name);
    return this.tag(`set ${name} = ${value}`);
  }

  setBlock(depth) {
    const name = this.fresh();
    const text = this.scoped(depth);
    this.values.names.str.push(name);
    return `${this.tag(`set ${name}${this.pick(["", "", " | upper", " | trim | replace('a', 'b')"])}`)}${text}${this.tag("endset")}`;
  }

  with(depth, e) {
    const [name, other] = [this.fresh(), this.fresh()];
    const both = this.chance(0.4) && name !== other;
    const values = `${name} = ${this.values.of("any", e)}${both ? `, ${other} = ${this.pick([name, this.values.of("int", e)])}` : ""}`;
    return `${this.tag(`with ${values}`)}${this.scoped(depth, { any: both ? [name, other] : [name] })}${this.tag("endwith")}`;
  }

  filterBlock(depth) {
    const filter = this.pick([
      "upper",
      "trim",
      "replace('a', 'b')",
      "indent(2)",
      "upper | reverse",
      "title|center(20)",
      "length",
      "e",
      "replace(s, n ~ '')",
      "wordcount",
      "tojson",
      "trim|default('x')|lower",
    ]);
    return `${this.tag(`filter ${filter}`)}${this.scoped(depth)}${this.tag("endfilter")}`;
  }

  macro(depth, e) {
    const name = `m${this.count++}`;
    const parameters = this.pick([[], ["p"], ["p", "q"], ["p", "q", "r"]]);
    const defaults = this.random.below(parameters.length + 1);
    const signature = parameters.map((one, i) =>
      i >= parameters.length - defaults
        ? `${one}=${this.pick([() => this.values.of("any", e), () => parameters[0], () => "x1"])()}`
        : one,
    );
    const loops = this.loops;
    this.loops = 0;
    const extras = this.pick([
      "",
      "",
      "{{ varargs }}",
      "{{ kwargs }}",
      "{{ caller() }}",
      "{{ caller(1) if caller }}",
      "{{ varargs }}{{ kwargs|dictsort }}",
    ]);
    const text = this.scoped(depth, { any: parameters }) + extras;
    this.loops = loops;
    this.macros.push(name);
    return `${this.tag(`macro ${name}(${signature.join(", ")})`)}${text}${this.tag("endmacro")}`;
  }

  arguments_(e) {
    return this.pick([
      () => "",
      () => this.values.of("any", e),
      () => `${this.values.of("int", e)}, ${this.values.of("str", e)}`,
      () => `q=${this.values.of("any", e)}, p=1`,
      () => "1, 2, 3, 4",
      () => "z=1",
      () => "*[1, 2]",
      () => "**{'p': 1}",
      () => "1, *l",
      () => "p=1, **{'w': 2}",
    ])();
  }

  call(e) {
    if (this.macros.length === 0) return this.output(3);
    return `{{ ${this.pick(this.macros)}(${this.arguments_(e)})${this.pick(["", "", "|upper", "|length"])} }}`;
  }

  callBlock(depth, e) {
    if (this.macros.length === 0) return this.output(3);
    const loops = this.loops;
    this.loops = 0;
    const text = `${this.tag(`call${this.pick(["", "", "(y)", "(y, x1=2)"])} ${this.pick(this.macros)}(${this.arguments_(e)})`)}${this.scoped(depth, { any: ["y"] })}${this.tag("endcall")}`;
    this.loops = loops;
    return text;
  }

  namespace(e) {
    const name = this.pick(["ns", "ns2"]);
    this.values.names.any.push(`${name}.a`);
    return this.pick([
      () => this.tag(`set ${name} = namespace(${this.pick(["", "a=1", "{'a': 2}", "a=[], b='x'", "{'q': 1}, a=3"])})`),
      () =>
        this.tag(`set ${name} = namespace(a=${this.values.of("any", e)})`) +
        this.tag(`set ${name}.a = ${this.values.of("any", e)}`) +
        `{{ ${name}.a }}`,
      () =>
        this.tag("set ns = namespace(a=0)") +
        `{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.missing }}{{ ns['a'] }}`,
      () => `{% set ns = namespace() %}{% set ns.b %}${this.pick(TEXTS)}{{ n }}{% endset %}{{ ns.b }}`,
      () => this.tag(`set ${name}.a = ${this.values.of("int", e)}`),
    ])();
  }

  cycler() {
    return this.pick([
      "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}",
      "{% set j = joiner(', ') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}",
      "{% set j = joiner() %}{{ j() }}{{ j() }}",
      "{{ strftime_now('%Y-%m-%d %H:%M:%S %c %a %b %j %U %W %V %u %p %I %e %-d') }}",
    ]);
  }
}

const pickValue = (random, list) => random.pick(list);

/** JSON text of the variables: of every type that JSON has, with what is easily got wrong. */
export function makeValues(random) {
  const int = () =>
    pickValue(random, [0, 1, 2, 3, -1, 7, 10, 42, -5, 100, "9007199254740993", "-12345678901234567890"]);
  const float = () =>
    pickValue(random, ["1.5", "-0.25", "2.0", "1e-05", "100.125", "0.1", "1e+16", "123456789.5", "-0.0"]);
  const text = () =>
    JSON.stringify(
      pickValue(random, [
        "",
        "a",
        "abc",
        "Hello",
        "hello world foo",
        "a,b",
        " pad ",
        "x\ny\r\nz",
        "İstanbul ß",
        "日本語🦊",
        "<b>&\"'</b>",
        "12",
        "A-b",
        "\u00e9\u0301\u2028",
        "Foo Bar",
        "tab\there",
      ]),
    );
  const list = (item) => `[${Array.from({ length: random.below(4) }, item).join(", ")}]`;
  const any = () => pickValue(random, [int, float, text, () => "null", () => "true", () => "[]", () => '{"a": 1}'])();
  const row = () =>
    `{"a": ${any()}, "n": ${int()}, "name": ${text()}, "tags": ${list(text)}${random.chance(0.2) ? ', "items": 1' : ""}}`;
  return `{"n": ${int()}, "big": 12345678901234567890, "zero": 0, "f": ${float()}, "g": ${float()}, "s": ${text()}, "t": ${text()}, "e": "", "yes": true, "no": false, "none_": null, "l": ${list(int)}, "w": ${list(text)}, "mixed": ${list(any)}, "d": {"a": ${any()}, "b": ${text()}, "n": ${int()}}, "row": ${row()}, "rows": [${row()}, ${row()}, ${row()}]}`;
}
