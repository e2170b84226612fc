import { afterAll, expect, test } from "vitest";
import { answerInFormat } from "./edge-formats-worker.mjs";
import { binary, serve, type Workerd } from "./workerd.ts";

const missing = "missing" in binary ? binary.missing : undefined;
let workerd: Workerd | undefined;
afterAll(() => workerd?.kill());

test.skipIf(missing)(
  `workerd answers in a format, as Node does${missing ? ` (skipped: ${missing})` : ""}`,
  async () => {
    workerd = await serve({
      entry: "test/edge-formats-worker.mjs",
      ...{ compatibilityDate: "2026-11-01", flags: [], vars: {}, buckets: {} },
    });
    const response = await fetch(workerd.url);
    const text = await response.text();
    expect(response.status, text).toBe(200);
    expect(text).toBe(await answerInFormat());
    const value = JSON.parse(text);
    expect(Object.keys(value)).toEqual(["name", "age"]);
    expect(Number.isInteger(value.age)).toBe(true);
  },
);
