import { Hono } from "hono";
import type { Call, Route, Service } from "./call.ts";
import { checkHost, checkOrigin, preflight } from "./hosts.ts";
import type { Keys } from "./keys.ts";
import { openApi } from "./openapi.ts";
import { Refusal, refusalOf } from "./refusal.ts";
import type { Ticket } from "./requests.ts";
import { chatRoute } from "./routes/chat.ts";
import { completionRoute } from "./routes/completions.ts";
import { embeddingRoute } from "./routes/embeddings.ts";
import { anthropicError, messageRoutes } from "./routes/messages.ts";
import { responseRoutes } from "./routes/responses.ts";
import { serviceRoutes } from "./routes/service.ts";
import { tokenRoutes } from "./routes/tokens.ts";

/** Every request in one order: host, origin, key, route, answer. */

interface Env {
  readonly Bindings: { readonly ticket: Ticket };
}

export function appOf(service: Service, keys: Keys): (request: Request) => Promise<Response> {
  const routes = routesOf();
  const app = new Hono<Env>();
  for (const route of routes) {
    app.on(route.method, route.path, async ({ req, env: { ticket } }) => {
      const call: Call = { request: req.raw, ticket, service, param: (name) => req.param(name) ?? "" };
      ticket.route = route.path.replace(/\{[^}]*\}/g, "");
      if (service.requests.closing)
        throw new Refusal(503, "server_closing", "the server shuts down", { headers: { connection: "close" } });
      if (!route.open) ticket.client = await keys.admit(req.raw);
      return await route.answer(call);
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const allow = routes.flatMap((route) => (route.path === path ? route.method : [])).join(", ");
    app.all(path, () => {
      throw new Refusal(405, "method_not_allowed", `another method, expected ${allow}`, { headers: { allow } });
    });
  }
  app.notFound(() => {
    throw new Refusal(404, "not_found", "there is nothing at this path, /v1/openapi.json lists what there is");
  });
  app.onError((error) => {
    throw error;
  });

  return async (request) => {
    const ticket = service.requests.begin(request);
    let allowed: Record<string, string> = {};
    let response: Response;
    try {
      checkHost(request, service.options.hosts);
      allowed = checkOrigin(request, service.options.origins);
      response =
        request.method === "OPTIONS" && "vary" in allowed ? preflight(allowed) : await app.fetch(request, { ticket });
    } catch (error) {
      const refusal = refusalOf(error);
      ticket.failed(refusal);
      response = refusal.response(ticket.route?.startsWith("/v1/messages") ? anthropicError(refusal) : refusal.body);
    }
    for (const [name, value] of Object.entries(allowed)) response.headers.set(name, value);
    response.headers.set("x-request-id", ticket.id);
    if (!ticket.streams) ticket.end(response.status);
    return response;
  };
}

function routesOf(): Route[] {
  const routes: Route[] = [
    chatRoute,
    completionRoute,
    ...responseRoutes,
    embeddingRoute,
    ...messageRoutes,
    ...tokenRoutes,
    ...serviceRoutes(Math.floor(Date.now() / 1000)),
  ];
  const described: Route = {
    method: "GET",
    path: "/v1/openapi.json",
    summary: "This description",
    answer: async () => Response.json(document),
  };
  routes.push(described);
  const document = openApi(routes);
  return routes;
}
