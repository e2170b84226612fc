import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves a map of path -> bytes or text, and files by path, to a page that is cross-origin isolated. -> { origin, close() } */
export async function serveFiles(contents, files) {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname).slice(1);
    const headers = {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    };
    if (contents.has(path)) return void response.writeHead(200, headers).end(contents.get(path));
    if (!files.has(path)) return void response.writeHead(404).end();
    const { size } = statSync(files.get(path));
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const [start, end] = range ? [Number(range[1]), Math.min(Number(range[2]), size - 1)] : [0, size - 1];
    if (range) headers["content-range"] = `bytes ${start}-${end}/${size}`;
    response.writeHead(range ? 206 : 200, { ...headers, "content-length": end - start + 1 });
    createReadStream(files.get(path), { start, end }).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
