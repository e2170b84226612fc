import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  CASES,
  type CaseName,
  firstArgmaxDifference,
  firstDivergence,
  type GoldenCase,
  goldenCase,
  type Taps,
  TOLERANCE,
} from "./golden.ts";
import { PLANTS, type Plant, reference } from "./reference.ts";

const A = "text-a-scout";
const B = "text-b-maverick";
const C = "text-c-top2";
const D = "text-d-guard";
const E = "text-e-8192";
const F = "text-f-edges";

describe("the reference agrees with transformers", () => {
  it.each(CASES)("%s: every tap within 1e-4 of its maximum, logits within 1e-4, the same greatest logit", (name) => {
    const { config, weights, inputIds, taps: golden } = goldenCase(name);
    const taps = reference(config, weights, inputIds);
    expect(firstDivergence(taps, golden)?.message ?? null).toBeNull();
    expect(firstArgmaxDifference(taps.get("logits")!, golden.get("logits")!)).toBeNull();
  });

  it("every case but the bfloat16 one holds taps of every kind for its layers", () => {
    expect(goldenCase("text-b-bf16").taps.size).toBe(1);
    expect(goldenCase(A).taps.size).toBe(8 * 10 + 3);
    expect(goldenCase(B).taps.size).toBe(4 * 10 + 4 * 9 + 3);
    expect(goldenCase(D).taps.size).toBe(8 * 9 + 3);
    expect(goldenCase(E).taps.size).toBe(8 + 9 + 9 + 5 + 3); // layers 0, 1, 3 without probs; `out` of the others
  });
});

/** Where a mistake must show: the cases, the operation of the first wrong tap, the first wrong row. */
interface Mark {
  readonly cases: readonly CaseName[];
  readonly op: string;
  readonly row: (golden: GoldenCase) => number;
}
const at = (row: number) => () => row;
const chunk = ({ config }: GoldenCase) => config.attention_chunk_size!;
const floor = ({ config }: GoldenCase) => config.floor_scale;

const MARKS: Record<Plant, Mark> = {
  "score on expert output": { cases: [A, B, C, E], op: "ffn_out", row: at(0) },
  "scores renormalised": { cases: [A, B, C, E], op: "ffn_out", row: at(0) },
  "softmax instead of sigmoid": { cases: [A, B, C, E], op: "ffn_out", row: at(0) },
  "shared expert scaled too": { cases: [A, B, C, E], op: "ffn_out", row: at(0) },
  "gate and up swapped": { cases: [A, B, C, D, E, F], op: "ffn_out", row: at(0) },
  "no chunk mask": { cases: [A, B, C, F], op: "attn.probs", row: chunk },
  "sliding window instead of chunks": { cases: [A, B, C, F], op: "attn.probs", row: chunk },
  "chunk grid shifted by one": { cases: [A, B, C, F], op: "attn.probs", row: (golden) => chunk(golden) - 1 },
  "no temperature": { cases: [A, B, C], op: "attn.q", row: (golden) => floor(golden) - 1 },
  "temperature off by one": { cases: [A, B, C], op: "attn.q", row: (golden) => floor(golden) - 1 },
  "temperature on all layers": { cases: [A, B, C, D, F], op: "attn.q", row: (golden) => floor(golden) - 1 },
  "rope on NoPE layers": { cases: [A, B, C, E], op: "attn.q", row: at(1) },
  "q/k norm on NoPE layers": { cases: [A, C, E, F], op: "attn.q", row: at(0) },
  "no q/k norm": { cases: [A, C, D, E, F], op: "attn.q", row: at(0) },
  "q/k norm against the config": { cases: [B], op: "attn.q", row: at(0) },
  "q/k norm over all heads together": { cases: [A, C, D, E, F], op: "attn.q", row: at(0) },
  "half-split rope without permuting": { cases: [A, B, C, D, E, F], op: "attn.q", row: at(1) },
  "no rope scaling": { cases: [A, C, D, F], op: "attn.q", row: at(1) },
  "kv heads tiled instead of repeated": { cases: [A, B, C, D, F], op: "attn.probs", row: at(1) },
  "eps 1e-6 instead of 1e-5": { cases: [F], op: "attn_norm", row: at(0) },
};
const TEN_TIMES = { relative: 10 * TOLERANCE.relative, logits: 10 * TOLERANCE.logits };

/** Two chunks and a bit: by causality these rows are the golden of the shorter prompt. */
function planted(golden: GoldenCase, plant: Plant | null) {
  const { config, weights, inputIds } = golden;
  const rows = 2 * Math.min(config.attention_chunk_size ?? 16, 16) + 3;
  return reference(config, weights, inputIds.slice(0, rows), plant);
}

describe("the goldens catch every known mistake, ten times beyond the tolerance", () => {
  const runs = PLANTS.flatMap((plant) => MARKS[plant].cases.map((name) => ({ plant, name, op: MARKS[plant].op })));

  it.each(runs)("$plant: $name diverges first in $op", ({ plant, name, op }) => {
    const golden = goldenCase(name);
    const taps = planted(golden, plant);
    const first = firstDivergence(taps, golden.taps, TEN_TIMES);
    expect(first).toMatchObject({ op, row: MARKS[plant].row(golden) });
    expect(first!.layer).toBe(firstLayerWith(plant, golden));
    const logits = new Map([["logits", golden.taps.get("logits")!]]);
    expect(firstDivergence(taps, logits, TEN_TIMES)).toMatchObject({ name: "logits" });
  });

  it.each(CASES)("%s: the same few rows without a mistake agree", (name) => {
    const golden = goldenCase(name);
    expect(firstDivergence(planted(golden, null), golden.taps)?.message ?? null).toBeNull();
  });
});

/** The first layer on which the mistake can matter. */
function firstLayerWith(plant: Plant, { config }: GoldenCase): number {
  if (/score|softmax|shared/.test(plant)) return config.moe_layers[0];
  const nope = /NoPE|^no temperature|off by one/.test(plant);
  return nope ? config.no_rope_layers.indexOf(0) : 0;
}

describe("firstDivergence", () => {
  const golden = goldenCase(D).taps;
  const copy = () => new Map([...golden].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  const largest = (name: string) => golden.get(name)!.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);

  it("finds nothing in the golden itself, given as a map or as an object", () => {
    expect(firstDivergence(copy(), golden)).toBeNull();
    expect(firstDivergence(Object.fromEntries(copy()), golden)).toBeNull();
  });

  it("names the first tensor in network order, with layer, row, column and size", () => {
    const taps = copy();
    taps.get("layers.4.ffn_norm")!.data[0] += 1;
    taps.get("layers.4.attn.k")!.data[24 * 7 + 5] += 0.5;
    taps.get("layers.4.attn.k")!.data[24 * 9] -= 0.75;
    const first = firstDivergence(taps, golden)!;
    expect(first).toMatchObject({ name: "layers.4.attn.k", layer: 4, op: "attn.k", row: 7, column: 5 });
    expect(first.difference).toBeCloseTo(0.75, 5);
    expect(first.relative).toBeCloseTo(0.75 / largest("layers.4.attn.k"), 5);
    expect(first.message).toContain("layers.4.attn.k");
  });

  it.each([
    ["layers.2.out", TOLERANCE.relative * largest("layers.2.out")],
    ["layers.2.attn.probs", TOLERANCE.relative * largest("layers.2.attn.probs")],
    ["logits", TOLERANCE.logits],
  ])("%s: passes just below the tolerance and fails just above it", (name, limit) => {
    for (const [factor, expected] of [
      [0.98, undefined],
      [1.02, name],
    ] as const) {
      const taps = copy();
      taps.get(name)!.data[11] += factor * limit;
      expect(firstDivergence(taps, golden)?.name).toBe(expected);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("counts %d as wrong", (value) => {
    const taps = copy();
    taps.get("norm")!.data[64 * 3] = value;
    taps.get("norm")!.data[64 * 4] += 9;
    const first = firstDivergence(taps, golden)!;
    expect(first).toMatchObject({ name: "norm", row: 3, column: 0 });
    expect(first.difference).toBe(value);
  });

  it("counts a missing tap, another shape and too few values as wrong", () => {
    const replaced = (tap: { shape: number[]; data: Float32Array } | null): Taps => {
      const taps: Map<string, { shape: readonly number[]; data: Float32Array }> = copy();
      taps.delete("layers.1.attn.v");
      return tap === null ? taps : taps.set("layers.1.attn.v", tap);
    };
    for (const tap of [
      null,
      { shape: [40, 24], data: new Float32Array(960) },
      { shape: [41, 2, 12], data: new Float32Array(984) },
      { shape: [40, 2, 12], data: new Float32Array(24) },
    ])
      expect(firstDivergence(replaced(tap), golden)).toMatchObject({ name: "layers.1.attn.v", row: -1 });
  });

  it("compares as many rows as the taps have", () => {
    const taps = planted(goldenCase(D), null);
    expect(taps.get("layers.0.attn.probs")!.shape).toEqual([8, 35, 35]);
    taps.get("layers.0.attn.probs")!.data[(3 * 35 + 34) * 35 + 2] += 0.1;
    expect(firstDivergence(taps, golden)).toMatchObject({ name: "layers.0.attn.probs", row: 34, column: 2 });
  });
});

describe("model files made from the one stored copy of the weights have the bytes of the originals", () => {
  const fileHash = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
  const made = (folder: string, prefix = "") =>
    readdirSync(folder)
      .filter((file) => file.startsWith("model"))
      .map((file) => [prefix + basename(file), fileHash(join(folder, file))]);

  it.each(CASES)("%s: GGUF and fused safetensors", (name) => {
    const golden = goldenCase(name);
    const hashes = Object.fromEntries(made(golden.hfPath()));
    if (name !== "text-b-bf16") hashes["model-f32.gguf"] = fileHash(golden.ggufPath());
    const originals = Object.entries(golden.sha256).filter(([path]) => !path.includes("/"));
    expect(hashes).toEqual(Object.fromEntries(originals));
  });

  it("text-a: one matrix per expert, sharded safetensors, split GGUF", () => {
    const golden = goldenCase(A);
    const hashes = Object.fromEntries([
      ...made(golden.linearisedPath(), "linearised/"),
      ...made(golden.shardedPath(), "sharded/"),
      ...made(dirname(golden.splitPath()), "split/"),
    ]);
    const originals = Object.entries(golden.sha256).filter(([path]) => path.includes("/"));
    expect(originals).toHaveLength(1 + 6 + 4);
    expect(hashes).toEqual(Object.fromEntries(originals));
  });
});
