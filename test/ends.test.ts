import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Writer } from "../dist/src/generate/writer.js";
import { createModel, loadModel, type Model } from "../dist/src/index.js";
import { codeOf, errorOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";
import { byteModel } from "./small-models.ts";

/** Where an answer ends: text, ids, log-probabilities and usage at the same place, and the result says why. */

const GREEDY = { temperature: 0, maxTokens: 40 };
const SEED = Number(process.env.SEED ?? 20261128);
let model: Model;
beforeAll(async () => {
  model = await loadModel(MODEL, { threads: 1 });
});
afterAll(() => model.dispose());

describe("a stop string", () => {
  it("ends text, ids, log-probabilities and usage at one place", async () => {
    const whole = await model.generate("Once upon a time", GREEDY).result();
    for (const stop of [whole.text.slice(20, 25), whole.text.slice(31, 33), whole.text.slice(0, 3)]) {
      const cut = await model.generate("Once upon a time", { ...GREEDY, stop, logProbabilities: true }).result();
      expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
      expect(cut.ids).toEqual(whole.ids.slice(0, cut.ids.length));
      expect(model.tokenizer.decode(cut.ids, { continues: true }).startsWith(cut.text)).toBe(true);
      const shorter = model.tokenizer.decode(cut.ids.slice(0, -1), { continues: true });
      expect(cut.ids.length === 0 || shorter.length < cut.text.length).toBe(true);
      expect(cut.logProbabilities!.map(({ id }) => id)).toEqual(cut.ids);
      expect(cut.usage.completionTokens).toBe(cut.ids.length);
      expect([cut.finishReason, cut.stoppedBy, cut.limit]).toEqual(["stop", stop, undefined]);
    }
  });

  it(`of random ids, split characters among them: the last id is the last whose text begins before it, seed ${SEED}`, () => {
    const { tokenizer } = model;
    const bytes = Array.from({ length: 256 }, (_, id) => id);
    const letters = [..."aé😀 x".repeat(2)].flatMap((letter) => tokenizer.encode(letter));
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...letters, ...bytes.slice(180, 200), 2046, 97), { minLength: 1, maxLength: 24 }),
        fc.nat(40),
        fc.integer({ min: 1, max: 4 }),
        (ids, from, length) => {
          const whole = tokenizer.decode(ids, { continues: true });
          const stop = whole.slice(from, from + length);
          if (stop === "") return;
          let emitted = "";
          const rules = { stop: [stop], stopIds: new Set<number>(), stopNames: new Map<number, string>() };
          const writer = new Writer(rules, tokenizer.stream({ continues: true }), {
            text: (piece) => {
              emitted += piece;
            },
          });
          if (ids.every((id) => writer.take({ id }))) writer.end();
          const end = whole.indexOf(stop);
          expect(writer.text).toBe(whole.slice(0, end));
          expect(emitted).toBe(writer.text);
          expect(writer.probabilities.map(({ id }) => id)).toEqual(writer.ids);
          // What was decoded before an id came: where its text begins.
          const begin = (count: number) => {
            const stream = tokenizer.stream({ continues: true });
            return ids.slice(0, count).reduce((sum, id) => sum + stream.push(id).length, 0);
          };
          const expected = ids.filter((_, index) => begin(index) < end);
          expect(writer.ids).toEqual(expected);
        },
      ),
      { numRuns: 500, seed: SEED },
    );
  });
});

describe("a stop that is a control token", () => {
  const bytes = byteModel(32);

  it("means its id, whose text is never in an answer, and is told as it was asked for", async () => {
    const small = await createModel(bytes, { threads: 0 });
    // The model speaks <|begin|> and nothing else.
    const options = { maxTokens: 9, temperature: 0, logitBias: { 256: 100 } };
    expect((await small.generate("a", options).result()).ids).toEqual(Array(9).fill(256));
    const result = await small.generate("a", { ...options, stop: ["x", "<|begin|>"] }).result();
    expect([result.ids, result.stoppedBy, result.finishReason]).toEqual([[], "<|begin|>", "stop"]);
    await small.dispose();
  });

  it.each([
    ["text behind it", ["<|eot|>\n"], "stop[0]"],
    ["text before it", ["ok", "so <|header_start|>"], "stop[1]"],
    ["a second one", ["<|eot|><|eot|>"], "stop[0]"],
  ])("with %s could never match: an error names the token", async (_, stop, field) => {
    const error = await errorOf(() => model.generate("a", { stop }));
    expect([error.code, error.at?.field]).toEqual(["REQ_PARAM", field]);
    expect(error.message).toMatch(/<\|(eot|header_start)\|>/);
  });

  it("half of its text is text", async () => {
    expect(await codeOf(() => model.generate("a", { stop: ["<|eo", "|>"], maxTokens: 1 }).result())).toBeUndefined();
  });

  it("needs a tokenizer, as every text does", async () => {
    const small = await createModel({ ...bytes, vocab_size: 100 }, { threads: 0 });
    expect(await codeOf(() => small.generate([1], { stop: "a" }))).toBe("TOKENIZER_MISSING");
    await small.dispose();
  });
});

it("stopReason tells the model's own end from the caller's id, text and limits", async () => {
  const bytes = await createModel(byteModel(32, { eos_token_id: [257] }), { threads: 0, context: 16 });
  const reason = async (options: object) => {
    const said = await bytes.generate([97], { temperature: 0, ...options }).result();
    return [said.stopReason, said.finishReason, said.stoppedBy];
  };
  const says = (id: number) => ({ logitBias: { [id]: 100 } });
  expect(await reason(says(257))).toEqual(["eos", "stop", 257]);
  expect(await reason({ ...says(257), stopIds: [257] })).toEqual(["eos", "stop", 257]);
  expect(await reason({ ...says(98), stopIds: [98] })).toEqual(["stopId", "stop", 98]);
  expect(await reason({ ...says(98), stop: "bb" })).toEqual(["stopString", "stop", "bb"]);
  expect(await reason({ ...says(256), stop: "<|begin|>" })).toEqual(["stopString", "stop", "<|begin|>"]);
  expect(await reason({ ...says(98), maxTokens: 3 })).toEqual(["maxTokens", "length", undefined]);
  expect(await reason(says(98))).toEqual(["context", "length", undefined]);
  await bytes.dispose();
});

describe("finishReason length says which limit", () => {
  const forever = { temperature: 0, logitBias: { 2042: -100, 2045: -100, 2046: -100 } };

  it("maxTokens, also where the context ends there too; the context where that is nearer", async () => {
    const short = await loadModel(MODEL, { threads: 1, context: 16 });
    const limit = async (maxTokens?: number) => {
      const result = await short.generate([1, 2, 3, 4, 5, 6], { ...forever, maxTokens }).result();
      return [result.ids.length, result.finishReason, result.limit];
    };
    expect(await limit(4)).toEqual([4, "length", "maxTokens"]);
    expect(await limit(10)).toEqual([10, "length", "maxTokens"]);
    expect(await limit(11)).toEqual([10, "length", "context"]);
    expect(await limit()).toEqual([10, "length", "context"]);
    await short.dispose();
  });
});

describe("control tokens in a prompt of text", () => {
  const TEXT = "<|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\n";

  it("are text, and a warning names them; with specialTokens they are ids, and nothing is odd", async () => {
    const plain = await model.generate(TEXT, { ...GREEDY, maxTokens: 1 }).result();
    const special = await model.generate(TEXT, { ...GREEDY, maxTokens: 1, specialTokens: true }).result();
    const { tokenizer } = model;
    const { addBos } = tokenizer;
    expect(plain.usage.promptTokens).toBe(tokenizer.encode(TEXT, { addBos }).length);
    expect(special.usage.promptTokens).toBe(tokenizer.encode(TEXT, { addBos, specialTokens: true }).length);
    expect(plain.warnings).toEqual([
      expect.stringMatching(/<\|header_start\|>, <\|header_end\|>, <\|eot\|>; specialTokens/),
    ]);
    expect(special.warnings).toEqual([]);
    expect((await model.generate("<| eot |> <|none|>", GREEDY).result()).warnings).toEqual([]);
  });

  it("of a batch, of score, embed and perplexity too", async () => {
    const [plain, special] = await model
      .generateBatch([TEXT, { prompt: TEXT, options: { specialTokens: true } }], { ...GREEDY, maxTokens: 1 })
      .results();
    expect([plain.warnings.length, special.warnings.length]).toEqual([1, 0]);
    expect(special.usage.promptTokens).toBeLessThan(plain.usage.promptTokens);
    const count = async (specialTokens: boolean) => (await model.score(TEXT, { specialTokens })).nll.length;
    expect(await count(true)).toBeLessThan(await count(false));
    const ids = async (specialTokens: boolean) => (await model.perplexity(TEXT, { specialTokens })).ids;
    expect(await ids(true)).toBeLessThan(await ids(false));
    expect(await model.embed(TEXT, { specialTokens: true })).not.toEqual(await model.embed(TEXT));
  });

  it("of a chat are its template's: the option is refused", async () => {
    const chat = () => model.chat([{ role: "user", content: "a" }], { specialTokens: true } as never);
    expect((await errorOf(chat)).at?.field).toBe("specialTokens");
  });
});
