import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { extname, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { readRange } from "./byte-range.mjs";
import { securityHeaders } from "./security-headers.mjs";

/** The files of a folder over HTTP: what a page needs and nothing else. */

// A wrong type is no detail: browsers refuse modules that are not JavaScript.
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/**
 * @param {string} root
 * @param {{ isolated: boolean, home: string }} options `home`: where "/" leads
 * @returns {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => Promise<void>}
 */
export function fileHandler(root, { isolated, home }) {
  return async (request, response) => {
    try {
      await answer(request, response, root, isolated, home);
    } catch (error) {
      // The reader went away, or the file did after its headers were sent.
      if (response.headersSent) return void response.destroy();
      refuse(response, error.code === "ENOENT" || error.code === "ENOTDIR" ? 404 : 500);
    }
  };
}

async function answer(request, response, root, isolated, home) {
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405, { allow: "GET, HEAD" });
  const address = pathnameOf(request.url);
  if (address === null) return refuse(response, 400);
  if (address === "/") return refuse(response, 302, { location: home });
  const path = resolve(root, `.${address}`);
  // An encoded slash comes back only after decoding, so what is checked is the path that will be opened. Links are followed:
  // package managers make node_modules of them.
  if (path !== resolve(root) && !path.startsWith(resolve(root) + sep)) return refuse(response, 403);
  // .git, .npmrc and their like are not there.
  if (address.split(/[/\\]/).some((part) => part.startsWith("."))) return refuse(response, 404);

  const found = await stat(path);
  if (found.isDirectory()) {
    // Without the slash, the page's own relative addresses would lead one folder too high.
    if (!address.endsWith("/")) return refuse(response, 301, { location: `${request.url.split("?")[0]}/` });
    const index = resolve(path, "index.html");
    return send(request, response, index, await stat(index), isolated);
  }
  if (!found.isFile() || address.endsWith("/")) return refuse(response, 404);
  return send(request, response, path, found, isolated);
}

function pathnameOf(address) {
  try {
    // Not new URL(): it reads "//host/path" as a host.
    const path = decodeURIComponent(address.split(/[?#]/)[0]);
    return path.startsWith("/") && !path.includes("\0") ? path : null;
  } catch {
    return null;
  }
}

async function send(request, response, path, { size, mtimeMs }, isolated) {
  const etag = `"${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}"`;
  const html = extname(path) === ".html" ? await readFile(path, "utf8") : "";
  const headers = {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    // Kept, but asked for again: the files change while one works on them.
    "cache-control": "no-cache",
    etag,
    ...securityHeaders(html, isolated),
  };
  if (request.headers["if-none-match"] === etag) return void response.writeHead(304, headers).end();
  const range = readRange(request.headers, size, etag);
  if (range === "unsatisfiable") return refuse(response, 416, { "content-range": `bytes */${size}` });
  const { first, last } = range ?? { first: 0, last: size - 1 };
  response.writeHead(range ? 206 : 200, {
    ...headers,
    "content-length": last - first + 1,
    ...(range ? { "content-range": `bytes ${first}-${last}/${size}` } : {}),
  });
  if (request.method === "HEAD" || size === 0) return void response.end();
  await pipeline(createReadStream(path, { start: first, end: last }), response);
}

function refuse(response, status, headers = {}) {
  const text = `${status}\n`;
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": text.length,
    ...headers,
  });
  response.end(text);
}
