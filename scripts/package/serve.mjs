import { join } from "node:path";
import { ISOLATED, serveFiles } from "../serve-files.mjs";

/** Isolated; and no eval, no inline script, nothing from elsewhere. */
export const HEADERS = {
  ...ISOLATED,
  "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
};

/** A folder and the model beside it as /model.gguf. */
export async function serve(folder, model) {
  const find = (path) => ({ file: path === "model.gguf" ? model : join(folder, path || "index.html") });
  const { origin, close } = await serveFiles(find, HEADERS);
  return { url: `${origin}/`, close };
}
