/** Whether a JSON value satisfies a schema (2020-12, what the fuzzer makes of it): written from the specification, not from the compiler. */

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value) =>
  isObject(value)
    ? `{${Object.keys(value)
        .sort()
        .map((name) => `${JSON.stringify(name)}:${text(value[name])}`)}}`
    : Array.isArray(value)
      ? `[${value.map(text)}]`
      : JSON.stringify(value);
const same = (a, b) => text(a) === text(b);

const TYPES = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  integer: Number.isInteger,
  number: Number.isFinite,
  string: (value) => typeof value === "string",
  array: Array.isArray,
  object: isObject,
};

const isDate = (value) => {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(value) ?? [];
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return year !== undefined && date.getUTCMonth() + 1 === Number(month) && date.getUTCDate() === Number(day);
};
const isTime = (value) => {
  const [, hour, minute, second, , zone] = /^(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(value) ?? [];
  const offset = zone === "Z" || (zone && Number(zone.slice(1, 3)) < 24 && Number(zone.slice(4)) < 60);
  return Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60 && Boolean(offset);
};
const isIpv4 = (value) =>
  /^\d+(\.\d+){3}$/.test(value) &&
  value.split(".").every((part) => Number(part) < 256 && String(Number(part)) === part);
const parses = (value) => {
  try {
    return new URL(value).href.length > 0;
  } catch {
    return false;
  }
};
const FORMATS = {
  date: isDate,
  time: isTime,
  "date-time": (value) => isDate(value.slice(0, 10)) && value[10] === "T" && isTime(value.slice(11)),
  uuid: (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
  email: (value) => /^[^\s@"().,]+(\.[^\s@"().,]+)*@[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(value),
  ipv4: isIpv4,
  ipv6: (value) => parses(`http://[${value}]/`),
  uri: (value) => /^[a-z][a-z0-9+.-]*:/i.test(value) && !/[\s<>"{}|\\^`]/.test(value),
};

export function validates(schema, value, root = schema) {
  if (typeof schema === "boolean") return schema;
  const all = (test) => test;
  for (const [name, rule] of Object.entries(schema)) {
    if (!all(holds(name, rule, schema, value, root))) return false;
  }
  return true;
}

function holds(name, rule, schema, value, root) {
  const valid = (inner, member) => validates(inner, member, root);
  const number = typeof value === "number";
  const string = typeof value === "string";
  switch (name) {
    case "type":
      return [rule].flat().some((type) => TYPES[type](value));
    case "enum":
      return rule.some((one) => same(one, value));
    case "const":
      return same(rule, value);
    case "minimum":
      return !number || value >= rule;
    case "maximum":
      return !number || value <= rule;
    case "exclusiveMinimum":
      return !number || value > rule;
    case "exclusiveMaximum":
      return !number || value < rule;
    case "minLength":
      return !string || [...value].length >= rule;
    case "maxLength":
      return !string || [...value].length <= rule;
    case "pattern":
      return !string || new RegExp(rule, "u").test(value);
    case "format":
      return !string || FORMATS[rule](value);
    case "minItems":
      return !Array.isArray(value) || value.length >= rule;
    case "maxItems":
      return !Array.isArray(value) || value.length <= rule;
    case "prefixItems":
      return !Array.isArray(value) || rule.every((inner, at) => at >= value.length || valid(inner, value[at]));
    case "items":
      return !Array.isArray(value) || value.slice(schema.prefixItems?.length ?? 0).every((item) => valid(rule, item));
    case "required":
      return !isObject(value) || rule.every((key) => Object.hasOwn(value, key));
    case "properties":
      return (
        !isObject(value) ||
        Object.entries(rule).every(([key, inner]) => !Object.hasOwn(value, key) || valid(inner, value[key]))
      );
    case "patternProperties":
      return (
        !isObject(value) ||
        Object.entries(value).every(([key, member]) =>
          Object.entries(rule).every(([pattern, inner]) => !new RegExp(pattern, "u").test(key) || valid(inner, member)),
        )
      );
    case "additionalProperties":
      return (
        !isObject(value) ||
        Object.entries(value).every(
          ([key, member]) =>
            Object.hasOwn(schema.properties ?? {}, key) ||
            Object.keys(schema.patternProperties ?? {}).some((pattern) => new RegExp(pattern, "u").test(key)) ||
            valid(rule, member),
        )
      );
    case "anyOf":
      return rule.some((inner) => valid(inner, value));
    case "oneOf":
      return rule.filter((inner) => valid(inner, value)).length === 1;
    case "allOf":
      return rule.every((inner) => valid(inner, value));
    case "$ref":
      return valid(rule === "#" ? root : root.$defs[rule.slice("#/$defs/".length)], value);
    case "$defs":
    case "title":
    case "description":
      return true;
    default:
      throw new Error(`the validator knows no ${name}`);
  }
}
