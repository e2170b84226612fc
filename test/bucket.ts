/** An R2 bucket of one object: what workerd's own R2 binding talks to, as far as `head` and `get` go. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Bucket {
  readonly address: string;
  /** What goes wrong from now on: bodies end at half of what was asked, connections break there, the object is replaced after each look. */
  fault: "short" | "broken" | "replaced" | "gone" | undefined;
  /** Ranges served so far. */
  gets: number;
  close(): void;
}

interface Asked {
  method: "head" | "get";
  object: string;
  range?: { offset: string; length: string };
  onlyIf?: { etagMatches?: { value: string }[] };
}

export async function openBucket(key: string, content: Uint8Array): Promise<Bucket> {
  let version = 1;
  const server = createServer((request, response) => {
    const asked: Asked = JSON.parse(String(request.headers["cf-r2-request"]));
    if (asked.object !== key || bucket.fault === "gone") return refuse(response, 404, 10007, "no such object");
    const etag = `v${version}`;
    const offset = Number(asked.range?.offset ?? 0);
    const length = asked.method === "head" ? 0 : Math.min(Number(asked.range?.length), content.length - offset);
    const description = {
      name: key,
      version: etag,
      size: String(content.length),
      etag,
      uploaded: "1700000000000",
      httpFields: {},
      customFields: [],
      checksums: {},
      ...(asked.range ? { range: { offset: String(offset), length: String(length) } } : {}),
    };
    if (asked.onlyIf?.etagMatches?.every(({ value }) => value !== etag))
      return refuse(response, 412, 10031, "another version", description);
    if (bucket.fault === "replaced") version++;
    bucket.gets += asked.method === "get" ? 1 : 0;
    const json = JSON.stringify(description);
    const body = content.subarray(offset, offset + (bucket.fault ? Math.floor(length / 2) : length));
    const promised = json.length + (bucket.fault === "broken" ? length : body.length);
    response.writeHead(200, { "cf-r2-metadata-size": json.length, "content-length": promised });
    response.write(json);
    response.write(body, () => (bucket.fault === "broken" && length > 0 ? response.destroy() : response.end()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bucket: Bucket = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: undefined,
    gets: 0,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return bucket;
}

function refuse(response: ServerResponse, status: number, v4code: number, message: string, description?: object): void {
  const json = description ? JSON.stringify(description) : "";
  const headers = { "cf-r2-error": JSON.stringify({ version: 1, v4code, message }), "content-length": json.length };
  response.writeHead(status, json === "" ? headers : { ...headers, "cf-r2-metadata-size": json.length });
  response.end(json);
}
