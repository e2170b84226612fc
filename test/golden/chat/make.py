"""Chat prompts as transformers renders them: test/golden/chat.gz, which test/chat-golden.test.ts compares with.

    pip install transformers==5.24.0 jinja2==3.1.6
    python test/golden/chat/make.py                              # templates/*.jinja -> test/golden/chat.gz
    python test/golden/chat/make.py DIR /tmp/other.gz            # other templates; compare with
    CHAT_GOLDEN=/tmp/other.gz npx vitest run test/chat-golden.test.ts

A template's first line may be a comment with its tokens: {#- bos=<s> eos=</s> -#}.
"""

import copy, datetime, gzip, json, pathlib, re, sys
import jinja2
from transformers.utils import chat_template_utils as reference

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2025, 4, 5, 6, 7, 8)


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


reference.datetime = FixedTime


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def call(name, arguments, id="abcdef123"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


SYSTEM = {"role": "system", "content": "You are helpful. "}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place, <b>now</b> & \"here\" – größer als 5 °C?",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {
                    "type": "object",
                    "description": "Where",
                    "properties": {
                        "city": {"type": "string", "description": "市 e.g. 東京 🗼"},
                        "items": {"type": "array", "items": {"type": "number", "minimum": -0.5}, "default": []},
                    },
                    "required": ["city"],
                },
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": ["integer", "null"], "default": None, "maximum": 14},
            },
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "", "parameters": {"type": "object", "properties": {}}}}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Looks\nthings up\t\\ 'quoted'",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}},
        "return": {"type": "array", "description": "hits"},
    },
}
TOOLS = [WEATHER, CLOCK, SEARCH]
ARGUMENTS = {"place": {"city": "Zürich", "items": [1, 2.5, True, None]}, "unit": "celsius"}
ASKED = [user("Weather in Zürich?"), assistant("", tool_calls=[call("get_weather", ARGUMENTS)])]


def answer(content, **more):
    return {"role": "tool", "name": "get_weather", "tool_call_id": "abcdef123", "content": content, **more}


CONVERSATIONS = {
    "user": {"messages": [user("Hello")]},
    "user, no header": {"messages": [user("Hello")], "prompt": False},
    "system": {"messages": [SYSTEM, user("  Hello\n")]},
    "system only": {"messages": [SYSTEM]},
    "turns": {"messages": [user("One?"), assistant(" Two. "), user("Three?")]},
    "system, turns": {"messages": [SYSTEM, user("1"), assistant("2"), user("3"), assistant("4"), user("5")]},
    "answered": {"messages": [SYSTEM, user("1"), assistant("2")], "prompt": False},
    "answered, header": {"messages": [user("1"), assistant("2")]},
    "system late": {"messages": [user("1"), assistant("2"), {"role": "system", "content": "new rules"}, user("3")]},
    "two users": {"messages": [user("1"), user("2")]},
    "assistant first": {"messages": [assistant("1"), user("2")]},
    "unknown role": {"messages": [user("1"), {"role": "narrator", "content": "2"}, user("3")]},
    "empty contents": {"messages": [{"role": "system", "content": ""}, user(""), assistant(""), user("x")]},
    "spaces": {"messages": [user("\n\n \t a \u00a0\u3000\n"), assistant("\r\n b\u0085\u2028 "), user("\ufeff c \u200b")]},
    "unicode": {"messages": [SYSTEM, user("Ünïcödé ÉCOLE 日本語 🦙🚀 e\u0301 \u202eRTL \U0010ffff \x00\x01\x7f")]},
    "template text": {"messages": [user("{{ 1 + 1 }}{% if x %}{# c #} {%- raw -%} }} \\n \\ '\" {{"), assistant("{% endfor %}"), user("%}")]},
    "control text": {
        "messages": [
            {"role": "system", "content": "<|eot|><|eot_id|><|im_end|>[/INST]</s><<SYS>>"},
            user("<s>[INST] <|begin_of_text|><|header_start|>system<|header_end|>\n\n<|im_start|>system\n<</SYS>>"),
            assistant("</think><tool_call>{}</tool_call><|python_tag|>[TOOL_CALLS]"),
            user("<tool_response></s>"),
        ]
    },
    "parts": {"messages": [{"role": "system", "content": parts("Be ", "brief.")}, user(parts("a", " b ")), assistant(parts("c")), user(parts("d"))]},
    "empty part": {"messages": [user(parts("", "x")), assistant("y"), user(parts("z", ""))]},
    "mixed parts": {"messages": [SYSTEM, user(parts("only"))]},
    "tools": {"messages": [user("Weather?")], "tools": TOOLS},
    "tools, system": {"messages": [SYSTEM, user("Weather?")], "tools": TOOLS},
    "tools, turns": {"messages": [SYSTEM, user("1"), assistant("2"), user("3")], "tools": [CLOCK, WEATHER], "prompt": False},
    "no tools": {"messages": [SYSTEM, user("Weather?")], "tools": []},
    "tools, system only": {"messages": [SYSTEM], "tools": [SEARCH]},
    "tools, parts": {"messages": [user(parts("Weather", "?"))], "tools": [SEARCH]},
    "tools in the system message": {"messages": [SYSTEM, user("Weather?")], "tools": TOOLS, "variables": {"tools_in_user_message": False}},
    "call": {"messages": ASKED, "tools": TOOLS, "prompt": False},
    "call and result": {"messages": [*ASKED, answer("{\"temp\": 21.5}")], "tools": TOOLS},
    "call, result, answer": {"messages": [SYSTEM, *ASKED, answer("21 °C"), assistant("Warm."), user("Thanks")], "tools": TOOLS},
    "result is a mapping of text": {"messages": [*ASKED, answer(parts("21", " °C"))], "tools": TOOLS},
    "ipython": {"messages": [*ASKED, {"role": "ipython", "content": "21 \"°C\"\n"}], "tools": TOOLS},
    "call with words": {"messages": [user("?"), assistant("Let me see.", tool_calls=[call("clock", {})]), answer("12:00")], "tools": TOOLS},
    "call of no content": {"messages": [user("?"), {"role": "assistant", "content": None, "tool_calls": [call("clock", {})]}, answer("12:00")], "tools": TOOLS},
    "call without tools": {"messages": [SYSTEM, *ASKED, answer("21")]},
    "arguments are text": {"messages": [user("?"), assistant("", tool_calls=[call("search", "{\"query\": \"a\\\"b\"}")]), answer("x")], "tools": TOOLS},
    "two calls": {
        "messages": [user("?"), assistant("", tool_calls=[call("clock", {}), call("search", {"query": "é<&>", "items": [], "get": {}, "limit": 3}, "fedcba987")]), answer("a"), answer("b", tool_call_id="fedcba987"), assistant("c")],
        "tools": TOOLS,
    },
    "no calls": {"messages": [user("?"), assistant("said", tool_calls=[]), user("!")]},
    "short call id": {"messages": [user("?"), assistant("", tool_calls=[call("clock", {}, "1")]), answer("x", tool_call_id="1")], "tools": TOOLS},
    "date": {"messages": [user("Hello")], "variables": {"date_string": "1 May 2024"}},
    "thinking off": {"messages": [SYSTEM, user("Hello"), assistant("<think>\nhm\n</think>\n\nHi"), user("Again")], "variables": {"enable_thinking": False}},
    "thinking on": {"messages": [user("Hello"), assistant("<think>\nhm\n</think>\n\nHi"), user("Again")], "variables": {"enable_thinking": True}},
}


# What templates of these families use of Jinja, and what is easily got wrong, with the conversation "two calls".
CONSTRUCTS = r"""
{{ messages[1].tool_calls[1].function.arguments.items() | list }}{{ messages[1].tool_calls[1].function.arguments['items'] }}
{{ messages[1].tool_calls[1].function.arguments.get('get') }}{{ messages[0].get('x') }}{{ messages[0].get('x', 1) }}{{ {'a': none}.a }}{{ {'a': none}['a'] is none }}
{{ "it's".title() }} {{ "it's"|title }} {{ 'foo-bar (baz'|title }} {{ 'hELLO wORLD'|capitalize }} {{ 'ǆ x'.upper() }} {{ 'İ'.lower() | length }}
[{{ '\ufeff a\x85'.strip() }}][{{ '\x1c\u3000a'|trim }}][{{ 'xxaxx'.strip('x') }}][{{ 'abcba'.lstrip('ab') }}][{{ 'abcba'.rstrip('ab') }}]
{{ ' a  b\x85c '.split() }}{{ 'a,b,,c'.split(',') }}{{ 'a b  c '.split(none, 1) }}{{ 'a.b.c'.rsplit('.', 1) }}{{ 'a\nb\r\nc\n'.splitlines() }}{{ ''.split(',') }}{{ ''.split() }}
{{ 'abcabc'.replace('b', 'X', 1) }}{{ 'abc'.find('c') }}{{ 'é🦊x'.find('x') }}{{ 'aXbX'.count('X') }}{{ 'abc'.removeprefix('ab') }}{{ 'abc'.removesuffix('x') }}{{ '12'.isdigit() }}{{ 'a1'.isalpha() }}{{ ' '.isspace() }}
{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.endswith('bc') }}{{ '{} {1} {{}}'.format(1, 2) if false }}{{ '{}-{x}'.format('a', x=none) }}{{ '{0}{0}'.format(1.5) }}
{{ [1, 'a"', "b'", "c'\"", 'd\n\t\x01\xa0\u200b\\', 1.5, none, true, undefinedx, {'k': [[]]}, (1, 2)] }}
{{ 1e0 if false }}{{ 1.0 }} {{ 1.5 * 2 }} {{ 10000000000000000.0 }} {{ 0.00001 }} {{ 0.0001 }} {{ 123456789.125 }} {{ 1 / 3 }} {{ 7 / 7 }} {{ 2 ** 70 }}
{{ {'b': 1, 'a': [1, {}, []], 'é': 'é\u2028</script>\x7f'} | tojson }} {{ {'b': 'é🦊\x7f'} | tojson(ensure_ascii=true) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}
{{ {'b': [1, {}], 'a': {'x': []}} | tojson(indent=4) }}{{ [] | tojson(indent=2) }}{{ [1, [2]] | tojson(indent=0) }}{{ [1] | tojson(indent='--') }}{{ none | tojson }}{{ 'x' | tojson }}
{{ messages | selectattr('role', 'equalto', 'tool') | map(attribute='content') | join('+') }}{{ messages | rejectattr('tool_calls') | list | length }}{{ messages | selectattr('tool_calls', 'defined') | map(attribute='role') | list }}{{ none | selectattr('x') | list }}{{ none | map('upper') | list }}
{{ [3, 1, 2] | sort(reverse=true) }}{{ ['b', 'A', 'c'] | sort }}{{ ['b', 'A'] | sort(case_sensitive=true) }}{{ messages | sort(attribute='role') | map(attribute='role') | list }}{{ {'b': 1, 'A': 2} | dictsort }}{{ {'b': 1, 'a': 2} | dictsort(by='value') }}{{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ [1, 2, 2] | unique | list }}{{ ['a', 'A', 'b'] | unique | list }}{{ messages | unique(attribute='role') | map(attribute='role') | list }}{{ ['a', 'B'] | map('upper') | list }}{{ [[1, 2], [3]] | map('length') | list }}{{ [1, 2, 3] | select('odd') | list }}{{ [1, 2, 3] | reject('gt', 2) | list }}{{ [1, none] | select('none') | list }}{{ [{'a': 1}, {}] | map(attribute='a', default=0) | list }}
{{ [1, 2.5] | sum }}{{ [3, 1] | min }}{{ ['a', 'C'] | max }}{{ messages | map(attribute='role') | unique | join(', ') }}{{ [1, 2] | last }}{{ 'ab' | first }}{{ 'ab' | reverse }}{{ -3 | abs }}{{ '3.7' | int }}{{ 'x' | int(9) }}{{ '2' | float }}{{ 3.9 | int }}
{{ x | default('d') }}{{ none | default('d') }}{{ '' | default('d', true) }}{{ x | default(none) is none }}{{ 0 | d(5, boolean=true) }}{{ x | d }}|{{ none | string | length }}{{ none | trim }}{{ 5 | trim }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\n\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('> ', first=true) }}
{{ 3 is divisibleby(3) }}{{ 3 is not divisibleby 2 }}{{ 3 is eq 3 and 2 is lt(3) }}{{ 'a' is in ['a'] }}{{ 'a' is not in 'bc' }}{{ none is sameas none }}{{ 4 is ge(4) | string }}{{ (2 is eq(2)) ~ 'x' }}{{ messages[0].role is equalto('user') }}{{ 1 is not string | string ~ 'x' }}{{ 1 is string | int }}
{{ x is defined }}{{ x is undefined }}{{ none is none }}{{ 1 is number }}{{ true is boolean }}{{ true is number }}{{ 1.0 is float }}{{ 1 is integer }}{{ true is integer }}{{ 'a' is iterable }}{{ x is iterable }}{{ 'a' is sequence }}{{ {} is mapping }}{{ {} is sequence }}{{ 1 is iterable }}{{ 'A' is upper }}{{ '1' is upper }}{{ range is callable }}{{ 0 is even }}{{ false is false }}
{{ 'ab' 'cd' }}{{ 'a' ~ 1 ~ none ~ x ~ true ~ [1] }}{{ 'a' * 3 }}{{ [1] + [2] }}{{ [1, 2] * 2 }}{{ [1] * -1 }}{{ messages[1] | list }}{{ 'b' in {'b': 1} }}{{ 2 in [1, 2] }}{{ 'x' not in 'abc' }}{{ 'a' < 'b' }}{{ not x }}{{ -2 ** 2 }}{{ 7 // -2 }}{{ -7 % 3 }}{{ 1 == 1.0 }}{{ true == 1 }}{{ '1' == 1 }}
{{ [1, 2, 3, 4][1:3] }}{{ [1, 2, 3][-1] }}{{ [1, 2, 3][::-1] }}{{ 'abc'[:-1] }}{{ '🦊bc'[0] }}{{ 'abc'[5:] }}{{ [1][5] is defined }}{{ messages[-1:][0].role }}{{ [1, 2, 3, 4][::2] }}
{{ 'a' if x }}|{{ 'a' if x else 'b' if none else 'c' }}|{{ none.x is defined }}|{{ x or 'or' }}|{{ 'a' and 0 }}|{{ 'a' or x.y }}
{% set ns = namespace(a=1, b=[]) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{% set a, b = 1, [2] %}{{ a }}{{ b }}{% set c %}x{{ a }}{% endset %}{{ c }}{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}
{% for i in [1, 2, 3, 4] if i is odd %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem is defined }}{{ loop.nextitem | default('-') }}{{ loop.cycle('a', 'b') }};{% else %}none{% endfor %}{% for i in [] %}{% else %}empty{% endfor %}
{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% endif %}{{ i }}{% endfor %}{% set v = 0 %}{% for i in [1] %}{% set v = 1 %}{% endfor %}{{ v }}{% if true %}{% set v = 2 %}{% endif %}{{ v }}
{% macro m(a, b='z', c=none) %}[{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, 4) }}{{ m(b=1, a=2, d=5) }}{{ m() }}{% macro r(n) %}{{ n }}{{ r(n - 1) if n }}{% endmacro %}{{ r(3) }}
{% macro box(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call box('a') %}in{{ messages[0].role }}{% endcall %}{% macro list(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) list([1, 2]) %}({{ x }}){% endcall %}
{% filter replace('b', '-') %}abc{{ 'd' }}{% endfilter %}{% filter indent(2) %}a\nb{% endfilter %}{% raw %}{{ x }}{% if %}{# #}{% endraw %}{% generation %}g{{ 1 }}{% endgeneration %}
a {%- if true -%} b {%- endif -%} c\n   {% if true %}   \n  x\n   {% endif %}\n {# c #}\ny {{- ' z ' -}} \n w {%+ if true %} p {% endif +%}\n q\n  {%+ if true +%}\n r {%- endif %}\n\n  {#- c -#}  s\n\t{% raw -%}  t {%- endraw %}\n
{{ strftime_now('%d %b %Y %H:%M:%S %A %B %y %m %j %I %p %a %e %-d %-m %F %T %%') }}{{ dict(a=1) }}{{ namespace(a=1).a }}{{ range(1, 10, 4) | list }}{{ range(3)[1] }}{{ range(3) | length }}
{{ x.y }}
{{ x + 1 }}
{{ 'a' + 1 }}
{{ none | length }}
{{ [1, x] | tojson }}
{{ 'a' < 1 }}
{{ x() }}
{{ 1 in 'a1' }}
{{ raise_exception('no: ' ~ messages | length) }}
{% for i in none %}{% endfor %}
{{ [1, 'a'] | sort }}
{{ 'a'.join([1]) }}
{{ '\d\q' }}{{ '\u00e9\U0001F98A\x41\'\"' }}{{ "a\\nb" }}
"""


def render(source, tokens, conversation, joined):
    messages = copy.deepcopy(conversation["messages"])
    for message in messages:
        if message["content"] is None:  # transformers drops the key, which most templates refuse; we say nothing
            message["content"] = ""
    if joined:
        for message in messages:
            if isinstance(message.get("content"), list):
                message["content"] = "".join(part["text"] for part in message["content"])
    try:
        texts, _ = reference.render_jinja_template(
            [messages],
            tools=conversation.get("tools") or None,
            chat_template=source,
            add_generation_prompt=conversation.get("prompt", True),
            **tokens,
            **conversation.get("variables", {}),
        )
        return texts[0]
    except jinja2.exceptions.TemplateError as error:
        raised = type(error) is jinja2.exceptions.TemplateError
        return {"raised": str(error)} if raised else {"error": str(error)}
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        return {"error": str(error)}


def expected(source, tokens, conversation):
    """Parts go to a template that reads them; others get them joined, where transformers would print or refuse a list."""
    text = render(source, tokens, conversation, False)
    printed = isinstance(text, str) and "[{'type': 'text'" in text
    refused = isinstance(text, dict) and "error" in text
    return render(source, tokens, conversation, True) if printed or refused else text


def main(folder=HERE / "templates", target=HERE.parent / "chat.gz"):
    templates = {}
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        named = dict(re.findall(r"(bos|eos)=(\S+)", source.split("\n")[0])) if source.startswith("{#") else {}
        tokens = {"bos_token": named.get("bos", "<|begin_of_text|>"), "eos_token": named.get("eos", "<|eot_id|>")}
        templates[path.stem] = {"source": source, **tokens, "texts": [expected(source, tokens, one) for one in CONVERSATIONS.values()]}
    two = next(one for name, one in CONVERSATIONS.items() if name == "two calls")
    sources = [line.replace("\\n", "\n").replace("\\t", "\t") for line in CONSTRUCTS.strip().split("\n")]
    constructs = [{"source": source, "text": render(source, {}, two, False)} for source in sources]
    golden = {"constructs": constructs, "conversations": [{"name": name, **one} for name, one in CONVERSATIONS.items()], "templates": templates}
    data = json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode()
    pathlib.Path(target).write_bytes(gzip.compress(data, 9, mtime=0))
    texts = [text for one in templates.values() for text in one["texts"]]
    print(f"{len(templates)} templates, {len(texts)} prompts, {sum(isinstance(text, dict) for text in texts)} refused")


main(*sys.argv[1:])
