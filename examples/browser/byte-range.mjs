/**
 * The one range a request asks for; null: the whole file, also where several are asked for or none can be read (a server may ignore
 * both, RFC 9110).
 *
 * @param {import("node:http").IncomingHttpHeaders} headers
 * @returns {{ first: number, last: number } | "unsatisfiable" | null}
 */
export function readRange(headers, size, etag) {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  // The rest of another version of the file is of no use.
  if (headers["if-range"] !== undefined && headers["if-range"] !== etag) return null;
  const [from, to] = [match[1], match[2]];
  if (from === "") {
    const count = Math.min(Number(to), size);
    return count === 0 ? "unsatisfiable" : { first: size - count, last: size - 1 };
  }
  const [first, last] = [Number(from), to === "" ? size - 1 : Math.min(Number(to), size - 1)];
  if (to !== "" && Number(to) < first) return null;
  return first < size ? { first, last } : "unsatisfiable";
}
