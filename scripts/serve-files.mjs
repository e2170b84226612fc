import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";

/** With these a page is isolated, so that workers share memory. */
export const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/**
 * What `find` has under a path, to this machine alone: `content`, always whole, or a `file`, in ranges too. -> { origin, close() }
 */
export async function serveFiles(find, headers = ISOLATED) {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname).slice(1);
    const { content, file } = find(path);
    const typed = { ...headers, "content-type": TYPES[extname(file ?? path)] ?? "application/octet-stream" };
    if (content !== undefined) return void response.writeHead(200, typed).end(content);
    const found = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) return void response.writeHead(404, headers).end();
    sendFile(request, response, file, found.size, { ...typed, "accept-ranges": "bytes" });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

function sendFile(request, response, file, size, headers) {
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
}
