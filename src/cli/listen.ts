import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EngineError } from "../error.ts";
import { peer } from "../server/peers.ts";

/** A fetch handler behind a port, on Node: what is wrong before there is a request is refused here. */

export interface ListenOptions {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** Milliseconds for the head of a request. Default 10,000. */
  readonly headersTimeout?: number;
  /** Milliseconds for all of a request. Default 120,000. */
  readonly requestTimeout?: number;
}

export interface Listening {
  readonly port: number;
  readonly url: string;
  /** Takes no connection any more; resolves when none is left. */
  close(): Promise<void>;
}

const HEAD_BYTES = 16 * 1024;
const MOST_HEADERS = 100;
const MOST_REQUESTS = 10_000;
const BACKLOG = 1024;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

export async function listen(
  handler: (request: Request) => Promise<Response>,
  { host, port, headersTimeout = 10_000, requestTimeout = 120_000 }: ListenOptions,
): Promise<Listening> {
  const { getRequestListener } = await peer(() => import("@hono/node-server"), "npm install @hono/node-server");
  // The globals of the process stay as they are.
  const answer = getRequestListener(handler, { overrideGlobalObjects: false }) as Listener;
  const server = createServer(
    {
      ...{ headersTimeout, requestTimeout, maxHeaderSize: HEAD_BYTES, insecureHTTPParser: false },
      connectionsCheckingInterval: Math.min(1000, headersTimeout / 2),
    },
    (request, response) => {
      // Node takes the first of two; whoever stands in front may have taken the other.
      const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length;
      if (hosts > 1) refuse(response);
      else answer(request, response);
    },
  );
  server.maxHeadersCount = MOST_HEADERS;
  server.maxRequestsPerSocket = MOST_REQUESTS;
  server.listen({ host: host.replace(/^\[|\]$/g, ""), port, backlog: BACKLOG });
  try {
    await once(server, "listening");
  } catch (error) {
    throw new EngineError("SERVER_LISTEN", "the address cannot be listened on", {
      actual: (error as NodeJS.ErrnoException).code ?? (error as Error).message,
      limit: "a free port of this machine",
      cause: error,
    });
  }
  const { port: taken } = server.address() as AddressInfo;
  return {
    port: taken,
    url: `http://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${taken}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}

function refuse(response: ServerResponse): void {
  const error = { message: "two Host headers", type: "invalid_request_error", param: null, code: "bad_request" };
  response.writeHead(400, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ error }));
}
