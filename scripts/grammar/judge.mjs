import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

/** Whether JSON satisfies a schema (2020-12), as ajv says: nothing here knows how texts are made. */

/** ajv passes over members of this name, which are like any other in JSON; this one is as long, and as unlike any pattern. */
const renamed = (text) => text.replaceAll('"__proto__"', '"~~proto~~"');

/** null: of references that come back to themselves, which ajv cannot compile. `judge(text)`: JSON text. */
export function judgeOf(schema) {
  const ajv = new Ajv({ strict: false, ownProperties: true, logger: false });
  formats(ajv);
  // ajv reads the quotient's text as an integer: of 1e21 that is 1, and no multiple.
  ajv.removeKeyword("multipleOf");
  ajv.addKeyword({ keyword: "multipleOf", type: "number", validate: (step, value) => Number.isInteger(value / step) });
  try {
    const judge = ajv.compile(JSON.parse(renamed(JSON.stringify(schema))));
    return (text) => judge(JSON.parse(renamed(text)));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Whether a value is one of the schema, where that can be asked. */
export function validates(schema, value) {
  return judgeOf(schema)?.(JSON.stringify(value)) ?? true;
}
