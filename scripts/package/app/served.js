import { loadModel } from "wasmaverick";
import { createServer } from "wasmaverick/server";

/** A request to the subpath `server`: its text, or the code of what it lacks. */
const [source] = process.argv.slice(2);
const model = await loadModel(source, { threads: 0 });
try {
  const handler = await createServer(model);
  const body = { prompt: "Once upon a time there was an owl", max_tokens: 16, temperature: 0 };
  const headers = { "content-type": "application/json" };
  const request = new Request("http://localhost/v1/completions", { method: "POST", headers, body: JSON.stringify(body) });
  const { choices, error } = await (await handler(request)).json();
  console.log(JSON.stringify({ text: choices?.[0].text, error }));
} catch (error) {
  console.log(JSON.stringify({ code: error.code ?? String(error) }));
} finally {
  await model.dispose();
}
