import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type GenerationResult, inspect, loadModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";

/** The public surface, on the bundled storyteller. */

/** Ids that would end a generation by themselves. */
const FORBID_ENDS = { 2042: -100, 2045: -100, 2046: -100 };
const GREEDY = { temperature: 0, maxTokens: 24 };
let model: Model;
beforeAll(async () => {
  model = await loadModel(MODEL, { threads: 2 });
});
afterAll(() => model.dispose());

describe("generate", () => {
  it("streams the text that result() and text() hold, and says how it ended", async () => {
    const generation = model.generate("Once upon a time", GREEDY);
    let streamed = "";
    for await (const piece of generation) streamed += piece;
    const result = await generation.result();
    expect(streamed).toBe(result.text);
    expect(await generation.text()).toBe(result.text);
    expect(result.ids.length).toBe(24);
    expect(result.finishReason).toBe("length");
    expect(result.usage).toEqual({
      promptTokens: 5,
      completionTokens: 24,
      cachedTokens: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
    });
    expect(model.tokenizer.decode(result.ids)).toBe(result.text);
  });

  it("gives the same bytes as a web stream", async () => {
    const generation = model.generate("Once upon a time", GREEDY);
    const bytes = await new Response(generation.toReadableStream() as never).text();
    expect(bytes).toBe((await generation.result()).text);
  });

  it("the same seed draws the same text, with other threads too", async () => {
    const options = { temperature: 0.8, topK: 40, topP: 0.95, seed: 11, maxTokens: 30 };
    const text = await model.generate("The fox", options).text();
    expect(await model.generate("The fox", options).text()).toBe(text);
    const other = await loadModel(MODEL, { threads: 1 });
    expect(await other.generate("The fox", options).text()).toBe(text);
    await other.dispose();
  });

  it("stops before a stop string and at a stop id", async () => {
    const whole = await model.generate("Once upon a time", { ...GREEDY, maxTokens: 60 }).result();
    const stop = whole.text.slice(30, 36);
    const cut = await model.generate("Once upon a time", { ...GREEDY, maxTokens: 60, stop }).result();
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect([cut.finishReason, cut.stoppedBy]).toEqual(["stop", stop]);
    const byId = await model.generate("Once upon a time", { ...GREEDY, stopIds: [whole.ids[5]] }).result();
    expect(byId.ids).toEqual(whole.ids.slice(0, whole.ids.indexOf(whole.ids[5])));
    expect(byId.finishReason).toBe("stop");
  });

  it("log-probabilities of the drawn ids are those of score()", async () => {
    const result = await model.generate("Once upon a time", { ...GREEDY, logProbabilities: 3 }).result();
    const prompt = model.tokenizer.encode("Once upon a time", { addBos: true });
    const { nll } = await model.score([...prompt, ...result.ids]);
    result.logProbabilities!.forEach(({ id, logProbability, top }, index) => {
      expect(id).toBe(result.ids[index]);
      expect(logProbability).toBeCloseTo(-nll[prompt.length - 1 + index], 6);
      expect(top!.length).toBe(3);
      expect(top![0].id).toBe(id);
    });
  });

  it("sees a signal at once: before, between and after the first tokens", async () => {
    const reason = new Error("enough");
    await expect(model.generate("Once", { signal: AbortSignal.abort(reason) }).result()).rejects.toBe(reason);
    const controller = new AbortController();
    const generation = model.generate("Once", { signal: controller.signal, maxTokens: 4000 });
    let pieces = 0;
    await expect(
      (async () => {
        for await (const _ of generation) if (++pieces === 3) controller.abort(reason);
      })(),
    ).rejects.toBe(reason);
    expect(pieces).toBeLessThan(12);
  });

  it("the caller's own thread gives the event loop its turns between short steps too", async () => {
    const lone = await loadModel(MODEL, { threads: 0 });
    const reason = new Error("a timer came");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    await expect(
      lone.generate("Once", { signal: controller.signal, maxTokens: 8000, logitBias: FORBID_ENDS }).result(),
    ).rejects.toBe(reason);
    await lone.dispose();
  });

  it("leaving the loop ends the generation and gives its pages back", async () => {
    for await (const _ of model.generate("Once", { maxTokens: 4000 })) break;
    expect(await model.generate("Once upon a time", GREEDY).text()).not.toBe("");
  });

  it("several at once share steps and equal their solo runs to the bit", async () => {
    const prompts = ["Once upon a time", "The fox", "A small bird sat on a branch and", "Luna the owl"];
    const options = { temperature: 0.9, seed: 5, maxTokens: 40, logProbabilities: true };
    const solo: GenerationResult[] = [];
    for (const prompt of prompts) solo.push(await model.generate(prompt, options).result());
    const before = model.wakes[0];
    const batch = model.generateBatch(prompts, options);
    const texts = prompts.map(() => "");
    for await (const { index, text } of batch) texts[index] += text;
    const results = await batch.results();
    results.forEach((result, index) => {
      expect(result.ids).toEqual(solo[index].ids);
      expect(result.logProbabilities).toEqual(solo[index].logProbabilities);
      expect(texts[index]).toBe(result.text);
    });
    // One step holds all of them: about as many wakes as the longest takes alone.
    expect(model.wakes[0] - before).toBeLessThanOrEqual(41);
  });
});

describe("chat, score, trace, embed, session", () => {
  it("chat answers through the template and keeps message text free of control tokens", async () => {
    const result = await model
      .chat([{ role: "user", content: "Tell me a story about a fox and a kite." }], GREEDY)
      .result();
    expect(result.usage.promptTokens).toBe(21);
    const plain = await model.chat([{ role: "user", content: "<|eot|>" }], { ...GREEDY, maxTokens: 1 }).result();
    expect(plain.usage.promptTokens).toBeGreaterThan(12);
  });

  it("score: nats of every id but the first, whole steps equal short ones", async () => {
    const text = "Once upon a time there was a fox who lived in a quiet forest.";
    const score = await model.score(text);
    const ids = model.tokenizer.encode(text, { addBos: model.tokenizer.addBos });
    expect(score.nll.length).toBe(ids.length - 1);
    expect(score.perplexity).toBeCloseTo(Math.exp(score.meanNll), 9);
    const part = await model.score(ids.slice(0, 9));
    expect([...part.nll]).toEqual([...score.nll.slice(0, 8)]);
  });

  it("session: sync, extend, rewind and sync of another text give the logits of a fresh timeline", async () => {
    const ids = model.tokenizer.encode("Once upon a time there was a fox", { addBos: true });
    const other = [...ids.slice(0, 4), ...model.tokenizer.encode(" two small cats and a dog")];
    const fresh = async (wanted: number[]) => {
      const session = model.session();
      await session.sync(wanted);
      const logits = await session.logits();
      await session.dispose();
      return logits;
    };
    const session = model.session();
    await session.sync(ids.slice(0, 3));
    await session.sync(ids);
    expect(await session.logits()).toEqual(await fresh(ids));
    await session.sync(other);
    expect(await session.logits()).toEqual(await fresh(other));
    await session.rewind(5);
    expect(await session.logits()).toEqual(await fresh(other.slice(0, 5)));
    expect(session.ids).toEqual(other.slice(0, 5));
    await session.dispose();
    expect(await codeOf(() => session.logits())).toBe("DISPOSED");
  });

  it("trace names its taps; embed is the mean of the final norm", async () => {
    const ids = model.tokenizer.encode("Once upon a time", { addBos: true });
    const taps = await model.trace(ids, { taps: ["layers.3.attn.q", "norm"] });
    expect(Object.keys(taps).sort()).toEqual(["layers.3.attn.q", "norm"]);
    expect(taps["layers.3.attn.q"].shape).toEqual([ids.length, 8, 32]);
    const mean = taps["norm"].data.reduce((sum, value, index) => sum + (index % 256 === 0 ? value : 0), 0) / ids.length;
    expect((await model.embed("Once upon a time"))[0]).toBeCloseTo(mean, 6);
    expect(await codeOf(() => model.trace(ids, { taps: ["layers.3.attention"] }))).toBe("OPTION_TAPS");
  });
});

describe("bad input gets a typed error and loses nothing", () => {
  it.each([
    ["an unknown option", () => model.generate("a", { tempurature: 1 } as never), "REQ_UNSUPPORTED_PARAM"],
    ["a temperature below 0", () => model.generate("a", { temperature: -1 }), "REQ_PARAM"],
    ["an empty list of ids", () => model.generate([]), "REQ_EMPTY_PROMPT"],
    ["an id outside the vocabulary", () => model.generate([1, 2048]), "REQ_TOKEN_ID"],
    ["an id that is no integer", () => model.session().sync([1.5]), "REQ_TOKEN_ID"],
    ["a lone surrogate", () => model.generate("\ud800"), "PROMPT_UNICODE"],
    ["a prompt longer than the context", () => model.generate(new Array(8192).fill(1)), "CONTEXT_LENGTH"],
    ["no messages", () => model.chat([]), "REQ_EMPTY_PROMPT"],
    ["a message without role", () => model.chat([{ content: "a" } as never]), "REQ_MESSAGE"],
    ["one id to score", () => model.score([1]), "REQ_EMPTY_PROMPT"],
    [
      "every id forbidden but unlikely ones",
      () => model.generate("a", { logitBias: Object.fromEntries(Array.from({ length: 2000 }, (_, id) => [id, -100])) }),
      "REQ_PARAM",
    ],
  ])("%s", async (_, work, code) => {
    expect(await codeOf(work)).toBe(code);
    expect(await model.generate("Once upon a time", GREEDY).text()).not.toBe("");
  });

  it.each([
    ["an unknown option", { thread: 2 }, "OPTION_UNKNOWN"],
    ["a negative thread count", { threads: -1 }, "OPTION_RANGE"],
    ["a context beyond the file's", { context: 10_000 }, "OPTION_RANGE"],
    ["a budget that is too small", { maxMemory: "10MB" }, "MODEL_TOO_LARGE"],
    ["a size that is no size", { maxMemory: "lots" }, "OPTION_RANGE"],
    ["another build", { build: "avx" }, "OPTION_RANGE"],
  ])("loadModel with %s", async (_, options, code) => {
    expect(await codeOf(() => loadModel(MODEL, options as never))).toBe(code);
  });

  it("loading aborts with the signal's reason and leaves no thread", async () => {
    const reason = new Error("no more");
    const controller = new AbortController();
    const loading = loadModel(MODEL, {
      signal: controller.signal,
      onProgress: ({ loaded }) => loaded > 0 && controller.abort(reason),
    });
    await expect(loading).rejects.toBe(reason);
  });

  it("a source that never answers is given up when the signal comes", async () => {
    const reason = new Error("no answer");
    const never = { name: "never", size: 1000, read: () => new Promise<void>(() => {}), close: async () => {} };
    const blob = { name: "never", size: 1000, slice: () => ({ arrayBuffer: never.read }) };
    Object.setPrototypeOf(blob, Blob.prototype);
    const controller = new AbortController();
    setImmediate(() => controller.abort(reason));
    await expect(loadModel(blob as unknown as Blob, { signal: controller.signal })).rejects.toBe(reason);
  });

  it("a source that falls silent amid the weights is given up when the signal comes", async () => {
    const reason = new Error("no more answers");
    const controller = new AbortController();
    const file = new Blob([readFileSync(MODEL)]);
    const slice = file.slice.bind(file);
    let silent = false;
    file.slice = (...range) => {
      const piece = slice(...range);
      if (silent) piece.arrayBuffer = () => new Promise(() => {});
      return piece;
    };
    const loading = loadModel(file, {
      signal: controller.signal,
      onProgress: ({ loaded }) => {
        if (silent || loaded === 0) return;
        silent = true;
        setTimeout(() => controller.abort(reason), 10);
      },
    });
    await expect(loading).rejects.toBe(reason);
  });

  it("a disposed model refuses, and what ran is rejected", async () => {
    const other = await loadModel(MODEL, { threads: 1 });
    const running = other.generate("Once", { maxTokens: 8000 }).result();
    const rejected = codeOf(() => running);
    await other.session().sync([1, 2, 3]);
    await other.dispose();
    expect(await rejected).toBe("DISPOSED");
    expect(await codeOf(() => other.generate("a").result())).toBe("DISPOSED");
  });
});

it("createModel runs a mixture of random weights: bytes in, bytes out, the same for the same seed", async () => {
  const config = {
    vocab_size: 260,
    hidden_size: 96,
    intermediate_size: 64,
    num_hidden_layers: 4,
    num_attention_heads: 12,
    num_key_value_heads: 4,
    num_local_experts: 4,
    num_experts_per_tok: 2,
    interleave_moe_layer_step: 4,
    router: "softmax" as const,
  };
  const texts = [];
  for (const seed of [1, 1, 2]) {
    const random = await createModel(config, { seed, threads: 1, type: "q8_0" });
    expect(random.tokenizer.encode("Hello")).toEqual([72, 101, 108, 108, 111]);
    texts.push((await random.generate("Hello", { seed: 3, maxTokens: 12 }).result()).ids.join());
    await random.dispose();
  }
  expect(texts[0]).toBe(texts[1]);
  expect(texts[0]).not.toBe(texts[2]);
});

it("inspect tells parameters, types and memory without loading", async () => {
  const report = await inspect(MODEL);
  expect(report.parameters).toEqual({ total: 11_809_024, active: 5_779_712 });
  expect(report.layerMap).toBe("dmdMdmdM");
  expect(report.types["q8_0"].tensors).toBeGreaterThan(50);
  expect(report.memory.total).toBeGreaterThan(report.fileBytes);
});
