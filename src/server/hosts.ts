import { Refusal } from "./refusal.ts";

/**
 * A page of a stranger can make a browser ask this server: by an address that it lets point here (then the Host is the page's), or
 * openly (then there is an Origin). Both are refused before anything else is looked at.
 */

/** Throws 403 where the name under which the server was reached is none of `hosts`; without a port they go for any. */
export function checkHost(request: Request, hosts: readonly string[] | "any"): void {
  if (hosts === "any") return;
  const host = (request.headers.get("host") ?? new URL(request.url).host).toLowerCase();
  if (hosts.includes(host) || hosts.includes(host.replace(/:\d{1,5}$/, ""))) return;
  throw new Refusal(403, "host_not_allowed", "the Host header names no host of this server");
}

/** Headers for a page that may ask; throws 403 where it may not. Who is no page has no Origin. */
export function checkOrigin(request: Request, origins: readonly string[]): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null) return {};
  if (!origins.includes(origin.toLowerCase()))
    throw new Refusal(403, "origin_not_allowed", "pages of this origin may not ask");
  return { "access-control-allow-origin": origin, vary: "Origin" };
}

/** The answer to a browser that asks whether a listed page may ask. */
export function preflight(allowed: Readonly<Record<string, string>>): Response {
  return new Response(null, {
    status: 204,
    headers: {
      ...allowed,
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers": "authorization, content-type, x-api-key, anthropic-version",
      "access-control-max-age": "600",
    },
  });
}
