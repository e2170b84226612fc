/** Keywords that hold at once: patterns beside lengths and formats, bounds beside divisors. */
import { describe, expect, it } from "vitest";
import { Automaton, matches } from "../src/grammar/automaton.ts";
import { schemaFragment } from "../src/grammar/schema.ts";
import { TEXT_FORMATS } from "../src/grammar/text-formats.ts";
import { Random } from "./kernels.ts";
import { refusal } from "./storyteller.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);

function judgeOf(schema: object): (value: unknown) => boolean {
  const automaton = new Automaton(schemaFragment(schema));
  return (value) => matches(automaton, new TextEncoder().encode(JSON.stringify(value)));
}

const PATTERNS = [
  "a",
  "^[a-c]*$",
  "^x.*y$",
  "^(ab|c)+$",
  "[ab]{3}",
  '^["\\\\]+',
  "^[^a-z]+$",
  "é|ж$",
  "(?:a|b){2,3}c?$",
  "^a?b?c?$",
];

it(`a pattern beside lengths takes what both take, seed ${SEED}`, () => {
  const random = new Random(SEED);
  const pick = <Item>(list: readonly Item[]) => list[random.integer(0, list.length)];
  let taken = 0;
  for (let round = 0; round < 150; round++) {
    const pattern = pick(PATTERNS);
    const minLength = random.integer(0, 5);
    const bound = pick([{}, { maxLength: minLength + random.integer(0, 6) }]) as { maxLength?: number };
    const { maxLength = Number.POSITIVE_INFINITY } = bound;
    const regex = new RegExp(pattern, "u");
    let is: (value: unknown) => boolean;
    try {
      is = judgeOf({ type: "string", pattern, minLength, ...bound });
    } catch (error) {
      expect((error as { code: string }).code).toBe("GRAMMAR_EMPTY");
      is = () => false;
    }
    for (let tries = 0; tries < 40; tries++) {
      const text = Array.from({ length: random.integer(0, 9) }, () => pick([...'aabbccxyéж😀"\\\\Z\n'])).join("");
      const { length } = [...text];
      const right = regex.test(text) && length >= minLength && length <= maxLength;
      expect(is(text), JSON.stringify([pattern, minLength, maxLength, text])).toBe(right);
      if (right) taken++;
    }
  }
  expect(taken).toBeGreaterThan(100);
});

describe("a format", () => {
  it("beside lengths and a pattern takes what all take", () => {
    const is = judgeOf({ type: "string", format: "ipv4", pattern: "^1.*9$", maxLength: 9, minLength: 8 });
    for (const [text, right] of [
      ["1.2.3.49", true],
      ["10.2.3.49", true],
      ["10.20.3.49", false],
      ["1.2.3.9", false],
      ["2.2.3.49", false],
      ["1.2.3.48", false],
      ["1x2.3.49", false],
    ] as const)
      expect(is(text), text).toBe(right);
  });

  it("whose texts are never longer needs no product", () => {
    for (const format of ["uuid", "ipv4", "date", "uri"] as const)
      expect(() => judgeOf({ type: "string", format, minLength: 1, maxLength: 4096 }), format).not.toThrow();
    const mail = judgeOf({ type: "string", format: "email", maxLength: 254 });
    expect(mail("a@b.cd")).toBe(true);
    expect(mail(`${"a".repeat(250)}@b.cd`)).toBe(false);
    expect(new RegExp(`^(?:${TEXT_FORMATS["email"]})$`, "u").test(`${"a".repeat(250)}@b.cd`)).toBe(true);
  });
});

it(`multiples between bounds are those that a division finds, seed ${SEED}`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 60; round++) {
    const multipleOf = [1, 2, 3, 7, 10, 60, 100, 250, 4096, 123_457][random.integer(0, 10)];
    const [a, b] = [random.integer(-3000, 3000), random.integer(-1e6, 1e6)];
    const [minimum, maximum] = [Math.min(a, b), Math.max(a, b)];
    const bounds = [{}, { minimum }, { maximum }, { minimum, maximum }][random.integer(0, 4)] as {
      minimum?: number;
      maximum?: number;
    };
    let is: (value: unknown) => boolean;
    try {
      is = judgeOf({ type: round % 2 === 0 ? "integer" : "number", multipleOf, ...bounds });
    } catch (error) {
      const { code } = error as { code: string };
      expect(["GRAMMAR_EMPTY", "SCHEMA_UNSUPPORTED"]).toContain(code);
      if (code === "SCHEMA_UNSUPPORTED") expect([4096, 123_457]).toContain(multipleOf);
      continue;
    }
    for (let tries = 0; tries < 60; tries++) {
      const near = [minimum, maximum, 0, random.integer(-1e6, 1e6)][random.integer(0, 4)] + random.integer(-70, 70);
      const value = tries % 2 === 0 ? near : Math.round(near / multipleOf) * multipleOf || 0;
      const { minimum: low = -Infinity, maximum: high = Infinity } = bounds;
      const right = value % multipleOf === 0 && value >= low && value <= high;
      expect(is(value), JSON.stringify([multipleOf, bounds, value])).toBe(right);
    }
    expect(is(-0.5)).toBe(false);
  }
});

it("what cannot be made exactly is refused by its pointer", () => {
  const field = (schema: object) => {
    const { code, at } = refusal(() => schemaFragment({ properties: { a: schema } })) as never as {
      code: string;
      at: { field: string };
    };
    return `${code} ${at.field}`;
  };
  expect(field({ multipleOf: 0.01 })).toBe("SCHEMA_UNSUPPORTED /properties/a/multipleOf");
  expect(field({ multipleOf: 0 })).toBe("SCHEMA_INVALID /properties/a/multipleOf");
  expect(field({ type: "integer", multipleOf: 999_983 })).toBe("SCHEMA_UNSUPPORTED /properties/a/multipleOf");
  expect(field({ pattern: "^(a|b|c){100}", maxLength: 100_000 })).toBe("SCHEMA_UNSUPPORTED /properties/a/maxLength");
  expect(field({ pattern: "^a{9000}$", minLength: 9 })).toBe("SCHEMA_UNSUPPORTED /properties/a/minLength");
  expect(schemaFragment({ type: "integer", multipleOf: 999_983, minimum: 0, maximum: 1e6 })).toBeDefined();
  expect(schemaFragment({ allOf: [{ type: "integer", multipleOf: 4 }, { multipleOf: 6 }] })).toBeDefined();
});
