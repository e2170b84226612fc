import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StopStrings } from "../src/generate/stop.ts";

/** What a reader of the stream gets, piece by piece. */
function run(stops: string[], pieces: string[]): { emitted: string[]; matched: string | undefined } {
  const scanner = new StopStrings(stops);
  const emitted = pieces.map((piece) => scanner.push(piece));
  emitted.push(scanner.flush());
  return { emitted, matched: scanner.matched };
}

/** The first stop string to be complete, the longest of those; by looking at every start of the text. */
function naive(stops: string[], text: string): { text: string; matched: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const complete = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length);
    if (complete.length > 0) return { text: text.slice(0, end - complete[0].length), matched: complete[0] };
  }
  return { text, matched: undefined };
}

describe("stop strings", () => {
  test("text before the match is emitted, the match and what follows is not", () => {
    expect(run(["###"], ["one ", "two###three", " four"])).toEqual({
      emitted: ["one ", "two", "", ""],
      matched: "###",
    });
  });

  test("a match across pieces is found and none of it leaves early", () => {
    expect(run(["\nUser:"], ["Hi", "\n", "Us", "er", ": x"])).toEqual({
      emitted: ["Hi", "", "", "", "", ""],
      matched: "\nUser:",
    });
  });

  test("held text leaves as soon as it cannot become a stop string", () => {
    expect(run(["\nUser:"], ["Hi", "\nUs", "ed", "\n"])).toEqual({
      emitted: ["Hi", "", "\nUsed", "", "\n"],
      matched: undefined,
    });
  });

  test("of a false start, the part that may be a new start stays held", () => {
    expect(run(["aab"], ["aa", "a", "a", "b"])).toEqual({ emitted: ["", "a", "a", "", ""], matched: "aab" });
  });

  test("the first to be complete ends the text; of two at the same place the longer", () => {
    expect(run(["abcd", "bc"], ["abcd"])).toEqual({ emitted: ["a", ""], matched: "bc" });
    expect(run(["bc", "abc"], ["xabc"])).toEqual({ emitted: ["x", ""], matched: "abc" });
  });

  test("without stop strings every piece passes as it is", () => {
    expect(run([], ["a", "", "b"])).toEqual({ emitted: ["a", "", "b", ""], matched: undefined });
  });

  test("flush gives what was held, and nothing after a match", () => {
    const scanner = new StopStrings(["end"]);
    expect([scanner.push("the en"), scanner.flush(), scanner.flush(), scanner.push("d")]).toEqual([
      "the ",
      "en",
      "",
      "d",
    ]);
    expect(run(["end"], ["the end", "en"]).emitted).toEqual(["the ", "", ""]);
  });

  test("characters beyond the basic plane are never split", () => {
    const { emitted } = run(["😀"], ["a😁", "b😂"]); // the three share their first unit
    expect(emitted).toEqual(["a😁", "b😂", ""]);
    expect(run(["😀"], ["a😁😀"]).emitted.join("")).toBe("a😁");
  });

  test("the result equals a naive search and does not depend on where pieces break", () => {
    const letters = fc.constantFrom("a", "b", "ab", "aab", "é", "😀");
    const text = (maxLength: number) => fc.array(letters, { minLength: 1, maxLength }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.array(text(4), { maxLength: 5 }), fc.array(text(5), { maxLength: 12 }), (stops, pieces) => {
        const { emitted, matched } = run(stops, pieces);
        expect({ text: emitted.join(""), matched }).toEqual(naive(stops, pieces.join("")));
        expect(run(stops, [...pieces.join("")]).emitted.join("")).toBe(emitted.join(""));
      }),
      { numRuns: 2000, seed: 10 },
    );
  });

  test("no more is held than could become a stop string", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), fc.array(text, { maxLength: 8 }), (stops, pieces) => {
        const scanner = new StopStrings(stops);
        let fed = "";
        let seen = "";
        for (const piece of pieces) {
          fed += piece;
          seen += scanner.push(piece);
          if (scanner.matched !== undefined) return;
          const held = fed.slice(seen.length);
          expect(held === "" || stops.some((stop) => stop.startsWith(held))).toBe(true);
          const longer = fed.slice(Math.max(0, seen.length - 1));
          if (seen.length > 0) expect(stops.some((stop) => stop.startsWith(longer))).toBe(false);
        }
      }),
      { numRuns: 1000, seed: 11 },
    );
  });

  test("16 strings of 1 KiB that almost match all the time cost linear time: 200,000 units < 1 s", () => {
    const stops = Array.from({ length: 16 }, (_, i) => `${"a".repeat(1000 + i)}b`);
    const started = performance.now();
    const scanner = new StopStrings(stops);
    let emitted = scanner.push("a".repeat(150_000)).length;
    for (let i = 0; i < 50_000; i++) emitted += scanner.push("a").length;
    expect(emitted).toBe(200_000 - 1015);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
