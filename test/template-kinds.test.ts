/** What templates use of Jinja, one line for a kind: each text is what jinja2 3.1.6 gives in the environment of transformers. */
import { expect, test } from "vitest";
import { ChatTemplate } from "../src/tokenizer/chat.ts";

const cases: [template: string, text: string | null][] = [
  [
    "{{ 1 in {1: 'a'} }}{{ {1: 'a', 1.0: 'b', true: 'c'} }}{{ {none: 1, (1, 2): 3}[(1, 2)] }}{{ {2: 'x'}[2] }}",
    "True{1: 'c'}3x",
  ],
  ["{{ 1 < 3 < 2 }}{{ 1 < 2 <= 2 != 3 }}{{ 'a' in 'ab' in ['ab'] }}", "FalseTrueTrue"],
  ["{{ '1e3'|float }} {{ ' 1_0.5 '|float }} {{ 'inf'|float }} {{ 'x'|float(2.5) }}", "1000.0 10.5 inf 2.5"],
  [
    "{{ '11'|int(base=2) }} {{ '0x1F'|int(0, 16) }} {{ '1e3'|int }} {{ '12.9'|int }} {{ 'zz'|int(7, base=36) }}",
    "3 31 1000 12 1295",
  ],
  ["{{ 'abcab'.startswith('a', 3) }}{{ 'abc'.startswith('b', 1, 2) }}{{ 'abc'.endswith('b', 0, -1) }}", "TrueTrueTrue"],
  ["{{ 'a\\nb\\r\\nc'.splitlines(true) }}{{ 'a\\n'.splitlines(keepends=true) }}", "['a\\n', 'b\\r\\n', 'c']['a\\n']"],
  ["{% raw %}\n{{ x }}\n{% endraw %}\n|", "\n{{ x }}\n|"],
  [
    "{% set y %}{% set x = 1 %}{% endset %}{{ x is defined }}{% filter upper %}{% set z = 1 %}{% endfilter %}{{ z is defined }}{% with q = 1 %}{% set p = 2 %}{% endwith %}{{ p is defined }}",
    "FalseFalseFalse",
  ],
  ["{{ [[1, 2], 'xy']|map(attribute=-1)|list }}{{ [{'a': [1]}]|map(attribute='a.0')|list }}", "[2, 'y'][1]"],
  [
    "{% for i in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% for i in [[1, [2]], 3] recursive %}{{ loop.depth }}:{{ loop(i) if i is not number else i }};{% endfor %}",
    "101:2:1;2:3:2;;;1:3;",
  ],
  [
    "{{ 9007199254740993 }} {{ 9007199254740993 + 1 }} {{ 2 ** 100 }} {{ 10 ** 20 // 3 }} {{ -7 // 2 }} {{ 123456789012345678901 % 97 }} {{ 9007199254740993|tojson }}",
    "9007199254740993 9007199254740994 1267650600228229401496703205376 33333333333333333333 -4 31 9007199254740993",
  ],
  ["{{ (1, 2)[:-1] }}{{ (1, 2, 3)[::2] }}{{ 'abc'[::-1] }}{{ range(6)[1:4] }}", "(1,)(1, 3)cbarange(1, 4)"],
  ["{% set h = 0.5 %}{{ [1, 2][h:] }}", null],
  [
    "{{ \"%s\" | format('x') }}{{ \"%05.1f|%-4d|%x\" | format(2.25, 7, 255) }}{{ '%(a)s' | format(a=1) }}",
    "x002.2|7   |ff1",
  ],
  ["{% if false %}{{ x | nope }}{{ x is nope }}{{ nope() }}{% endif %}fine", "fine"],
  ["{{ ('a', 'b') }}{{ () }}{{ (1,) }}{{ 1, 2 }}", "('a', 'b')()(1,)(1, 2)"],
  ["{% for i in 1, 2 %}{{ i }}{% endfor %}", "12"],
  [
    "{% for n in [{'n': 1, 'c': [{'n': 2}]}] recursive %}{{ n.n }}{% if n.c %}({{ loop(n.c) }}){% endif %}{% endfor %}",
    "1(2)",
  ],
  ["{% with a = 1, b = a %}{{ a }}{{ b is defined }}{% endwith %}{{ a is defined }}", "1FalseFalse"],
  ["{% filter upper | replace('A', 'x') %}aab{% endfilter %}", "xxB"],
  ["{{ 3 * 'ab' }}{{ [0] * 2 }}{{ 2 * (1,) }}", "ababab[0, 0](1, 1)"],
  [
    "{{ 2.5|round }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 1.1|round(0, 'ceil') }} {{ 25|round(-1) }}",
    "2.0 2.67 42.5 2.0 20",
  ],
  [
    "{{ [1, 2, 3]|batch(2)|list }}{{ [1, 2, 3]|batch(2, 0)|list }}{{ [1, 2, 3]|slice(2)|list }}{{ [1, 2, 3]|slice(2, 'x')|list }}",
    "[[1, 2], [3]][[1, 2], [3, 0]][[1, 2], [3]][[1, 2], [3, 'x']]",
  ],
  [
    "{{ '<a>'|escape }}{{ '<a>'|e|length }}{{ ('<'|e) + '<' }}{{ 'foo bar baz qux'|truncate(9) }}{{ 'foo bar baz'|truncate(5, true, '..', 0) }}{{ 'a b-c'|wordcount }}{{ 'a'|attr('upper') is callable }}",
    "&lt;a&gt;9&lt;&lt;foo...foo..3True",
  ],
  [
    "{{ 'abc'.index('c') }}{{ 'a.b.c'.partition('.') }}{{ '-5'.zfill(4) }}{{ 'abca'.count('a') }}{{ [1, 2].index(2) }}{{ (1, 1).count(1) }}",
    "2('a', '.', 'b.c')-005212",
  ],
  ["{{ strftime_now('%c') }}", "Sat Apr  5 06:07:08 2025"],
  [
    "{{ '{:.2f}'.format(3.14159) }}{{ '{:>6}|{:<6}|{:^6}|{:06,}'.format('a', 'b', 'c', 1234) }}{{ '{0[a]}{0.a}'.format({'a': 1}) }}",
    "3.14     a|b     |  c   |01,23411",
  ],
  [
    "[{{ '{0.__class__}'.format('x') }}{{ ''.__class__ }}{{ ({}).pop is defined }}{{ [].append is defined }}]",
    "[FalseFalse]",
  ],
  [
    "{% for i in [1] %}{% continue %}{% else %}none{% endfor %}{% for i in [1, 2] if i > 1 %}{{ loop.length }}{{ loop.previtem is defined }}{% endfor %}",
    "none1False",
  ],
  [
    "{{ 1.0 / 3 }} {{ 1e16 }} {{ 1e-5 }} {{ 7 / 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 10 ** -2 }} {{ 2 ** 0.5 }}",
    "0.3333333333333333 1e+16 1e-05 3.5 -4.0 0.5 0.01 1.4142135623730951",
  ],
  [
    "{% set x = [1, 2]|map('string') %}{{ x|join }}{{ x|join }}|{{ [3, 1]|groupby(0) if false }}{{ [{'a': 1}, {'a': 2}, {'a': 1}]|groupby('a') }}",
    "12|[(1, [{'a': 1}, {'a': 1}]), (2, [{'a': 2}])]",
  ],
  [
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{{ caller() if caller }}{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, c=4) }}{% call m(5) %}!{% endcall %}",
    "11(){}12(3,){'c': 4}55(){}!",
  ],
  [
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('-') %}{% for i in range(3) %}{{ j() }}{{ i }}{% endfor %}",
    "abab0-1-2",
  ],
  [
    "{{ {'a': 1}.items() }}{{ {'a': 1}.keys() }}{{ range(3) }}{{ {}.get('x') }}{{ dict(a=1, **{'b': 2}) }}",
    "dict_items([('a', 1)])dict_keys(['a'])range(0, 3)None{'a': 1, 'b': 2}",
  ],
  ["{% for i in [1] %}{{ s }}{% endfor %}{% set s = 'late' %}{{ s }}", "late"],
  [
    "{% for v in [0.0, 1500.0, 100.0, 2.5] %}{% for f in ['.0', '.1', '.2', '.3'] %}{{ '{:{}}'.format(v, f) }} {% endfor %}{% endfor %}",
    "0e+00 0e+00 0.0 0.0 2e+03 2e+03 1.5e+03 1.5e+03 1e+02 1e+02 1e+02 1e+02 2e+00 2e+00 2.5 2.5 ",
  ],
];

function rendered(source: string): string | null {
  try {
    const now = new Date(2025, 3, 5, 6, 7, 8);
    return new ChatTemplate(source).render([{ role: "user", content: "hi" }], { variables: { s: "early" }, now });
  } catch (error) {
    expect((error as Error).name, String(error)).toBe("EngineError");
    return null;
  }
}

test.each(cases)("%s", (source, text) => {
  expect(rendered(source)).toBe(text);
});

test.each([
  "{{ 'ab' * 10 ** 9 }}",
  "{{ 'a'|center(10 ** 9) }}{{ 'a'.ljust(10 ** 9) }}",
  "{{ '%1000000000d' % 1 }}",
  "{{ '{:1000000000}'.format(1) }}",
  "{{ 'a'.zfill(10 ** 9) }}",
  "{{ '\\t'.expandtabs(10 ** 9) }}",
  "{{ 10 ** (10 ** 8) }}",
  "{% set ns = namespace(n=10) %}{% for i in range(99999) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
  "{{ 10 ** 5000 }}",
  "{{ range(10 ** 9)|list }}",
  "{{ [1]|batch(10 ** 9, 0)|list }}{{ [1]|slice(10 ** 9)|list }}",
  "{{ 'a'|indent(10 ** 9) }}",
  "{% set ns = namespace(l=[1]) %}{% for i in range(50000) %}{% set ns.l = ns.l|map('abs') %}{% endfor %}{{ ns.l|list }}",
])("%s ends soon, with an EngineError", (source) => {
  const start = process.cpuUsage();
  expect(rendered(source)).toBeNull();
  const { user, system } = process.cpuUsage(start);
  expect((user + system) / 1000).toBeLessThan(3000); // 0.7 s on a Xeon at half its rate
});
