/** Servers as tests reach them: by calling the handler, or over a port of this machine. */
import { type Listening, listen } from "../dist/src/cli/listen.js";
import { createModel, loadModel, type Model } from "../dist/src/index.js";
import type { ServerHandler } from "../dist/src/server/create-server.js";
import { MODEL } from "./runtimes.ts";
import { byteModel } from "./small-models.ts";
import type { Json } from "./storyteller.ts";

export const STORY = "storyteller-q8_0";
export const openStory = (context = 512): Promise<Model> => loadModel(MODEL, { threads: 0, context });
/** Bytes in, noise out: what a test forbids or demands shows. */
export const openBytes = (context = 256): Promise<Model> =>
  createModel(byteModel(32, { max_position_embeddings: context }), { threads: 0, context, seed: 3 });

export type Asked = (request: Request) => Promise<Response>;

export const post = (handler: Asked, path: string, body: unknown, headers: Record<string, string> = {}) =>
  handler(
    new Request(`http://localhost${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  );

export async function posted(handler: Asked, path: string, body: unknown): Promise<Json> {
  const response = await post(handler, path, body);
  const json = await response.json();
  if (response.status !== 200) throw new Error(`${response.status} ${JSON.stringify(json)}`);
  return json;
}

export const get = (handler: Asked, path: string, headers: Record<string, string> = {}) =>
  handler(new Request(`http://localhost${path}`, { headers }));

/** Events of a stream, as a strict reader of server-sent events sees them. */
export async function eventsOf(response: Response): Promise<{ event: string; data: Json }[]> {
  const events: { event: string; data: Json }[] = [];
  for (const block of (await response.text()).split("\n\n").filter((text) => text !== "" && !text.startsWith(":"))) {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const [, field, value] = /^(event|data): (.*)$/s.exec(line) ?? [];
      if (field === "event") event = value;
      else if (field === "data") data.push(value);
      else throw new Error(`no line of an event: ${line}`);
    }
    const text = data.join("\n");
    events.push({ event, data: text === "[DONE]" ? text : JSON.parse(text) });
  }
  return events;
}

export const onPort = (handler: ServerHandler): Promise<Listening> => listen(handler, { host: "127.0.0.1", port: 0 });
