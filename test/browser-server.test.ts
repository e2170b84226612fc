import { readFileSync, statSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MODEL, serveProject } from "./page.ts";

/** The example's server: what it gives, what it refuses. Needs no browser. */

let server: Awaited<ReturnType<typeof serveProject>>;
beforeAll(async () => {
  server = await serveProject();
});
afterAll(() => server.stop());

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Not fetch(): it tidies the path before it is sent. */
function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Reply> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers, method }, async (response) => {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece);
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) });
    });
    sent.on("error", reject).end();
  });
}

const GGUF = "/models/storyteller-q8_0.gguf";
const size = statSync(MODEL).size;

describe("files", () => {
  it.each([
    ["/examples/browser/", "text/html; charset=utf-8"],
    ["/examples/browser/main.js?x=1", "text/javascript; charset=utf-8"],
    ["/examples/browser/style.css", "text/css; charset=utf-8"],
    ["/examples/browser/icon.svg", "image/svg+xml"],
    ["/dist/src/host/simd.wasm", "application/wasm"],
    ["/package.json", "application/json"],
    [GGUF, "application/octet-stream"],
  ])("%s is %s, isolated, under the policy", async (path, type) => {
    const { status, headers } = await get(path, {}, "HEAD");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe(type);
    expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
    expect(headers["cross-origin-embedder-policy"]).toBe("require-corp");
    expect(headers["content-security-policy"]).toContain("script-src 'self' 'wasm-unsafe-eval'");
  });

  it("a folder leads to its page, a known tag to 304, HEAD has no body", async () => {
    expect((await get("/")).headers.location).toBe("/examples/browser/");
    expect(await get("/examples/browser?threads=1")).toMatchObject({ status: 301 });
    const { headers } = await get("/package.json");
    expect((await get("/package.json", { "if-none-match": headers.etag! })).status).toBe(304);
    const head = await get(GGUF, {}, "HEAD");
    expect([head.headers["content-length"], head.body.length]).toEqual([String(size), 0]);
  });

  it("the policy allows the import map by its hash, and no other inline script", async () => {
    const policy = (await get("/examples/browser/")).headers["content-security-policy"];
    expect(policy).toMatch(/script-src 'self' 'wasm-unsafe-eval' 'sha256-[\w+/]{43}='/);
    expect(policy).not.toContain("unsafe-inline");
  });

  it.each([
    [404, "/nothing.html"],
    [404, "/package.json/"],
    [404, "/package.json/x"],
    [404, "/src"], // a folder without a page, below
    [404, "/.git"],
    [404, "/.npmrc"],
    [404, "/examples/../.npmrc"],
    [403, "/../../etc/passwd"],
    [403, "/%2e%2e/%2e%2e/etc/passwd"],
    [403, "/..%2f..%2fetc%2fpasswd"],
    [403, "//../../etc/passwd"],
    [400, "/%"],
    [400, "/a%00b"],
  ])("%i %s", async (status, path) => {
    const reply = await get(path);
    const followed = reply.status === 301 ? await get(reply.headers.location!) : reply;
    expect(followed.status).toBe(status);
    expect(followed.body.toString()).toBe(`${status}\n`);
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS"])("405 %s", async (method) => {
    expect(await get("/package.json", {}, method)).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });
});

describe("ranges", () => {
  const whole = readFileSync(MODEL);

  it.each([
    ["bytes=0-0", 0, 0],
    ["bytes=100-299", 100, 299],
    [`bytes=${size - 5}-`, size - 5, size - 1],
    ["bytes=-7", size - 7, size - 1],
    [`bytes=${size - 2}-99999999999`, size - 2, size - 1],
  ])("206 %s", async (range, first, last) => {
    const { status, headers, body } = await get(GGUF, { range });
    expect(status).toBe(206);
    expect(headers["content-range"]).toBe(`bytes ${first}-${last}/${size}`);
    expect(headers["content-length"]).toBe(String(last - first + 1));
    expect(body.equals(whole.subarray(first, last + 1))).toBe(true);
  });

  it.each([`bytes=${size}-`, `bytes=${size}-${size + 1}`, "bytes=-0"])("416 %s", async (range) => {
    const { status, headers } = await get(GGUF, { range });
    expect([status, headers["content-range"]]).toEqual([416, `bytes */${size}`]);
  });

  it.each(["bytes=5-4", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"])("200, the whole, %s", async (range) => {
    expect((await get(GGUF, { range }, "HEAD")).status).toBe(200);
  });

  it("of another version of the file are not sent", async () => {
    const { etag } = (await get(GGUF, {}, "HEAD")).headers;
    expect((await get(GGUF, { range: "bytes=0-1", "if-range": etag! })).status).toBe(206);
    expect((await get(GGUF, { range: "bytes=0-1", "if-range": '"other"' }, "HEAD")).status).toBe(200);
  });
});
