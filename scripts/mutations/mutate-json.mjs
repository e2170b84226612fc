// Changes of a JSON text that keep it JSON, mostly: values of other kinds, numbers at the limits, keys twice, keys renamed, depth.

const STRING = '"(?:[^"\\\\]|\\\\.)*"';
const TOKEN = new RegExp(`${STRING}|[-\\w.+]+|[[\\]{}:,]`, "g");

/**
 * Where every value of a text stands. `start..end` is the value, `entry..end` the value with its key, `key..keyEnd` the key; all
 * of them offsets into the text.
 */
export function valuesOf(text) {
  const values = [];
  const tokens = [...text.matchAll(TOKEN)];
  let next = 0;
  const read = (member) => {
    const [first] = tokens[next];
    const value = { entry: tokens[next].index, ...member, start: tokens[next].index, end: 0 };
    values.push(value);
    next++;
    if (first === "{" || first === "[") {
      for (; tokens[next][0] !== "}" && tokens[next][0] !== "]"; ) {
        if (tokens[next][0] === ",") next++;
        if (first === "[") {
          read({});
          continue;
        }
        const key = tokens[next].index;
        const keyEnd = key + tokens[next][0].length;
        next += 2;
        read({ entry: key, key, keyEnd });
      }
      next++;
    }
    const last = tokens[next - 1];
    value.end = last.index + last[0].length;
  };
  read({});
  return values;
}

const SCALARS = [
  ..."null true false 0 -0 1 -1 2 3 0.5 1.0 1e3 1e-320 1e400 -1e400 1e308 NaN 2147483647 2147483648 4294967295".split(
    " ",
  ),
  ..."4294967296 9007199254740991 9007199254740993 18446744073709551615 99999999999999999999999 -9223372036854775808".split(
    " ",
  ),
  ...[
    '""',
    '"a"',
    '"48"',
    '"nan"',
    '"__proto__"',
    '"\\ud800"',
    '"\\u0000"',
    '"F32"',
    '"F8_E4M3"',
    '"C64"',
    '"llama3"',
    '"mixtral"',
  ],
  ...[
    "[]",
    "{}",
    "[[[]]]",
    "[0]",
    "[1,2,3]",
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
  ],
];

const KEYS = ["__proto__", "constructor", "toString", "", "length", "type", "a/b~c", "__metadata__"];

export function jsonScalar(random) {
  if (random.chance(0.97)) return random.pick(SCALARS);
  const depth = random.pick([9, 33, 65, 5000]);
  return random.pick([
    `${"[".repeat(depth)}${"]".repeat(depth)}`,
    `"${"x".repeat(5000)}"`,
    `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`,
  ]);
}

/** One to three changes. `values` are those of the text. */
export function mutateJson(text, values, random) {
  const edits = [];
  for (let left = random.length(3); left > 0; left--) {
    const edit = editOf(text, values, random);
    if (edits.every(({ start, end }) => edit.end < start || edit.start > end)) edits.push(edit);
  }
  let changed = text;
  for (const { start, end, into } of edits.sort((a, b) => b.start - a.start))
    changed = changed.slice(0, start) + into + changed.slice(end);
  return changed;
}

function editOf(text, values, random) {
  const value = random.pick(values);
  const { start, end, entry } = value;
  const own = text.slice(start, end);
  const other = random.pick(values);
  const otherText = text.slice(other.start, Math.min(other.end, other.start + 20_000));
  switch (random.below(9)) {
    case 0:
    case 1:
      return { start, end, into: jsonScalar(random) };
    case 2:
      return { start, end, into: nearby(own, random) };
    case 3:
      return { start, end, into: otherText };
    case 4: {
      // Together with a comma, or the text would be no JSON.
      const comma = /^\s*,/.exec(text.slice(end, end + 40))?.[0].length ?? 0;
      const before = comma === 0 ? (/,\s*$/.exec(text.slice(Math.max(0, entry - 40), entry))?.[0].length ?? 0) : 0;
      return { start: entry - before, end: end + comma, into: "" };
    }
    case 5:
      return { start: end, end, into: `,${text.slice(entry, end)}` };
    case 6: {
      if (value.key === undefined)
        return { start: end, end, into: `,${random.chance(0.5) ? own : jsonScalar(random)}` };
      const key = other.key === undefined ? JSON.stringify(random.pick(KEYS)) : text.slice(other.key, other.keyEnd);
      return { start: value.key, end: value.keyEnd, into: key };
    }
    case 7: {
      const key = value.key === undefined ? "" : `${JSON.stringify(random.pick(KEYS))}:`;
      return { start: end, end, into: `,${key}${jsonScalar(random)}` };
    }
    default: {
      const at = start + random.below(end - start + 1);
      return {
        start: at,
        end: Math.min(end, at + random.below(3)),
        into: random.pick(["", ",", "]", "}", '"', "\\", " ", "\u0001", "é", "9"]),
      };
    }
  }
}

/** A number a little off, a string a little longer, a list one shorter: what passes the first check. */
function nearby(own, random) {
  if (/^-?\d+$/.test(own)) {
    const number = BigInt(own);
    return String(random.pick([number + 1n, number - 1n, number * 2n, -number, number * number, number / 2n]));
  }
  if (own.startsWith('"'))
    return random.pick([`${own.slice(0, -1)}x"`, `"${own.slice(2)}`.replace(/^"+$/, '""'), '" "', own.toUpperCase()]);
  if (own.startsWith("["))
    return random.pick([`[${own}]`, own.replace(/^\[[^,\]]*,?/, "["), own.replace(/\]$/, own === "[]" ? "0]" : ",0]")]);
  return jsonScalar(random);
}
