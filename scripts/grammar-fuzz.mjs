/**
 * Random schemas under a model of noise: npm run grammar-fuzz -- --count N --seed S
 * Each text must parse and satisfy ajv, be UTF-8 wherever it is cut, and be refused by a typed error where the schema is.
 */
import { EngineError } from "../dist/src/error.js";
import { judgeOf } from "./grammar/judge.mjs";
import { open, write } from "./grammar/noise.mjs";
import { randomSchema } from "./grammar/schemas.mjs";
import { randomOf } from "./grammar/vocabulary.mjs";

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const count = Number(option("count", 1000));
const seed = Number(option("seed", Date.now() % 2 ** 31));
const told = {};
let texts = 0;
let valid = 0;
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
  const judge = judgeOf(schema);
  if (!judge) told.unjudged = (told.unjudged ?? 0) + 1;
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
    try {
      JSON.parse(text);
    } catch {
      fail(`no JSON: ${text}`);
    }
    if (judge && !judge(text)) fail(`not valid: ${text}`);
    valid++;
  }
  longest = Math.max(longest, performance.now() - begun);
}
console.log(
  `seed ${seed}: ${count} schemas, ${texts} texts, ${valid} of them whole and valid, longest ${longest.toFixed(0)} ms; ${JSON.stringify(told)}\nevery promise is kept`,
);
