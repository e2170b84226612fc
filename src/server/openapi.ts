import { z } from "zod";
import type { Route } from "./call.ts";
import { VERSION } from "./version.ts";

/** What the server takes, for tools that read OpenAPI 3.1: made of the routes and the schemas that check their bodies. */
export function openApi(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, path, summary, body, open } of routes) {
    const name = path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
    const parameters = [...name.matchAll(/\{(\w+)\}/g)].map(([, id]) => ({
      ...{ name: id, in: "path", required: true },
      schema: { type: "string" },
    }));
    paths[name] ??= {};
    paths[name][method.toLowerCase()] = {
      summary,
      ...(parameters.length > 0 && { parameters }),
      ...(body && { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } } }),
      responses: { 200: { description: "Done" }, default: { $ref: "#/components/responses/Refused" } },
      ...(open && { security: [] }),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "wasmaverick", version: VERSION },
    paths,
    security: [{}, { bearer: [] }],
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      responses: {
        Refused: { description: "Refused", content: { "application/json": { schema: schemaOf(refused) } } },
      },
    },
  };
}

const refused = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().describe("The field of the request"),
    code: z.string(),
  }),
});

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Record<
    string,
    unknown
  >;
  return rest;
}
