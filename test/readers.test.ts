import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Feed } from "../dist/src/generate/feed.js";
import { createModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { byteModel } from "./small-models.ts";

/** Several readers of one answer: each hears all of it, and one that leaves ends it for nobody else. */

const OPTIONS = { temperature: 0, maxTokens: 30, logitBias: { 257: -100 } };
let model: Model;
beforeAll(async () => {
  model = await createModel(byteModel(32, { num_hidden_layers: 2, max_position_embeddings: 1024 }), { threads: 1 });
});
afterAll(() => model.dispose());

async function read(pieces: AsyncIterable<string>, most = Number.POSITIVE_INFINITY): Promise<string> {
  let text = "";
  let count = 0;
  for await (const piece of pieces) {
    text += piece;
    if (++count === most) break;
  }
  return text;
}

describe("a generation", () => {
  it("goes on for the second reader where the first leaves", async () => {
    const generation = model.generate("ab", OPTIONS);
    const [first, second] = await Promise.all([read(generation, 2), read(generation)]);
    expect(second).toBe((await generation.result()).text);
    expect(second.startsWith(first) && first.length < second.length).toBe(true);
  });

  it("goes on for whoever awaits its result", async () => {
    const generation = model.generate("ab", OPTIONS);
    const result = generation.result();
    await read(generation, 2);
    expect((await result).ids.length).toBe(30);
  });

  it("goes on for a stream where a loop leaves, and for a loop where a stream is cancelled", async () => {
    const one = model.generate("ab", OPTIONS);
    const text = new Response(one.toReadableStream() as never).text();
    await read(one, 2);
    expect(await text).toBe((await one.result()).text);
    const other = model.generate("ab", OPTIONS);
    const stream = other.toReadableStream().getReader();
    const loop = read(other);
    await stream.read();
    await stream.cancel();
    expect(await loop).toBe(await text);
  });

  it("ends when the last reader has left, a cancelled stream among them", async () => {
    const generation = model.generate("ab", { ...OPTIONS, maxTokens: 900 });
    const stream = generation.toReadableStream().getReader();
    await stream.read();
    await Promise.all([read(generation, 2), read(generation, 3)]);
    await stream.cancel();
    expect(await codeOf(() => generation.result())).toBe("GENERATION_LEFT");
  });

  it("whoever comes later reads it from its beginning, also when it has ended", async () => {
    const generation = model.generate("ab", OPTIONS);
    const text = await read(generation);
    expect(await read(generation)).toBe(text);
    expect(await generation.text()).toBe(text);
  });

  it("that fails tells every reader", async () => {
    const controller = new AbortController();
    const generation = model.generate("ab", { ...OPTIONS, signal: controller.signal });
    const reason = new Error("enough");
    const readers = [read(generation), read(generation), generation.result(), generation.text()];
    controller.abort(reason);
    expect((await Promise.allSettled(readers)).map((one) => one.status === "rejected" && one.reason)).toEqual(
      Array(4).fill(reason),
    );
  });
});

describe("a feed", () => {
  it("tells a reader that waits of its leaving at once, not with the next piece", async () => {
    let changes = 0;
    const feed = new Feed<number>({ keep: 0, onChange: () => changes++ });
    const reader = feed.read();
    const waiting = reader.next();
    await reader.return!();
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect([feed.readers, changes]).toEqual([0, 1]);
    expect(await reader.next()).toEqual({ value: undefined, done: true });
  });

  it("keeps what it was told to, and says when that is not all", async () => {
    const feed = new Feed<number>({ keep: 2, onChange: () => {} });
    const early = feed.read();
    feed.push(1);
    feed.push(2);
    const late = feed.read();
    expect(feed.complete).toBe(true);
    feed.push(3);
    expect([feed.complete, feed.backlog]).toEqual([false, 3]);
    feed.close("done");
    for (const reader of [early, late]) {
      const got: number[] = [];
      for await (const piece of reader) got.push(piece);
      expect(got).toEqual([1, 2, 3]);
    }
  });

  it("gives pieces in order to calls of next that do not wait for each other, and an error once", async () => {
    const feed = new Feed<number>({ keep: 0, onChange: () => {} });
    const reader = feed.read();
    const steps = [reader.next(), reader.next(), reader.next(), reader.next()];
    feed.push(1);
    feed.push(2);
    feed.close({ error: "end" });
    expect(await Promise.allSettled(steps)).toEqual([
      { status: "fulfilled", value: { value: 1, done: false } },
      { status: "fulfilled", value: { value: 2, done: false } },
      { status: "rejected", reason: "end" },
      { status: "fulfilled", value: { value: undefined, done: true } },
    ]);
  });
});
