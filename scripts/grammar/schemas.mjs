/** Random schemas of all that is enforced; some of them are unsatisfiable, and some are refused. */

const PATTERNS = [
  "^[a-z]{1,6}$",
  "a",
  "^x.*y$",
  "^(ab|c)+$",
  "[0-9]{3}",
  "^\\d+(\\.\\d{2})?$",
  '^["\\\\]{1,3}$',
  "^[^a-z]{2,4}$",
  "^\\S+$",
  "é|ж$",
  "^.{2,5}$",
  "(?:a|b){2,3}",
];
const FORMATS = ["date-time", "date", "time", "uuid", "email", "ipv4", "ipv6", "uri"];
const NAMES = [
  "a",
  "b",
  "ab",
  "name",
  "größe",
  'q"uote',
  "line\nend",
  "x/y~z",
  "__proto__",
  "constructor",
  "",
  "type",
  "ж",
];

export function randomSchema(random, most = 4) {
  const int = (below) => Math.floor(random() * below);
  const pick = (list) => list[int(list.length)];
  const defs = random() < 0.3 ? ["node", "leaf"] : [];
  const scalar = () => pick([null, true, false, 0, -3, 2.5, 1e21, "", "a", 'b"c', "ж😀", "line\n"]);
  const table = (count, make) => {
    const made = Object.create(null);
    for (let at = 0; at < count; at++) made[pick(NAMES)] = make();
    return made;
  };
  const value = (depth) =>
    depth > 0 && random() < 0.2 ? pick([[scalar(), [scalar()]], { a: scalar(), b: {} }]) : scalar();
  const bound = () => pick([-100, -7, -2.5, -0.25, 0, 0.1, 1, 3.75, 7, 99, 1000, 123456]);
  const numeric = (schema) => {
    if (random() < 0.5) schema[pick(["minimum", "exclusiveMinimum"])] = bound();
    if (random() < 0.5) schema[pick(["maximum", "exclusiveMaximum"])] = bound() + pick([0, 10, 500]);
    if (random() < 0.2) schema.multipleOf = pick([1, 2, 5, 7, 60, 100, 4096, 0.5]);
    return schema;
  };
  const make = (depth) => {
    const kind = depth <= 0 ? int(6) : int(14);
    switch (kind) {
      case 0:
        return { type: pick(["null", "boolean"]) };
      case 1:
        return numeric({ type: "integer" });
      case 2:
        return numeric({ type: "number" });
      case 3: {
        const schema = { type: "string" };
        const how = random();
        if (how < 0.3) schema.pattern = pick(PATTERNS);
        if (how > 0.25 && how < 0.5) schema.format = pick(FORMATS);
        if (how > 0.5 || random() < 0.3) {
          if (random() < 0.5) schema.minLength = int(4);
          if (random() < 0.5) schema.maxLength = int(40);
        }
        return schema;
      }
      case 4:
        return random() < 0.5
          ? { const: value(depth) }
          : { enum: Array.from({ length: 1 + int(5) }, () => value(depth)) };
      case 5:
        return defs.length > 0 && random() < 0.7
          ? { $ref: pick(["#", ...defs.map((name) => `#/$defs/${name}`)]) }
          : { type: ["null", pick(["string", "integer"])], title: "nullable" };
      case 6:
      case 7: {
        const schema = { type: "array" };
        if (random() < 0.8) schema.items = random() < 0.1 ? false : make(depth - 1);
        if (random() < 0.3) schema.prefixItems = Array.from({ length: 1 + int(3) }, () => make(depth - 1));
        if (random() < 0.4) schema.minItems = int(3);
        if (random() < 0.7) schema.maxItems = int(5);
        return schema;
      }
      case 8:
      case 9:
      case 10: {
        const schema = { type: "object" };
        if (random() < 0.9) schema.properties = table(1 + int(5), () => make(depth - 1));
        const names = Object.keys(schema.properties ?? {});
        schema.required = names.filter(() => random() < 0.5);
        if (random() < 0.1) schema.required.push("other");
        if (random() < 0.4) schema.additionalProperties = random() < 0.5 ? false : make(depth - 1);
        else if (random() < 0.2) schema.patternProperties = { [pick(["^p_", "^[0-9]+$", "a"])]: make(depth - 1) };
        return schema;
      }
      case 11:
        return { anyOf: Array.from({ length: 1 + int(3) }, () => make(depth - 1)) };
      case 12:
        return { oneOf: [make(depth - 1), make(depth - 1)] };
      default:
        return {
          allOf: [make(depth - 1), random() < 0.5 ? numeric({}) : { properties: table(1, () => make(depth - 2)) }],
        };
    }
  };
  const schema = make(most);
  if (defs.length > 0) {
    schema.$defs = {
      node: { type: "object", properties: { value: make(1), next: { $ref: "#/$defs/node" } }, required: ["value"] },
      leaf: make(1),
    };
  }
  return schema;
}
