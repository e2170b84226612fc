import { EngineError } from "../error.ts";
import { isArray, isFunction, isRevoked, tell, wrong } from "../given.ts";

/** Schema objects of other libraries (zod, valibot, arktype ...), by https://standardschema.dev. */

export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

interface Offered {
  readonly validate: (value: unknown) => unknown;
  readonly jsonSchema?: { readonly input?: unknown };
}

/** Objects and functions (arktype's are) that follow the standard. */
export function isStandard(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || isRevoked(value)) return false;
  return "~standard" in value;
}

export interface ReadStandard {
  /** JSON Schema, not yet looked at. */
  readonly schema: unknown;
  validate(value: unknown): Promise<unknown>;
}

export function readStandard(given: StandardSchema): ReadStandard {
  const standard = given["~standard"] as unknown as Offered;
  if (typeof standard !== "object" && typeof standard !== "function") throw notStandard(given);
  if (standard === null || isRevoked(standard)) throw notStandard(given);
  const { validate } = standard;
  if (!isFunction(validate)) throw notStandard(given);
  return {
    schema: jsonSchemaOf(given, standard),
    validate: async (value) => judge(await (validate as (value: unknown) => unknown).call(standard, value)),
  };
}

const notStandard = (given: unknown) =>
  wrong("responseFormat", "not a Standard Schema", "an object whose ~standard has validate", given);

function jsonSchemaOf(given: object, standard: Offered): unknown {
  const input = standard.jsonSchema?.input;
  if (isFunction(input))
    return (input as (options: unknown) => unknown).call(standard.jsonSchema, { target: "draft-2020-12" });
  for (const name of ["toJSONSchema", "toJsonSchema"]) {
    const make = (given as Record<string, unknown>)[name];
    if (isFunction(make)) return (make as () => unknown).call(given);
  }
  throw new EngineError("SCHEMA_SOURCE", "this schema object offers no JSON Schema", {
    at: { source: "option", field: "responseFormat" },
    limit:
      '~standard.jsonSchema.input or toJSONSchema(); or { type: "json_schema", schema } with the JSON Schema that its library makes',
  });
}

const notResult = (result: unknown) =>
  new EngineError("SCHEMA_SOURCE", "what validate of this schema object returned is no result", {
    at: { source: "option", field: "responseFormat" },
    actual: tell(result),
    limit: "{ value } or { issues: [...] }",
  });

function judge(result: unknown): unknown {
  if (typeof result !== "object" || result === null || isRevoked(result)) throw notResult(result);
  const { issues, value } = result as { issues?: unknown; value?: unknown };
  if (issues === undefined) return value;
  if (!isArray(issues)) throw notResult(result);
  const message = (issues[0] as { message?: unknown } | null | undefined)?.message;
  throw new EngineError("SCHEMA_VALUE", "the schema refuses the value", {
    at: { source: "option", field: "responseFormat" },
    actual: typeof message === "string" ? message : undefined,
  });
}
