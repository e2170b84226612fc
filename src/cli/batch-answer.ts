import type { Model } from "../index.ts";
import { createServer } from "../server/create-server.ts";
import type { BatchLine } from "./batch-lines.ts";

/** A line of a batch as a request: answered as a server answers it, to the same bits. */

/** What stands in one of the two files. */
export interface Ended {
  readonly line: string;
  readonly failed: boolean;
}

export interface Answered extends Ended {
  readonly status: number;
  /** That were computed. */
  readonly tokens: number;
}

export interface LineAnswers {
  /** Of a line with nothing wrong. */
  ask(line: BatchLine): Promise<Answered>;
  /** What runs may end within `grace` milliseconds; then, and from now on, the status is 503. */
  close(grace: number): Promise<void>;
}

const MOST_BODY = 64 * 2 ** 20;

export async function openAnswers(model: Model): Promise<LineAnswers> {
  const computed = new Map<string, number>();
  const handler = await createServer(model, {
    ...{ metrics: false, maxBody: MOST_BODY },
    onRequest: ({ id, completionTokens, promptTokens, cachedTokens }) => {
      computed.set(id, completionTokens + promptTokens - cachedTokens);
    },
  });
  const ask = async ({ customId, url, body, number }: BatchLine): Promise<Answered> => {
    const request = new Request(`http://localhost${url}`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify(body),
    });
    const response = await handler(request);
    const text = await response.text();
    const { status } = response;
    const failed = status !== 200;
    const id = response.headers.get("x-request-id")!;
    const tokens = computed.get(id) ?? 0;
    computed.delete(id);
    const head = `"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)}`;
    const told = `"response":{"status_code":${status},"request_id":${JSON.stringify(id)},"body":${text}}`;
    const error = failed ? JSON.stringify((JSON.parse(text) as { error: unknown }).error) : "null";
    return { line: `{${head}${failed ? `,"line":${number}` : ""},${told},"error":${error}}`, failed, status, tokens };
  };
  return { ask, close: (grace) => handler.close(grace) };
}

/** A line that is asked of no model. */
export function refused(
  { customId, number }: Pick<BatchLine, "customId" | "number">,
  message: string,
  code = "invalid_line",
): Ended {
  const error = { message, type: "invalid_request_error", param: null, code };
  return { line: JSON.stringify({ id: null, custom_id: customId, line: number, response: null, error }), failed: true };
}
