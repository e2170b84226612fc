// Changes of chat templates by token: pieces of other templates, and what has brought template engines down.

const TOKEN = /\{[%{#]-?|-?[%}#]\}|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\w+|\s+|[=!<>]=|\/\/|\*\*|[^\w\s]/g;

export function templateTokens(text) {
  return text.match(TOKEN) ?? [];
}

const SNIPPETS = [
  "{% for i in range(1000000000) %}",
  "{% for i in range(3000) %}{% for j in range(3000) %}x{% endfor %}{% endfor %}",
  "{{ range(5000000) | join }}",
  "{% set s = 'xxxxxxxx' %}{% for i in range(40) %}{% set s = s ~ s %}{% endfor %}{{ s }}",
  "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
  "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns | tojson }}{{ ns }}{{ ns == ns }}",
  "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
  "{{ ''.constructor.constructor('return process')() }}",
  "{{ messages.__proto__.polluted }}{% set messages.__proto__ = 1 %}",
  "{{ messages['constructor']['prototype'] }}",
  "{% set ns = namespace(__proto__=1) %}{% set ns.__proto__ = 2 %}",
  "{{ 'x' * 1000000000 }}{{ [0] * 1000000000 }}",
  "{{ 2 ** 100000 }}{{ 1 // 0 }}{{ 1 % 0 }}{{ -1 ** 0.5 }}",
  "{{ 'a' | replace('', 'aaaaaaaaaa') | replace('', 'aaaaaaaaaa') | replace('', 'aaaaaaaaaa') | replace('', 'aaaaaaaaaa') }}",
  "{{ '%s' | format('x') }}{{ 'x' | indent(1000000000) }}{{ 'x' | center(1000000000) }}",
  "{{ messages | tojson(indent=1000000000) }}",
  "{{ 'x'.split('') }}{{ messages[::0] }}{{ messages[-99999999999:1e400] }}",
  `${"(".repeat(20_000)}`,
  `{{ ${"(".repeat(200)}1${")".repeat(200)} }}`,
  `{{ ${"[".repeat(500)}1${"]".repeat(500)} }}`,
  `{{ ${"not ".repeat(5000)}1 }}{{ ${"-".repeat(5000)}1 }}`,
  "{% if 1 %}".repeat(5000),
  "{% include 'x' %}",
  "{% extends 'x' %}",
  "{{ lipsum() }}{{ cycler(1) }}",
  "{{ raise_exception('x' * 100000) }}",
  "{{ strftime_now('%Y'*100000) }}",
  "{{ messages | map(attribute='constructor') | list }}",
  "{{ messages | sort(attribute='role') | groupby('role') | list }}",
  "{{ dict(messages) }}{{ joiner() }}",
  "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
  "{% for m in messages %}{% set messages = messages + messages %}{% endfor %}{{ messages | length }}",
  "{% generation %}",
  "{{ {'a': messages}.items() | list }}{{ {}.get }}",
  "{%",
  "{{",
  "{#",
  "\ud800",
];

/** One to four changes; `pool` is other templates' tokens. */
export function mutateTemplate(seed, pool, random) {
  const tokens = [...seed];
  for (let left = random.length(4); left > 0; left--) {
    const at = random.below(tokens.length + 1);
    const other = random.pick(pool);
    const from = random.below(other.length);
    const count = random.length(12);
    switch (random.below(8)) {
      case 0:
        tokens.splice(at, count);
        break;
      case 1:
        tokens.splice(at, 0, ...tokens.slice(at, at + count));
        break;
      case 2:
      case 3:
        tokens.splice(at, 1, other[from]);
        break;
      case 4:
        tokens.splice(at, random.below(4), ...other.slice(from, from + count));
        break;
      case 5:
        tokens.splice(
          at,
          0,
          random.chance(0.2)
            ? random.pick(SNIPPETS)
            : random.pick([
                "{%",
                "%}",
                "{{",
                "}}",
                "(",
                ")",
                "|",
                "~",
                ".",
                "[",
                "]",
                "-",
                "1e400",
                "9007199254740993",
                "''",
                "namespace",
                "loop",
                "none",
                "in",
                "is",
                "not",
              ]),
        );
        break;
      case 6: {
        const to = random.below(tokens.length + 1);
        tokens.splice(to, 0, ...tokens.splice(at, count));
        break;
      }
      default:
        if (random.chance(0.2)) tokens.length = at;
        else
          tokens[at] = random.pick([
            "constructor",
            "__proto__",
            "role",
            "content",
            "tool_calls",
            "0",
            "-1",
            "join",
            "tojson",
            "trim",
            "range",
          ]);
    }
  }
  return tokens.join("");
}
