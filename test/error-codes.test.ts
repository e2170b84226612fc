/** The codes of EngineError: typed, listed, documented, and none that nothing throws. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, expectTypeOf, it } from "vitest";
import { EngineError, ERROR_CODES, type ErrorCode } from "../dist/src/index.js";
import { withTables } from "../scripts/error-tables.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

describe("error codes", () => {
  it("are a union of what is listed: a code that is not does not compile", () => {
    expectTypeOf<EngineError["code"]>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<keyof typeof ERROR_CODES>().toEqualTypeOf<ErrorCode>();
    // @ts-expect-error
    new EngineError("NO_SUCH_CODE", "");
    expect(Object.isFrozen(ERROR_CODES)).toBe(true);
  });

  it("are each in the source, beside the list", () => {
    const source = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && file !== "error-codes.ts")
      .map((file) => readFileSync(join(ROOT, "src", file), "utf8"))
      .join("\n");
    const isThrown = (code: string) => source.includes(`"${code}"`);
    expect(Object.keys(ERROR_CODES).filter((code) => !isThrown(code))).toEqual([]);
    expect(source, "a cast would hide a code that is not listed").not.toMatch(/\bas ErrorCode\b/);
  });

  it("have a name in capitals and one sentence or two", () => {
    for (const [code, meaning] of Object.entries(ERROR_CODES)) {
      expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
      expect(meaning, code).toMatch(/^[A-Z].{10,110}\.$/);
    }
  });

  it("stand in docs/errors.md (npm run errors)", () => {
    const text = readFileSync(join(ROOT, "docs/errors.md"), "utf8");
    const made = withTables(text, ERROR_CODES);
    expect(made.homeless, "no table takes these").toEqual([]);
    expect(text).toBe(made.text);
  });
});
