import { EngineError } from "../error.ts";
import type { Client } from "./keys.ts";
import { Refusal } from "./refusal.ts";
import type { RequestReport } from "./server-options.ts";

/** What one request is while it lasts: who asks, what ends it early, and what is told of it afterwards. */
export class Ticket {
  readonly id = `req_${crypto.randomUUID().replaceAll("-", "")}`;
  readonly method: string;
  route: string | null = null;
  model: string | null = null;
  promptTokens = 0;
  cachedTokens = 0;
  completionTokens = 0;
  finish: string | null = null;
  body: unknown;
  client: Client | null = null;
  /** It ends with its stream, not with its response. */
  streams = false;
  /** Seconds until the first token, and between two, of each answer. */
  readonly paces: { readonly first: number; readonly between: number | null }[] = [];
  readonly #begun = performance.now();
  readonly #stop = new AbortController();
  readonly #request: Request;
  readonly #onEnd: (report: RequestReport, ticket: Ticket) => void;
  readonly #onAbort = () => this.abort(new Refusal(499, "client_closed", "the client left"));
  readonly #atEnd: (() => void)[] = [];
  #error: Refusal | null = null;
  #ended = false;

  constructor(request: Request, onEnd: (report: RequestReport, ticket: Ticket) => void) {
    this.method = request.method;
    this.#request = request;
    this.#onEnd = onEnd;
    if (request.signal.aborted) this.#onAbort();
    else request.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborted when nobody wants the answer any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The work ends; the reason is what the client hears, if it still listens. */
  abort(reason: Refusal): void {
    this.#stop.abort(reason);
  }

  /** What is to be given back when the request ends. */
  atEnd(free: () => void): void {
    if (this.#ended) free();
    else this.#atEnd.push(free);
  }

  failed(refusal: Refusal): void {
    this.#error ??= refusal;
  }

  end(status: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#request.signal.removeEventListener("abort", this.#onAbort);
    for (const free of this.#atEnd) free();
    this.client?.leave();
    const { cause } = this.#error ?? {};
    const own = this.#error !== null && this.#error.status === 500;
    const aborted = this.signal.reason instanceof Refusal && this.signal.reason.status === 499;
    const { id, method, route, model, promptTokens, cachedTokens, completionTokens, finish, body } = this;
    this.#onEnd(
      {
        ...{ id, method, route, model, promptTokens, cachedTokens, completionTokens, finish, body, aborted },
        status: aborted ? 499 : status,
        milliseconds: performance.now() - this.#begun,
        key: this.client?.name ?? null,
        error: aborted ? "client_closed" : (this.#error?.code ?? null),
        cause: own ? (cause instanceof EngineError ? cause.message : cause) : undefined,
      },
      this,
    );
  }
}

/** All that are under way. */
export class Requests {
  readonly #running = new Set<Ticket>();
  readonly #onEnd: (report: RequestReport, ticket: Ticket) => void;
  #closing = false;
  /** Those who wait until nothing runs. */
  readonly #waiting = new Set<() => void>();

  constructor(onEnd: (report: RequestReport, ticket: Ticket) => void) {
    this.#onEnd = onEnd;
  }

  get count(): number {
    return this.#running.size;
  }

  get closing(): boolean {
    return this.#closing;
  }

  begin(request: Request): Ticket {
    const ticket = new Ticket(request, (report, ended) => {
      this.#running.delete(ended);
      if (this.#running.size === 0) for (const wake of this.#waiting) wake();
      this.#onEnd(report, ended);
    });
    this.#running.add(ticket);
    return ticket;
  }

  /** Nothing new begins; what runs may end within `grace` milliseconds and is ended then. */
  async close(grace: number): Promise<void> {
    this.#closing = true;
    if (this.#running.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
    });
    const timer = setTimeout(() => {
      for (const ticket of this.#running) ticket.abort(new Refusal(503, "server_closing", "the server shuts down"));
    }, grace);
    await empty;
    clearTimeout(timer);
  }
}
