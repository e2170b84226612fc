import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { type BenchCommand, parseCommand } from "../src/cli/arguments.ts";
import { planBench } from "../src/cli/bench.ts";
import { boundOf, workOf } from "../src/cli/bench-work.ts";
import { type Inspection, inspect, type ModelInfo } from "../src/index.ts";
import { end, start as startCommand } from "./command-line.ts";
import { MODEL } from "./runtimes.ts";

const start = (...args: string[]) => startCommand(["bench", ...args]);
const bench = (...args: string[]) => end(start(...args));

const SHORT = ["--prompt", "16", "--generate", "4", "--context", "0,20", "--batch", "1,2", "--runs", "1"];

/** Every number in it, by its place. */
function numbersIn(value: unknown, place = ""): [string, number][] {
  if (typeof value === "number") return [[place, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => numbersIn(inner, `${place}.${key}`));
}

describe("bench", () => {
  test("--json is one object; every number in it is finite, every speed positive", async () => {
    const { code, stdout, stderr } = await bench(MODEL, "--json", "--threads", "1,2", ...SHORT);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { model, host, measures } = JSON.parse(stdout);
    expect(model).toMatchObject({ name: "storyteller-q8_0.gguf", parameters: { active: 5779712 }, context: 8192 });
    expect(host.node).toBe(process.versions.node);
    expect(measures.map(({ threads }: { threads: number }) => threads)).toEqual([1, 2]);
    for (const { threads, prompt, generate, attention, batch, reading, profiles } of measures) {
      expect(prompt.tokens).toBe(16);
      expect(generate.map(({ context }: { context: number }) => context)).toEqual([0, 20]);
      expect(batch.map(({ sequences }: { sequences: number }) => sequences)).toEqual([1, 2]);
      expect(reading).toHaveLength(2);
      expect(profiles).toHaveLength(threads === 2 ? 3 : 0);
      if (threads === 2) expect(attention).toMatchObject({ context: 20, by: expect.any(String) });
      else expect(attention).toBeNull();
      const numbers = numbersIn({ prompt, batch, reading, generate });
      expect(numbers.filter(([place, number]) => !(number > 0) && !place.endsWith(".context"))).toEqual([]);
    }
    expect(numbersIn(measures).filter(([, number]) => !(Number.isFinite(number) && number >= 0))).toEqual([]);
  });

  test("text has a line for every measure and tables of where the time goes, in 80 columns", async () => {
    const { code, stdout } = await bench("--threads", "2", "--layers", ...SHORT);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^2 threads, (simd|relaxed) build$/m);
    expect(stdout).toMatch(/^ {2}prompt of 16 +[\d.]+ \([\d.]+\) +[\d.]+ GOP\/s, [\d.]+ a thread$/m);
    expect(stdout).toMatch(/^ {2}generate 4 behind 20 +[\d.]+ \([\d.]+\) +[\d.]+ GB\/s, \d+ % of plain reading$/m);
    expect(stdout).toMatch(/^ {2}reaches with 2 threads \(\d+ %\): bound by (memory|instructions)/m);
    expect(stdout).toMatch(/^ {2}inside its matmuls [\d.]+ GB\/s \(\d+ %\); the first thread waits \d+ %/m);
    expect(stdout).toMatch(/^ {2}inside its attention behind 20 [\d.]+ GB\/s \(\d+ %\) of the cache$/m);
    expect(stdout).toMatch(/^ {2}2 x 4 together +[\d.]+ \([\d.]+\)$/m);
    expect(stdout).toMatch(/^ {2}feed-forward {2}matmul( +[\d.]+ +[\d.]+ +\d+){3}$/m);
    expect(stdout).toMatch(/^ {2}layer 7 M /m);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("256 bits are wished for; --narrow, --build and --no-profile are honoured", async () => {
    const tiny = ["--json", "--threads", "0", ...SHORT, "--no-profile"];
    const [wide, narrow] = await Promise.all([bench(...tiny), bench(...tiny, "--narrow", "--build", "simd")]);
    expect(JSON.parse(wide.stdout).measures[0].wide.reason).not.toBe("not asked for");
    expect(JSON.parse(narrow.stdout).measures[0]).toMatchObject({
      build: { name: "simd", reason: "asked for" },
      wide: { on: false, reason: "not asked for" },
      profiles: [],
    });
  });

  test("SIGINT in the middle ends with 130; --json then prints nothing", async () => {
    const [text, json] = [start("--threads", "2", "--runs", "500"), start("--threads", "2", "--runs", "500", "--json")];
    const ended = [end(text), end(json)];
    await once(text.stdout!, "data");
    text.kill("SIGINT");
    // The other says nothing: it has begun when a short bench is done.
    await bench("--threads", "0", ...SHORT);
    json.kill("SIGINT");
    expect(await ended[0]).toMatchObject({ code: 130, stderr: "" });
    const { code, stdout, stderr } = await ended[1];
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: "", stderr: "" });
  });
});

describe("refusals", () => {
  /** [arguments, the line on stderr, exit code] */
  const REFUSED: [args: string[], line: string, code: number][] = [
    [["--thread", "1"], "unknown option, got --thread, did you mean --threads?", 2],
    [["--chat"], "--chat is no option of wasmaverick bench, expected one of wasmaverick bench --help", 2],
    [["--runs", "0"], "--runs has a bad value, got 0, expected an integer from 1 to 1000", 2],
    [["--batch", "4,65"], "--batch has a bad value, got 65, expected an integer from 1 to 64", 2],
    [["--threads", "1,,2"], '--threads has a bad value, got "", expected a number', 2],
    [["--threads", "1,99"], "--threads has a bad value, got 99, expected an integer from 0 to 64", 2],
    [["--prompt", "text"], '--prompt has a bad value, got "text", expected a number', 2],
    [
      ["--context", "0,8190"],
      "CONTEXT_LENGTH: a context of 8190 and 64 tokens to generate do not fit, got 8254, expected at most 8192, the context of the model [option]",
      1,
    ],
  ];

  test("a wrong command line, or more than the model's context, is one line and an exit code", async () => {
    const ended = await Promise.all(REFUSED.map(([args]) => bench(...args)));
    expect(ended).toEqual(REFUSED.map(([, line, code]) => ({ code, stdout: "", stderr: `wasmaverick: ${line}\n` })));
  });

  test("defaults are cut to the model's context, and what is left out is said", () => {
    const plan = planBench(parseCommand(["bench"]) as BenchCommand, 500);
    expect(plan).toMatchObject({ prompt: 500, contexts: [0], context: 500 });
    expect(plan.leftOut).toEqual(["a context of 512", "a context of 2048", "a prompt of more than 500 tokens"]);
  });
});

describe("work of a token", () => {
  const memoryOf = ({ memory }: Inspection) => ({ weights: memory.weights }) as ModelInfo["memory"];

  test("multiply-adds are the active parameters of the file, without the norms, and attention", async () => {
    const inspection = await inspect(MODEL);
    const { config, parameters } = inspection;
    const { hidden, heads, headSize, layers } = config;
    const work = workOf(config, memoryOf(inspection), inspection.memory.cachePer1024.f32);
    const norms = hidden * (1 + 2 * layers.length);
    expect(work.multiplyAdds(1)).toBe(parameters.active - norms + 2 * heads * headSize * layers.length);
  });

  test("bytes are the packed weights in the proportion of what is active, and the cache so far", async () => {
    const inspection = await inspect(MODEL);
    const { parameters, memory } = inspection;
    const { f32 } = memory.cachePer1024;
    const work = workOf(inspection.config, memoryOf(inspection), f32);
    expect(work.weightBytes / memory.weights).toBeCloseTo(parameters.active / parameters.total, 3);
    expect(work.cacheBytes(100)).toBeCloseTo((f32.full * 100 + f32.chunked * (100 % inspection.config.chunk)) / 1024);
  });

  test("from 70 % of plain reading on it is memory that bounds", () => {
    expect(boundOf(1e9, 7, 10e9)).toMatchObject({ bytesPerSecond: 7e9, share: 0.7, by: "memory" });
    expect(boundOf(1e9, 6.9, 10e9).by).toBe("instructions");
    expect(boundOf(1e9, 6.9, null)).toMatchObject({ share: null, by: null });
  });
});
