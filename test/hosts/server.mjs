// A server under Deno and Bun, as they serve by themselves: an answer, a stream, a reader that leaves.
import { loadModel } from "../../dist/src/index.js";
import { createServer } from "../../dist/src/server/create-server.js";

const [path] = globalThis.Deno?.args ?? process.argv.slice(2);
const model = await loadModel(path, { threads: 0, context: 256 });
const handler = await createServer({ story: model });
const hostname = "127.0.0.1";
const server = globalThis.Bun
  ? Bun.serve({ fetch: handler, hostname, port: 0 })
  : Deno.serve({ hostname, port: 0, onListen() {} }, handler);
const url = `http://${hostname}:${server.port ?? server.addr.port}`;
const ask = (more, signal) =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "Once", max_tokens: 6, seed: 1, ...more }),
    signal,
  });
const { choices } = await (await ask({})).json();
const events = (await (await ask({ stream: true })).text()).split("\n\n").filter((text) => text.startsWith("data: {"));
const streamed = events.map((text) => JSON.parse(text.slice(6)).choices[0].text).join("");
const refused = await fetch(`${url}/v1/models`, { headers: { origin: "https://evil.example" } });
const controller = new AbortController();
const left = await ask({ max_tokens: 240, ignore_eos: true, stream: true }, controller.signal);
await left.body.getReader().read();
controller.abort();
const begun = performance.now();
const busy = () => handler.active > 0 || model.activity.load.running > 0;
while (busy() && performance.now() - begun < 5000) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(
  JSON.stringify({ text: choices[0].text, streamed, refused: refused.status, active: handler.active, load: model.activity.load }),
);
await handler.close(0);
await server.stop?.(true);
await server.shutdown?.();
await model.dispose();
