import type { z } from "zod";
import { readJson } from "./body.ts";
import type { Metrics } from "./metrics.ts";
import { type Lease, type Models, unknownModel } from "./models.ts";
import { pathOf, Refusal } from "./refusal.ts";
import type { Requests, Ticket } from "./requests.ts";
import type { CheckedServerOptions } from "./server-options.ts";
import type { StoredResponses } from "./stored-responses.ts";

/** What all requests share. */
export interface Service {
  readonly options: CheckedServerOptions;
  readonly models: Models;
  readonly requests: Requests;
  readonly metrics: Metrics | null;
  readonly stored: StoredResponses;
}

/** One request on its way through a route. */
export interface Call {
  readonly request: Request;
  readonly ticket: Ticket;
  readonly service: Service;
  /** A part of the path that the route names. */
  param(name: string): string;
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** As hono has it. */
  readonly path: string;
  readonly summary: string;
  /** Of the body; absent: there is none. */
  readonly body?: z.ZodType;
  /** Nobody needs a key. */
  readonly open?: boolean;
  answer(call: Call): Promise<Response>;
}

/** The body as the schema has it; throws 400 with the field that is wrong. */
export async function bodyOf<Schema extends z.ZodType>(
  { request, ticket, service }: Call,
  schema: Schema,
): Promise<z.output<Schema>> {
  const body = await readJson(request, service.options.maxBody);
  if (service.options.logPrompts) ticket.body = body;
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  throw refused(read.error.issues);
}

/** The model of that name, until the request ends. */
export async function leaseOf({ ticket, service }: Call, name: string | undefined): Promise<Lease> {
  if (name !== undefined && !service.models.has(name)) throw unknownModel();
  const lease = await service.models.lease(name, ticket.signal);
  ticket.atEnd(() => lease.release());
  ticket.model = lease.name;
  return lease;
}

type Issue = z.core.$ZodIssue;

function refused(issues: readonly Issue[]): Refusal {
  const { issue, path } = deepest(issues[0], []);
  if (issue.code === "unrecognized_keys") {
    const param = pathOf([...path, issue.keys[0]]);
    return new Refusal(400, "unsupported_parameter", `${param} is not supported`, { param });
  }
  const param = pathOf(path);
  const what = param === "" ? "the body" : param;
  return new Refusal(400, "invalid_value", `${what}: ${issue.message}`, { param: param === "" ? null : param });
}

/** Of a value that is none of several: what is wrong with the one that it is the most like. */
function deepest(issue: Issue, above: readonly PropertyKey[]): { issue: Issue; path: readonly PropertyKey[] } {
  const path = [...above, ...issue.path];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return { issue, path };
  const found = issue.errors.flatMap((issues) => (issues[0] ? [deepest(issues[0], path)] : []));
  const best = found.reduce((best, other) => (other.path.length > best.path.length ? other : best));
  return best.path.length > path.length ? best : { issue, path };
}
