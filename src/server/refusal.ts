import { EngineError, whatOf } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";

/** What a client hears when it gets no answer, in OpenAI's shape. */

export interface RefusalDetail {
  /** The field of the request, as `messages[0].content`. */
  readonly param?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    { param = null, headers = {}, cause }: RefusalDetail = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
    this.param = param;
    this.headers = headers;
  }

  /** OpenAI's kinds of errors; clients choose their classes by the status. */
  get type(): string {
    if (this.status === 401) return "authentication_error";
    if (this.status === 403) return "permission_error";
    if (this.status === 404) return "not_found_error";
    if (this.status === 429) return "rate_limit_error";
    return this.status < 500 ? "invalid_request_error" : "server_error";
  }

  get body(): { error: { message: string; type: string; param: string | null; code: string } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }

  response(body: unknown = this.body): Response {
    return Response.json(body, { status: this.status, headers: this.headers });
  }
}

/** Names of engine options in a request, where they are not the same in snake case. */
export type FieldNames = Readonly<Record<string, string>>;

const RETRY_SECONDS = "1";

/** Whose fault an error of the engine is: who asked, who is too many, or the server. */
const STATUS: readonly (readonly [RegExp, number])[] = [
  [/^(QUEUE_FULL)$/, 429],
  [/^(DEADLINE|CACHE_FULL|CACHE_SEQUENCES|DISPOSED|GENERATION_LEFT|OOM_MEMORY|MODEL_TOO_LARGE)$/, 503],
  [
    /^(REQ|PROMPT|OPTION|CONTEXT|SCHEMA|GRAMMAR|TOOLS|SAMPLE|TOK_ID_RANGE|TOKENIZER_MISSING|TEMPLATE|TPL)(_|$)|^(TOK_ID_RANGE|TOKENIZER_MISSING)$/,
    400,
  ],
];

/** OpenAI's own code where clients look for one. */
const CODES: Partial<Record<ErrorCode, string>> = { CONTEXT_LENGTH: "context_length_exceeded" };

/** Any error as what a client may hear of it: of the server's own faults nothing but that there was one. */
export function refusalOf(error: unknown, names: FieldNames = {}): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof EngineError) {
    const status = STATUS.find(([codes]) => codes.test(error.code))?.[1] ?? 500;
    if (status === 500) return new Refusal(500, error.code, "the model failed", { cause: error });
    const field = error.at?.source === "template" ? undefined : error.at?.field;
    // Places in a schema are told from its root.
    const base = /^SCHEMA_/.test(error.code) && field?.startsWith("/") ? (names["schema"] ?? "schema") : "";
    const param = field === undefined ? null : fieldOf(base + field, names);
    const headers = status === 429 || status === 503 ? { "retry-after": RETRY_SECONDS } : undefined;
    return new Refusal(status, CODES[error.code] ?? error.code, whatOf(error), { param, headers, cause: error });
  }
  return new Refusal(500, "internal_error", "the server failed", { cause: error });
}

/** `/messages/0/content`, `stop[1]`, `responseFormat.pattern` -> `messages[0].content`, `stop[1]`, `response_format.pattern`. */
export function fieldOf(field: string, names: FieldNames): string {
  const dotted = field.includes("/") ? pathOf(field.split("/").filter((part) => part !== "")) : field;
  const [head] = /^[^.[]*/.exec(dotted)!;
  const rest = dotted.slice(head.length);
  if (head === "" || head.startsWith("[")) return dotted;
  return (
    (Object.hasOwn(names, head) ? names[head] : head.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)) + rest
  );
}

/** Keys and indices as a client writes them. */
export function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    const name = String(key);
    if (/^\d+$/.test(name)) return `${text}[${name}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}
