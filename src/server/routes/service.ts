import type { Route } from "../call.ts";
import { fingerprintOf, unknownModel } from "../models.ts";
import { Refusal } from "../refusal.ts";

/** What the server says of itself. */

const modelObject = (id: string, created: number) => ({ id, object: "model", created, owned_by: "wasmaverick" });

/** `created`: when the server began, in seconds. */
export function serviceRoutes(created: number): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/models",
      summary: "Models by name",
      answer: async ({ service: { models } }) =>
        Response.json({ object: "list", data: models.names.map((name) => modelObject(name, created)) }),
    },
    {
      method: "GET",
      path: "/v1/models/:id{.+}",
      summary: "One model, by its name or an alias",
      answer: async ({ param, service: { models } }) => {
        const id = param("id");
        if (!models.has(id)) throw unknownModel();
        const loaded = models.loaded.find(({ name }) => name === id)?.model;
        const more = loaded && { context_length: loaded.info.context, system_fingerprint: fingerprintOf(loaded) };
        return Response.json({ ...modelObject(id, created), ...more });
      },
    },
    {
      method: "GET",
      path: "/health",
      summary: "200 when requests are taken",
      open: true,
      answer: async () => Response.json({ status: "ok" }),
    },
    {
      method: "GET",
      path: "/metrics",
      summary: "Figures in Prometheus' format",
      answer: async ({ service: { metrics } }) => {
        if (!metrics) throw new Refusal(404, "not_found", "this server counts nothing");
        return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
      },
    },
  ];
}
