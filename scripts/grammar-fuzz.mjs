/**
 * Random schemas under a model of noise: npm run grammar-fuzz -- --count N --seed S [--ajv FOLDER]
 * Each text must parse and validate, be UTF-8 wherever it is cut, and be refused by a typed error where the schema is.
 * --ajv: a folder with ajv and ajv-formats in its node_modules, to be asked too.
 */
import { createRequire } from "node:module";
import { EngineError } from "../dist/src/error.js";
import { open, write } from "./grammar/noise.mjs";
import { randomSchema } from "./grammar/schemas.mjs";
import { validates } from "./grammar/validate.mjs";
import { randomOf } from "./grammar/vocabulary.mjs";

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const count = Number(option("count", 1000));
const seed = Number(option("seed", Date.now() % 2 ** 31));
const ajv = ajvOf(option("ajv", null));
const told = {};
let texts = 0;
let longest = 0;
for (let at = 0; at < count; at++) {
  const random = randomOf(seed + at);
  const schema = randomSchema(random);
  const begun = performance.now();
  const fail = (what) => {
    console.error(`schema ${at} of seed ${seed}: ${what}\n${JSON.stringify(schema)}`);
    process.exit(1);
  };
  let format;
  try {
    format = open({ type: "json_schema", schema });
  } catch (error) {
    if (!(error instanceof EngineError)) fail(error.stack);
    told[error.code] = (told[error.code] ?? 0) + 1;
    continue;
  }
  // ajv passes over members of that name.
  const judge = JSON.stringify(schema).includes("__proto__") ? undefined : ajv?.(schema);
  for (const most of [4, 40, 200]) {
    let written;
    try {
      written = write(format, random, most);
    } catch (error) {
      fail(error.stack);
    }
    const { bytes, ended } = written;
    texts++;
    const text = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes), { stream: !ended });
    if (!ended) {
      told.endless = (told.endless ?? 0) + 1;
      continue;
    }
    let value;
    try {
      value = JSON.parse(text);
    } catch {
      fail(`no JSON: ${text}`);
    }
    if (!validates(schema, value)) fail(`not valid: ${text}`);
    if (judge && !judge(value)) fail(`ajv refuses: ${text} ${JSON.stringify(judge.errors)}`);
  }
  longest = Math.max(longest, performance.now() - begun);
}
console.log(
  `seed ${seed}: ${count} schemas, ${texts} texts, longest ${longest.toFixed(0)} ms; ${JSON.stringify(told)}\nevery promise is kept`,
);

function ajvOf(folder) {
  if (folder === null) return null;
  const require = createRequire(`${folder}/`);
  const Ajv = require("ajv/dist/2020").default;
  const judge = new Ajv({ strict: false, ownProperties: true, validateFormats: true, logger: false });
  require("ajv-formats").default(judge);
  return (schema) => {
    try {
      return judge.compile(JSON.parse(JSON.stringify(schema)));
    } catch (error) {
      // Of references that come back to themselves.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  };
}
