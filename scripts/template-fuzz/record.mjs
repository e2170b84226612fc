// Cases with what jinja2 makes of them, for the tests: small ones, of all kinds.
import { gzipSync } from "node:zlib";
import { compare, makeCase, ours } from "./cases.mjs";

export async function record(seed, count, reference) {
  const cases = [];
  for (let index = 0; index < count; index++) {
    const one = makeCase(seed, index);
    const expected = await reference.render(one);
    const printed = /0x[0-9a-f]{6}|<built-in|<function|<generator/.test(expected.text ?? "");
    if (one.template.length > 400 || (expected.text ?? "").length > 400 || printed) continue;
    if (compare(one, expected, ours(one)).kind !== "same") continue;
    cases.push([one.template, one.values, expected.text ?? null]);
  }
  return gzipSync(JSON.stringify({ seed, jinja2: reference.version, cases }), { level: 9 });
}
