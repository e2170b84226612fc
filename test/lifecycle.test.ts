/** Calls at the wrong time: after the end, at once, or ended in the middle, in whichever phase. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createModel, loadModel, type Model, openLogits, quantize } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";

const SIZES = { vocab_size: 260, hidden_size: 32, intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2 };
const CONFIG = { ...SIZES, moe_layers: [], max_position_embeddings: 256 };
const GREEDY = { temperature: 0, maxTokens: 8 };
const TEXT = "a text of more than one window".repeat(4);

/** Rejections that nobody heard: a process would end of them. */
const unheard: unknown[] = [];
const hear = (error: unknown) => unheard.push(error);
beforeAll(() => void process.on("unhandledRejection", hear));
afterAll(() => void process.off("unhandledRejection", hear));
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  expect(unheard).toEqual([]);
});

async function logitsOf(model: Model, folder: string): Promise<string> {
  const path = join(folder, "logits");
  const pieces: Uint8Array[] = [];
  await model.perplexity("abcdefgh", { saveLogits: (bytes) => pieces.push(bytes.slice()) });
  writeFileSync(path, Buffer.concat(pieces));
  return path;
}

describe.each([0, 2])("with %i threads", (threads) => {
  let model: Model;
  let folder: string;
  beforeEach(async () => {
    model = await createModel(CONFIG, { threads });
    folder = mkdtempSync(join(tmpdir(), "lifecycle-"));
  });
  afterEach(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true });
  });

  it("every door of a disposed model says DISPOSED, also where the call is wrong otherwise or nothing would be computed", async () => {
    const other = await createModel(CONFIG, { threads });
    const stored = await openLogits(await logitsOf(model, folder));
    const session = model.session();
    await session.sync([1, 2, 3]);
    await model.dispose();
    const doors: (() => unknown)[] = [
      () => model.generate("a").result(),
      () => model.generate("a").text(),
      () => model.generateBatch(["a", "b"]).results(),
      () => model.session(),
      () => model.score("abc"),
      () => model.perplexity("abc"),
      () => model.divergence("abc", other),
      () => model.divergence("abcdefgh", stored),
      () => other.divergence("abc", model),
      () => model.trace([1]),
      () => model.embed("a"),
      () => model.profile(async () => {}),
      () => session.sync([1, 2, 3]),
      () => session.sync([-1]),
      () => session.logits(),
      () => session.rewind(1),
      () => session.rewind(99),
    ];
    for (const door of doors) expect(await codeOf(door), String(door)).toBe("DISPOSED");
    // What is no work of the model is still there.
    expect(model.tokenizer.encode("a")).toEqual([97]);
    expect(session.ids).toEqual([1, 2, 3]);
    await session.dispose();
    await model.dispose();
    expect((await other.score("abc")).nll.length).toBe(2);
    await stored.close();
    await other.dispose();
  });

  it("dispose ends whatever runs, twice at once is once, and nothing is left unheard", async () => {
    const session = model.session();
    const generation = model.generate("ab");
    const pieces = model.generate("abc")[Symbol.asyncIterator]();
    await pieces.next();
    const running = [
      generation.result(),
      (async () => {
        while (!(await pieces.next()).done);
      })(),
      model.generateBatch(["a", "b"]).results(),
      model.score(TEXT),
      model.perplexity(TEXT, { window: 32 }),
      model.trace([1, 2, 3]),
      model.embed(TEXT),
      session.sync([1, 2, 3]),
      session.logits(),
    ].map((promise) => codeOf(() => promise));
    model.generate("nobody listens");
    void model.generate("nobody hears").toReadableStream();
    await Promise.all([model.dispose(), model.dispose(), session.dispose(), session.dispose()]);
    // Done before, or ended by it.
    for (const code of await Promise.all(running)) expect([undefined, "DISPOSED"]).toContain(code);
  });

  it("a disposed session and closed logits say so, and only they", async () => {
    const session = model.session();
    await session.sync([1, 2]);
    const late = session.sync([1, 2, 3]);
    await Promise.all([session.dispose(), session.dispose()]);
    await late;
    for (const door of [() => session.sync([]), () => session.logits(), () => session.rewind(0)])
      expect(await codeOf(door)).toBe("DISPOSED");
    const stored = await openLogits(await logitsOf(model, folder));
    expect((await model.divergence("abcdefgh", stored)).kl.mean).toBeLessThan(1e-6);
    await Promise.all([stored.close(), stored.close()]);
    expect(await codeOf(() => model.divergence("abcdefgh", stored))).toBe("DISPOSED");
    expect((await model.score("abc")).nll.length).toBe(2);
  });

  it("two callers of one session wait for each other, and none sees half of the other's", async () => {
    const session = model.session();
    const wanted = [[1, 2, 3, 4], [1, 2, 9], [5], [1, 2, 3, 4]];
    const heard = wanted.map((ids) => [session.sync(ids), session.logits()] as const);
    for (const [index, [done, logits]] of heard.entries()) {
      await done;
      const alone = model.session();
      await alone.sync(wanted[index]);
      expect(await logits).toEqual(await alone.logits());
      await alone.dispose();
    }
    expect(session.ids).toEqual(wanted[3]);
    await session.dispose();
  });

  it("a generation ends in every way a reader can leave, and the next one is whole", async () => {
    const whole = await model.generate("ab", GREEDY).result();
    const reason = new Error("thrown in");
    // Not every iterator can be thrown at.
    const leave: ((pieces: AsyncIterator<string>) => Promise<unknown> | undefined)[] = [
      (pieces) => pieces.return?.(undefined),
      (pieces) => (pieces.throw?.(reason) ?? pieces.return?.())?.catch((error) => expect(error).toBe(reason)),
    ];
    for (const go of leave) {
      for (const read of [0, 1, 2]) {
        const pieces = model.generate("ab", GREEDY)[Symbol.asyncIterator]() as AsyncIterator<string>;
        for (let count = 0; count < read; count++) await pieces.next();
        await go(pieces);
        await go(pieces);
        expect((await pieces.next()).done).toBe(true);
      }
    }
    for (const read of [0, 1]) {
      const reader = model.generate("ab", GREEDY).toReadableStream().getReader();
      for (let count = 0; count < read; count++) await reader.read();
      await Promise.all([reader.cancel("enough"), reader.cancel("enough")]);
      expect((await reader.read()).done).toBe(true);
    }
    const left = model.generate("ab", GREEDY);
    left.cancel();
    left.cancel();
    expect(await codeOf(() => left.result())).toBe("GENERATION_LEFT");
    const ended = model.generate("ab", GREEDY);
    expect((await ended.result()).ids).toEqual(whole.ids);
    ended.cancel();
    expect((await ended.result()).ids).toEqual(whole.ids);
    // Answers asked for at once come one after the other.
    const pieces = model.generate("ab", GREEDY)[Symbol.asyncIterator]();
    const steps = await Promise.all(Array.from({ length: whole.ids.length + 2 }, () => pieces.next()));
    expect(steps.map(({ value }) => value ?? "").join("")).toBe(whole.text);
  });

  it("a signal ends each call with its own reason, before, at once and in the middle; the model goes on", async () => {
    const before = await model.generate("ab", GREEDY).result();
    const session = model.session();
    const calls: [string, (signal: AbortSignal) => Promise<unknown>][] = [
      ["generate", (signal) => model.generate("ab", { signal }).result()],
      ["stream", async (signal) => new Response(model.generate(TEXT, { signal }).toReadableStream() as never).text()],
      ["batch", (signal) => model.generateBatch(["a", "b"], { signal }).results()],
      ["score", (signal) => model.score(TEXT, { signal })],
      ["perplexity", (signal) => model.perplexity(TEXT, { window: 32, signal })],
      ["divergence", (signal) => model.divergence(TEXT, model, { window: 32, signal })],
      ["trace", (signal) => model.trace([1, 2, 3], { signal })],
      ["embed", (signal) => model.embed(TEXT, { signal })],
      ["sync", (signal) => session.sync(model.tokenizer.encode(TEXT), { signal })],
      ["createModel", async (signal) => await (await createModel(CONFIG, { threads, signal })).dispose()],
      ["loadModel", async (signal) => await (await loadModel(MODEL, { threads, signal })).dispose()],
      ["quantize", (signal) => quantize(MODEL, join(folder, "q4"), { type: "q4_0", threads, signal })],
    ];
    for (const [name, call] of calls) {
      for (const turns of [-1, 0, 1, 3, 10]) {
        const controller = new AbortController();
        const reason = { name, turns };
        if (turns < 0) controller.abort(reason);
        const ending = call(controller.signal).then(
          () => "done",
          (error) => error,
        );
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        controller.abort(reason);
        const end = await ending;
        // What was done before the signal came is done.
        if (end !== "done" || turns <= 0) expect(end, `${name} after ${turns} turns`).toBe(reason);
        await session.sync([]);
        rmSync(join(folder, "q4"), { force: true });
      }
    }
    expect(readdirSync(folder), "files of a quantize that was ended").toEqual([]);
    expect((await model.generate("ab", GREEDY).result()).ids).toEqual(before.ids);
    await session.dispose();
  });
});
