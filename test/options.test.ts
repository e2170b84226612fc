import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseThreads } from "../src/engine/load-options.ts";
import { EngineError } from "../src/error.ts";
import { checkOptions } from "../src/generate/options.ts";
import { drawSeed, laterSeed } from "../src/generate/seed.ts";
import { checkTokenIds } from "../src/given.ts";

const LIMITS = { vocab: 260, context: 512 };
const check = (options: unknown) => checkOptions(options, LIMITS);

function errorOf(run: () => unknown): EngineError {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** [option, refused values, text that the error gives as allowed] */
const REFUSED: [name: string, values: unknown[], allowed: string][] = [
  ["maxTokens", [0, -1, -0, 1.5, "5", null, Infinity, Number.NaN, 5n], "an integer >= 1"],
  ["minTokens", [-1, 1.5, 513, "5", null, Infinity, Number.NaN], "an integer in [0, 512], the maxTokens"],
  ["ignoreEos", [null, 0, "true"], "true or false"],
  ["temperature", [JSON.parse("1e400"), -0.1, 2.1, "0.7", null, Number.NaN, true, [], {}], "a number in [0, 2]"],
  ["topK", [-2, 0.5, Infinity, Number.NaN, "40", null], "an integer >= 1, or 0 or -1 for off"],
  ["topP", [0, -1, 1.0001, Number.NaN, "1", null], "a number in (0, 1]"],
  ["minP", [-0.1, 2, Number.NaN, "0", null], "a number in [0, 1]"],
  ["typicalP", [0, -1, 1.1, Number.NaN, "1", null], "a number in (0, 1]"],
  ["topNSigma", [-1, 101, Number.NaN, "1", null], "a number in [0, 100]"],
  ["presencePenalty", [2.1, -2.1, Number.NaN, "1", null], "a number in [-2, 2]"],
  ["frequencyPenalty", [2.1, -2.1, Number.NaN, "1", null], "a number in [-2, 2]"],
  ["repetitionPenalty", [0, -1, 10.1, 1e9, Number.NaN, null], "a number in (0, 10]"],
  [
    "seed",
    [2 ** 53, -(2 ** 63), 1.5, "", "4.5", "0x10", "-0", " 7", "18446744073709551616", null, Infinity, 2n ** 64n, NaN],
    "a safe integer, or a bigint or decimal text in [-2^63, 2^64)",
  ],
  ["logProbabilities", [21, -1, 1.5, "1", null], "a boolean or an integer in [0, 20]"],
  ["specialTokens", [null, 0, 1, "true"], "true or false"],
  ["signal", [null, {}, "abort", { aborted: false, addEventListener() {} }], "an AbortSignal"],
  ["stop", [null, 5, {}, new Set(["a"])], "a string or an array of strings"],
  ["stop", [Array(17).fill("a"), Array(100_000).fill("aa")], "at most 16 strings"],
  ["stopIds", [null, 5, "1", { 0: 1 }], "an array of token ids"],
  ["stopIds", [Array(1025).fill(1)], "at most 1024 ids"],
  ["logitsProcessor", [null, 5, "f", {}, class {}], "a function of logits and ids"],
  ["logitBias", [null, 5, "1", [1], new Set([1]), () => 1], "an object or Map from id to bias"],
];

describe("a value that is not allowed", () => {
  test.each(REFUSED)(
    "%s: REQ_PARAM with the option, what is allowed and what was given (%#)",
    (name, values, allowed) => {
      for (const value of values) {
        const error = errorOf(() => check({ [name]: value }));
        expect(error.code).toBe("REQ_PARAM");
        expect(error.at).toEqual({ source: "option", field: name });
        expect(error.limit).toBe(allowed);
        expect(error.actual).toBeDefined();
      }
    },
  );

  test("the value itself is in the message when it is short, its kind when it is not", () => {
    expect(errorOf(() => check({ temperature: "0.7" })).message).toBe(
      'REQ_PARAM: not a number, got "0.7", expected a number in [0, 2] [option, temperature]',
    );
    expect(errorOf(() => check({ temperature: -0.1 })).actual).toBe(-0.1);
    expect(errorOf(() => check({ topP: "x".repeat(1_000_000) })).message.length).toBeLessThan(200);
  });

  test.each([
    ["an empty string", ["ok", ""], "stop[1]", 0],
    ["1025 bytes", ["x".repeat(1025)], "stop[0]", 1025],
    ["1026 bytes of 513 letters", "é".repeat(513), "stop", 1026],
    ["a megabyte", "x".repeat(1_000_000), "stop", 1_000_000],
    ["half a surrogate pair", ["a", "\ud83d"], "stop[1]", '"half a surrogate pair"'],
  ])("a stop string of %s is refused without its text in the message", (_, stop, field, actual) => {
    const error = errorOf(() => check({ stop }));
    expect(error.code).toBe("REQ_PARAM");
    expect(error.at?.field).toBe(field);
    expect(error.actual).toBe(actual);
    expect(error.message).not.toContain("xxxx");
  });

  test("a stop string that is no text names its place", () => {
    for (const stop of [
      ["a", 5],
      ["a", null],
      ["a", ...Array(1)],
    ])
      expect(errorOf(() => check({ stop })).at?.field).toBe("stop[1]");
  });

  test("a stop id out of the vocabulary is REQ_TOKEN_ID with its index", () => {
    for (const id of [-1, 260, 1.5, "5", 2 ** 32, null, Number.NaN]) {
      const error = errorOf(() => check({ stopIds: [3, id] }));
      expect(error.code).toBe("REQ_TOKEN_ID");
      expect(error.at?.field).toBe("stopIds[1]");
    }
  });

  test.each([
    ["a key that is no number", { abc: 1 }, 'logitBias["abc"]'],
    ["a key that is not canonical", { "07": 1 }, 'logitBias["07"]'],
    ["an empty key", { "": 1 }, 'logitBias[""]'],
    ["a negative id", { "-1": 1 }, 'logitBias["-1"]'],
    ["an id beyond the vocabulary", { 260: 1 }, "logitBias[260]"],
    ["text as key of a Map", new Map([["5", 1]]), 'logitBias["5"]'],
    ["a value of 1e400", JSON.parse('{"5": 1e400}'), "logitBias[5]"],
    ["-Infinity", { 5: -Infinity }, "logitBias[5]"],
    ["NaN", new Map([[5, Number.NaN]]), "logitBias[5]"],
    ["text as value", { 5: "1" }, "logitBias[5]"],
    ["more than 100", { 5: 100.5 }, "logitBias[5]"],
  ])("logitBias with %s is refused at its place", (_, logitBias, field) => {
    const error = errorOf(() => check({ logitBias }));
    expect(error.code).toBe("REQ_PARAM");
    expect(error.at?.field).toBe(field);
  });

  test.each<[string, unknown, string]>([
    ["xtc", 5, "xtc"],
    ["xtc", {}, "xtc.probability"],
    ["xtc", { probability: 2 }, "xtc.probability"],
    ["xtc", { probability: 0.5, threshold: 0.6 }, "xtc.threshold"],
    ["xtc", { probability: 0.5, treshold: 0.1 }, "xtc.treshold"],
    ["dry", null, "dry"],
    ["dry", { base: 2 }, "dry.multiplier"],
    ["dry", { multiplier: -1 }, "dry.multiplier"],
    ["dry", { multiplier: 1, base: 0.5 }, "dry.base"],
    ["dry", { multiplier: 1, allowedLength: 0 }, "dry.allowedLength"],
    ["dry", { multiplier: 1, range: 0 }, "dry.range"],
    ["dry", { multiplier: 1, sequenceBreakers: "\n" }, "dry.sequenceBreakers"],
    ["dry", { multiplier: 1, sequenceBreakers: Array(65).fill("a") }, "dry.sequenceBreakers"],
    ["dry", { multiplier: 1, sequenceBreakers: ["a", ""] }, "dry.sequenceBreakers[1]"],
    ["dry", { multiplier: 1, sequenceBreakers: ["a".repeat(65)] }, "dry.sequenceBreakers[0]"],
    ["dry", { multiplier: 1, sequenceBreakers: ["\ud83d"] }, "dry.sequenceBreakers[0]"],
    ["dry", { multiplier: 1, allowed_length: 2 }, "dry.allowed_length"],
  ])("%s of %j is refused at %s", (name, value, field) => {
    const error = errorOf(() => check({ [name]: value }));
    expect(error.code).toMatch(/^REQ_(PARAM|UNSUPPORTED_PARAM)$/);
    expect(error.at?.field).toBe(field);
  });

  test("xtc of probability 0 and dry of multiplier 0 are off, and undefined members are absent", () => {
    expect(check({ xtc: { probability: 0 }, dry: { multiplier: 0 } })).toMatchObject({
      xtc: undefined,
      dry: undefined,
    });
    expect(check({ xtc: { probability: 1, threshold: undefined } }).xtc).toEqual({ probability: 1, threshold: 0.1 });
    const dry = { multiplier: 0.8, base: 1.75, allowedLength: 2, sequenceBreakers: undefined, range: -1 };
    expect(check({ dry: { multiplier: 0.8, range: -1 } }).dry).toEqual(dry);
  });

  test("a logitBias of 1025 ids or of 200,000 is refused for its number", () => {
    for (const count of [1025, 200_000]) {
      const entries = Array.from({ length: count }, (_, id) => [id, 1] as const);
      for (const logitBias of [new Map(entries), Object.fromEntries(entries)]) {
        const error = errorOf(() => check({ logitBias }));
        expect([error.at?.field, error.limit, error.actual]).toEqual(["logitBias", "at most 1024 ids", count]);
      }
    }
  });
});

describe("an option that does not exist", () => {
  test.each(["mirostat", "tfsZ", "n", "best_of", "n_discard", "id_slot", "numBeams", "__proto__x", "Temperature"])(
    "%s is REQ_UNSUPPORTED_PARAM, even when undefined",
    (name) => {
      for (const value of [1, undefined]) {
        const error = errorOf(() => check({ [name]: value }));
        expect(error.code).toBe("REQ_UNSUPPORTED_PARAM");
        expect(error.at).toEqual({ source: "option", field: name });
      }
    },
  );

  test("the HTTP spelling of an option is answered with ours", () => {
    expect(errorOf(() => check({ top_k: 5 })).limit).toBe("its name here, topK");
  });

  test("an own __proto__, as JSON.parse makes it, is refused", () => {
    expect(errorOf(() => check(JSON.parse('{"__proto__": {"temperature": 0}}'))).code).toBe("REQ_UNSUPPORTED_PARAM");
  });

  test("a name in `extra` is the caller's own affair", () => {
    expect(checkOptions({ tools: [1], temperature: 1 }, LIMITS, ["tools"]).temperature).toBe(1);
    expect(errorOf(() => checkOptions({ tool: [1] }, LIMITS, ["tools"])).code).toBe("REQ_UNSUPPORTED_PARAM");
  });

  test("options that are no plain object are refused", () => {
    for (const options of [null, 5, "x", [], new Map([["temperature", 0]]), () => 1]) {
      expect(errorOf(() => check(options)).code).toBe("REQ_PARAM");
    }
  });
});

describe("defaults and normal forms", () => {
  test("without options: temperature 0.6, topP 0.9, nothing else, and what fits the context", () => {
    expect(check(undefined)).toEqual({
      adapter: null,
      maxTokens: 512,
      minTokens: 0,
      ignoreEos: false,
      temperature: 0.6,
      topK: 0,
      topP: 0.9,
      minP: 0,
      typicalP: 1,
      topNSigma: 0,
      xtc: undefined,
      dry: undefined,
      repetitionPenalty: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      logitBias: new Map(),
      logitsProcessor: undefined,
      seed: undefined,
      stop: [],
      stopIds: [],
      logProbabilities: undefined,
      specialTokens: false,
      salt: "",
      speculate: false,
      responseFormat: undefined,
      priority: 0,
      deadline: undefined,
      signal: undefined,
    });
  });

  test("undefined is as good as absent", () => {
    expect({ ...check({ temperature: undefined, stop: undefined, topK: undefined }), seed: 1 }).toEqual({
      ...check({}),
      seed: 1,
    });
  });

  test("a temperature below 1e-4 is greedy", () => {
    for (const temperature of [0, -0, 1e-320, 9.9e-5]) expect(check({ temperature }).temperature).toBe(0);
    expect(check({ temperature: 1e-4 }).temperature).toBe(1e-4);
    expect(check({ temperature: 2 }).temperature).toBe(2);
  });

  test("topK: 0 and -1 are off, more than the vocabulary is the vocabulary", () => {
    expect([0, -0, -1, 1, 260, 261, 1e12].map((topK) => check({ topK }).topK)).toEqual([0, 0, 0, 1, 260, 260, 260]);
  });

  test("minTokens is at most maxTokens: an error of the call, not of what a file asks for", () => {
    expect(check({ minTokens: 5, maxTokens: 5 }).minTokens).toBe(5);
    expect(errorOf(() => check({ minTokens: 6, maxTokens: 5 })).at?.field).toBe("minTokens");
    const file = checkOptions({ minTokens: 9 }, LIMITS);
    expect(checkOptions({ maxTokens: 4 }, LIMITS, [], file).minTokens).toBe(4);
  });

  test("maxTokens is capped by the context, however large", () => {
    expect([1, 512, 513, 1e18].map((maxTokens) => check({ maxTokens }).maxTokens)).toEqual([1, 512, 512, 512]);
  });

  test("seeds are unsigned 64 bits, and the one reported may be given again", () => {
    expect(check({ seed: 42 }).seed).toBe(42);
    expect(check({ seed: -0 }).seed).toBe(0);
    expect(check({ seed: -2 }).seed).toBe(String(2n ** 64n - 2n));
    expect(check({ seed: Number.MIN_SAFE_INTEGER }).seed).toBe(String(2n ** 64n - 2n ** 53n + 1n));
    expect(check({ seed: 7n }).seed).toBe(7);
    expect(check({ seed: "7" }).seed).toBe(7);
    expect(check({ seed: 2n ** 53n }).seed).toBe("9007199254740992");
    expect(check({ seed: "18446744073709551615" }).seed).toBe("18446744073709551615");
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (seed) => {
        const reported = check({ seed }).seed;
        expect(check({ seed: reported }).seed).toBe(reported);
        expect(reported === undefined ? -1n : BigInt.asIntN(64, BigInt(reported))).toBe(seed);
        expect(() => JSON.stringify(reported)).not.toThrow();
      }),
      { numRuns: 200, seed: 8 },
    );
  });

  test("an absent seed and -1 are to be drawn", () => {
    for (const seed of [undefined, -1, -1n, "-1"]) expect(check({ seed }).seed).toBeUndefined();
    expect(new Set(Array.from({ length: 20 }, drawSeed)).size).toBe(20);
  });

  test("the seed after another: 64 bits, number or decimal text as it comes", () => {
    expect(laterSeed(5, 3)).toBe(8);
    expect(laterSeed(Number.MAX_SAFE_INTEGER, 1)).toBe("9007199254740992");
    expect(laterSeed("18446744073709551615", 1)).toBe(0);
  });

  test("what a caller leaves out is as in the defaults given; biases are joined, the caller's winning", () => {
    const defaults = check({ temperature: 0, topP: 0.5, stop: "x", logitBias: { 1: -100, 2: -100 }, maxTokens: 9 });
    const own = checkOptions({ temperature: 1, logitBias: { 2: 0, 3: 1 } }, LIMITS, [], defaults);
    expect(own).toEqual({
      ...defaults,
      temperature: 1,
      logitBias: new Map([
        [1, -100],
        [2, 0],
        [3, 1],
      ]),
    });
  });

  test("logProbabilities: false is none, true the token's own, a number that many alternatives", () => {
    expect([false, true, 0, 20].map((value) => check({ logProbabilities: value }).logProbabilities)).toEqual([
      undefined,
      0,
      0,
      20,
    ]);
  });

  test("stop takes one string or several up to 1024 bytes, stopIds any list, each id once", () => {
    expect(check({ stop: "###" }).stop).toEqual(["###"]);
    expect(check({ stop: ["a", "é".repeat(512)] }).stop).toEqual(["a", "é".repeat(512)]);
    expect(check({ stop: [] }).stop).toEqual([]);
    expect(check({ stopIds: [3, 4, 3] }).stopIds).toEqual([3, 4]);
    expect(check({ stopIds: Uint32Array.of(5, 6) }).stopIds).toEqual([5, 6]);
  });

  test("logitBias as object and as Map is the same, with the ends of the range", () => {
    const logitBias = { 0: -100, 7: 0.5, 259: 100 };
    const expected = new Map(Object.entries(logitBias).map(([id, bias]) => [Number(id), bias]));
    expect(check({ logitBias }).logitBias).toEqual(expected);
    expect(check({ logitBias: expected }).logitBias).toEqual(expected);
  });

  test("the caller's objects are copied: a later change does not reach the engine", () => {
    const logitBias = new Map([[1, 1]]);
    const stop = ["a"];
    const checked = check({ logitBias, stop });
    logitBias.set(2, Infinity);
    stop.push("");
    expect([checked.logitBias.size, checked.stop.length]).toEqual([1, 1]);
  });

  test("a signal is passed on", () => {
    const { signal } = new AbortController();
    expect(check({ signal }).signal).toBe(signal);
  });
});

test("any value of any option is either checked or refused with a typed error", () => {
  const names = Object.keys(check({}));
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.anything({ withBigInt: true, withMap: true, withTypedArray: true }),
      (name, value) => {
        let refused: unknown;
        try {
          check({ [name]: value });
        } catch (error) {
          refused = error;
        }
        if (refused !== undefined) expect(refused).toBeInstanceOf(EngineError);
      },
    ),
    { numRuns: 3000, seed: 9 },
  );
});

test("checkTokenIds gives the ids back or REQ_TOKEN_ID with the index (P09)", () => {
  const at = { source: "prompt" } as const;
  expect(checkTokenIds([0, 259], 260, at)).toEqual([0, 259]);
  for (const id of [-1, 260, 1.5, "5", 2 ** 32]) {
    const error = errorOf(() => checkTokenIds([1, 2, id], 260, at));
    expect([error.code, error.at?.source, error.at?.field]).toEqual(["REQ_TOKEN_ID", "prompt", "[2]"]);
  }
});

test("threads by default: the host's cores, at most as many as the kernels count, and the reason says so", () => {
  const host = (count: number) => ({ count, reason: `the host has ${count} cores` });
  expect(chooseThreads(undefined, host(8))).toEqual(host(8));
  expect(chooseThreads(3, host(96))).toEqual({ count: 3, reason: "asked for" });
  expect(chooseThreads(undefined, host(96))).toEqual({
    count: 64,
    reason: "the host has 96 cores; at most 64 threads",
  });
});
