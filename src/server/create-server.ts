import { Keys } from "./keys.ts";
import { type Metrics, openMetrics } from "./metrics.ts";
import { type Models, type ModelsLike, modelsOf } from "./models.ts";
import { peer } from "./peers.ts";
import { Requests } from "./requests.ts";
import { checkServerOptions, type ServerOptions } from "./server-options.ts";
import { StoredResponses } from "./stored-responses.ts";

export { ModelPool, type PooledModel } from "./model-pool.ts";
export type { Lease, Models, ModelsLike } from "./models.ts";
export type { RequestReport, ServedChat, ServedModel, ServerKey, ServerOptions } from "./server-options.ts";

/** Answers requests: for `Bun.serve`, `Deno.serve`, a worker's `fetch`, or Node through @hono/node-server. */
export interface ServerHandler {
  (request: Request): Promise<Response>;
  /** Requests under way. */
  readonly active: number;
  /** Takes nothing new; what runs may end within `grace` milliseconds (10,000) and is ended then. Resolves when nothing runs. */
  close(grace?: number): Promise<void>;
}

const GRACE_MS = 10_000;

/**
 * OpenAI's API (and Anthropic's messages) over a model, or over several by name. Throws PEER_MISSING with the line that installs what the
 * server needs beside the engine, REQ_PARAM and OPTION_RANGE where an option is not usable. The models stay the caller's.
 */
export async function createServer(models: ModelsLike | Models, options?: ServerOptions): Promise<ServerHandler> {
  const checked = checkServerOptions(options);
  const served = modelsOf(models);
  const { appOf } = await peer(() => import("./app.ts"));
  let metrics: Metrics | null = null;
  const requests = new Requests((report, ticket) => {
    metrics?.ended(report, ticket);
    checked.onRequest(report);
  });
  const { residentBytes } = checked;
  if (checked.metrics) metrics = await openMetrics({ models: served, requests, residentBytes });
  const stored = new StoredResponses(checked.storedResponses);
  const keys = await Keys.open(checked.keys);
  const answer = appOf({ options: checked, models: served, requests, metrics, stored }, keys);
  return Object.defineProperties((request: Request) => answer(request), {
    active: { get: () => requests.count },
    close: { value: (grace = GRACE_MS) => requests.close(grace) },
  }) as ServerHandler;
}
