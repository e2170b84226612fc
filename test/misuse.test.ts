/** Wrong values in every parameter and option of the public surface: a short run of `npm run misuse`, and what such runs found. */
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, EngineError, inspect, loadModel, type Model } from "../dist/src/index.js";
import { run } from "../scripts/command.mjs";
import { tell } from "../src/given.ts";
import { MODEL } from "./runtimes.ts";

const SCRIPT = fileURLToPath(new URL("../scripts/misuse.mjs", import.meta.url));

it("6,000 calls with wrong values are refused by name, and leave the models as they were", async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`misuse: seed ${seed}`);
  const options = ["--singles", "5000", "--count", "1000", "--seed", String(seed)];
  expect(await run(process.execPath, [SCRIPT, ...options], { limitMs: 55_000 })).toContain("every promise is kept");
});

function revoked(): never {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy as never;
}

function detached(): Uint8Array {
  const view = new Uint8Array(8);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

const bare = () => Object.create(null);
const trap = () => {
  throw new RangeError("a trap");
};

it("tell tells any value, and runs none of its code", () => {
  const cases: [unknown, number | bigint | string][] = [
    [undefined, "undefined"],
    [null, "null"],
    [Number.NaN, Number.NaN],
    [-0, "-0"],
    [12n, 12n],
    [2n ** 5000n, "a bigint of more than 128 bits"],
    ["a\nb", '"a\\nb"'],
    ["x".repeat(65), "a string of 65 units"],
    [Symbol("s"), "a symbol"],
    [class {}, "a function"],
    [bare(), "an object"],
    [{ toString: trap, [Symbol.toPrimitive]: trap, [Symbol.toStringTag]: "Array" }, "an object"],
    [new Proxy({}, { get: trap, getPrototypeOf: trap, ownKeys: trap }), "an object"],
    [revoked(), "a revoked proxy"],
    [new Array(2 ** 32 - 1), "an array"],
    [new Float32Array(2), "a Float32Array"],
    [detached(), "a detached Uint8Array"],
    [new DataView(new ArrayBuffer(1)), "a DataView"],
    [runInNewContext("new Int8Array(1)"), "a Int8Array"],
  ];
  // A test that is named for the value would itself be undone by it.
  for (const [index, [value, told]] of cases.entries()) expect(tell(value), `case ${index}`).toBe(told);
});

const SIZES = { vocab_size: 260, hidden_size: 32, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const CONFIG = { ...SIZES, moe_layers: [], max_position_embeddings: 64 };

describe("is refused by name", () => {
  let model: Model;
  let speaker: Model;
  beforeAll(async () => {
    model = await createModel(CONFIG, { threads: 0 });
    speaker = await loadModel(MODEL, { threads: 0, context: 64 });
  });
  afterAll(async () => {
    await model.dispose();
    await speaker.dispose();
  });

  /** Code and field; the type of what was given is not that of the parameter. */
  const refusal = async (work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      if (error instanceof EngineError) return `${error.code} ${error.at?.field}`;
      throw error;
    }
    return "nothing";
  };
  const any = (value: unknown) => value as never;
  const found: [string, string, () => unknown][] = [
    ["profile of no function", "REQ_PARAM work", () => model.profile(any(1))],
    ["profile of a class", "REQ_PARAM work", () => model.profile(any(class {}))],
    ["encode of a number", "REQ_PARAM text", () => model.tokenizer.encode(any(1))],
    ["encode with null options", "REQ_PARAM options", () => model.tokenizer.encode("a", any(null))],
    [
      "encode with a misspelt option",
      "REQ_UNSUPPORTED_PARAM addBOS",
      () => model.tokenizer.encode("a", any({ addBOS: true })),
    ],
    [
      "encode with an option of another kind",
      "REQ_PARAM addBos",
      () => model.tokenizer.encode("a", { addBos: any("no") }),
    ],
    ["encode with ranges in disorder", "REQ_PARAM plain", () => model.tokenizer.encode("a", { plain: [2, 1] })],
    ["decode of what cannot be iterated", "REQ_PARAM ids", () => model.tokenizer.decode(any(1))],
    ["decode of text", "REQ_PARAM ids", () => model.tokenizer.decode(any("12"))],
    ["decode of detached ids", "REQ_PARAM ids", () => model.tokenizer.decode(detached())],
    ["decode of a symbol", "TOK_ID_RANGE id", () => model.tokenizer.decode([any(Symbol("s"))])],
    ["decode of a null prototype", "TOK_ID_RANGE id", () => model.tokenizer.decode([bare()])],
    ["specialId of a number", "REQ_PARAM text", () => model.tokenizer.specialId(any(1))],
    ["a prompt that was handed on", "REQ_PARAM prompt", () => model.generate(detached())],
    ["stop ids that were handed on", "REQ_PARAM stopIds", () => model.generate("a", { stopIds: detached() })],
    ["a revoked proxy of options", "REQ_PARAM options", () => model.generate("a", revoked())],
    ["a revoked proxy as a reference", "REQ_PARAM reference", () => model.divergence("abc", revoked())],
    [
      "what only inherits from a signal",
      "REQ_PARAM signal",
      () => model.generate("a", { signal: Object.create(AbortSignal.prototype) }),
    ],
    ["a tap that is none", "OPTION_TAPS taps", () => model.trace([1], { taps: [any(undefined)] })],
    ["a tap that is a symbol", "OPTION_TAPS taps", () => model.trace([1], { taps: [any(Symbol("s"))] })],
    ["a load option of null prototype", "OPTION_RANGE threads", () => createModel(any({}), { threads: bare() })],
    ["a config that is text", "REQ_PARAM config", () => createModel(any("config"))],
    [
      "a size that is a symbol",
      "CONFIG_RANGE /vocab_size",
      () => createModel({ ...CONFIG, vocab_size: any(Symbol("s")) }),
    ],
    ["a vocabulary of 2^31", "CONFIG_RANGE /vocab_size", () => createModel({ ...CONFIG, vocab_size: 2 ** 31 })],
    ["a source that is a symbol", "SOURCE_KIND source", () => inspect(any(Symbol("s")))],
    ["bytes that were handed on", "SOURCE_KIND source", () => inspect(detached())],
    [
      "what only looks like a checkpoint",
      "SOURCE_KIND source",
      () => inspect(any({ tensors: new Map(), metadata: new Map() })),
    ],
    [
      "options of a chat that are null",
      "REQ_PARAM options",
      () => speaker.chat([{ role: "user", content: "a" }], any(null)),
    ],
    [
      "tools of 2^32 - 1 holes",
      "REQ_MESSAGE /tools",
      () => speaker.chat([{ role: "user", content: "a" }], { tools: new Array(2 ** 32 - 1) }),
    ],
    [
      "a Map in a message",
      "REQ_MESSAGE /messages/0/name",
      () => speaker.chat([{ role: "user", content: "a", name: new Map() }]),
    ],
    [
      "variables in a Map",
      "REQ_PARAM variables",
      () => speaker.chat([{ role: "user", content: "a" }], { variables: any(new Map()) }),
    ],
    [
      "an invalid Date",
      "REQ_PARAM now",
      () => speaker.chat([{ role: "user", content: "a" }], { now: new Date(Number.NaN) }),
    ],
  ];

  it.each(found)("%s: %s", async (_, expected, work) => {
    expect(await refusal(work)).toBe(expected);
  });

  it("but what the caller's own code throws passes as it is", async () => {
    const own = new RangeError("the caller's");
    const fail = () => {
      throw own;
    };
    const getter = (name: string) => Object.defineProperty({}, name, { get: fail, enumerable: true }) as never;
    const failing: (() => unknown)[] = [
      () => model.generate("a", getter("seed")),
      () => model.tokenizer.encode("a", getter("addBos")),
      () => model.tokenizer.decode({ [Symbol.iterator]: fail }),
      () => model.perplexity("abc", { onProgress: fail }),
      () => model.perplexity("abc", { saveLogits: async () => fail() }),
      () => model.profile(async () => fail()),
      () => createModel(getter("vocab_size")),
      () => loadModel(getter("tensors")),
      () => loadModel(MODEL, { threads: 0, onProgress: fail }),
      () => speaker.chat([getter("content")]),
    ];
    for (const work of failing)
      expect(
        await Promise.resolve()
          .then(work)
          .catch((error) => error),
        String(work),
      ).toBe(own);
  });
});
