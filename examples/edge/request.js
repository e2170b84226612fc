import { EngineError } from "wasmaverick";

const MOST_BODY = 16 * 1024;
const MOST_PROMPT = 4_000; // characters
const MOST_TOKENS = 256;
const FIELDS = ["prompt", "maxTokens", "temperature", "seed"];

/** { prompt, options } of a GET's query or a POST's JSON. What is not understood is refused, the engine looks at the rest. */
export async function readRequest(request) {
  const fields = await readFields(request);
  const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) throw refuse("REQ_PARAM", unknown, "unknown", FIELDS.join(", "));
  const { prompt, maxTokens = 100, ...sampling } = fields;
  if (typeof prompt !== "string") throw refuse("REQ_PARAM", "prompt", typeof prompt, "text");
  if (prompt.length > MOST_PROMPT)
    throw refuse("REQ_SIZE", "prompt", prompt.length, `at most ${MOST_PROMPT} characters`);
  if (!Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > MOST_TOKENS)
    throw refuse("REQ_PARAM", "maxTokens", String(maxTokens), `an integer from 1 to ${MOST_TOKENS}`);
  return { prompt, options: { maxTokens, ...sampling } };
}

async function readFields(request) {
  if (request.method === "GET") {
    const fields = Object.fromEntries(new URL(request.url).searchParams);
    // A query has text alone; "" is no number, though Number takes it for 0.
    const number = (name) =>
      name in fields ? { [name]: fields[name] === "" ? Number.NaN : Number(fields[name]) } : {};
    return { ...fields, ...number("maxTokens"), ...number("temperature"), ...number("seed") };
  }
  if (request.method !== "POST") throw refuse("REQ_METHOD", "method", request.method, "GET or POST");
  const text = await readText(request);
  let fields;
  try {
    fields = JSON.parse(text);
  } catch (cause) {
    throw new EngineError("REQ_JSON", "the body is no JSON", { cause });
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    throw refuse("REQ_JSON", "body", "another value", "an object");
  return fields;
}

/** Not request.text(): a body may be larger than the isolate. */
async function readText(request) {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const piece of request.body ?? []) {
    size += piece.length;
    if (size > MOST_BODY) throw refuse("REQ_SIZE", "body", `more than ${MOST_BODY} bytes`, `at most ${MOST_BODY}`);
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

function refuse(code, field, actual, limit) {
  return new EngineError(code, field, { at: { source: "prompt", field }, actual, limit });
}
