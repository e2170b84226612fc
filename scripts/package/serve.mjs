import { once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

/** Isolated, so that workers share memory; and no eval, no inline script, nothing from elsewhere. */
export const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
};

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** A folder and the model beside it as /model.gguf, byte ranges included. */
export async function serve(folder, model) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const inside = normalize(pathname === "/" ? "/index.html" : pathname);
    const file = inside === "/model.gguf" ? model : join(folder, inside);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    const headers = { ...HEADERS, "content-type": type, "accept-ranges": "bytes" };
    if (size === undefined) return response.writeHead(404, headers).end();
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    if (!range) {
      response.writeHead(200, { ...headers, "content-length": size });
      return createReadStream(file).pipe(response);
    }
    const [start, end] = [Number(range[1]), Math.min(Number(range[2]), size - 1)];
    response.writeHead(206, {
      ...headers,
      "content-range": `bytes ${start}-${end}/${size}`,
      "content-length": end - start + 1,
    });
    createReadStream(file, { start, end }).pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
