// The case in workerd: GET /?build=... -> one line of JSON. The model comes through a binding.
import * as engine from "wasmaverick";
import { conform } from "./case.mjs";

export default {
  async fetch(request, env) {
    const build = new URL(request.url).searchParams.get("build");
    const model = new Uint8Array(await (await env.MODEL.fetch("http://model/model.gguf")).arrayBuffer());
    return Response.json(await conform(engine, model, { build }));
  },
};
