/** Errors as JSON: { code, message }. */

export function problem(status, code, message) {
  const headers = status === 503 ? { "retry-after": "1" } : {};
  return Response.json({ code, message }, { status, headers });
}

/** Codes of what the client asked for; what is left is the bucket's, the model's or the worker's fault. */
const CLIENT = /^(REQ_|OPTION_|CONTEXT_LENGTH$)/;

/** The bucket: it may work again in a moment. */
const BUCKET = /^(FILE_|REMOTE_|BUSY$)/;

export function statusOf({ code }) {
  if (code === "REQ_METHOD") return 405;
  if (code === "REQ_SIZE") return 413;
  if (CLIENT.test(code)) return 400;
  return BUCKET.test(code) ? 503 : 500;
}
