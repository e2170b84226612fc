/**
 * Where threads do not wait: an op that every thread does for itself may still run on a slow one while a fast one is at the ops behind
 * it. So none of those, up to the next barrier, may write what it reads or writes.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import type { Checkpoint } from "../dist/src/checkpoint/checkpoint.js";
import { openCheckpoint } from "../dist/src/checkpoint/open.js";
import { readConfig } from "../dist/src/model/config/config.js";
import { type CreateConfig, randomModelCheckpoint } from "../dist/src/model/config/random.js";
import { mapAdapter } from "../dist/src/model/plan/adapter.js";
import { planModel } from "../dist/src/model/plan/sizes.js";
import { mapWeights } from "../dist/src/model/plan/weights.js";
import { baseModel, ggufAdapter, randomAdapter } from "./adapters.ts";
import { layeredModel } from "./small-models.ts";

const WORDS: Readonly<Record<string, number>> = abi;
const NAMES = new Map(
  Object.entries(WORDS)
    .filter(([name]) => name.startsWith("OP_"))
    .map(([name, code]) => [code, name.slice(3)]),
);
/** Operands that an op writes, by record; every other address is read. What lies in memory of a thread's own is neither. */
const WRITES: Readonly<Record<string, readonly string[]>> = {
  EMBED: ["OUT_AT"],
  ANGLES: ["OUT_AT", "TEMPERATURE_AT"],
  PANEL: ["OUT_AT"],
  MATRIX: ["OUT_AT"],
  ROPE: ["QKV_AT", "CACHE_AT"],
  ATTEND: ["OUT_AT", "PARTIALS_AT"],
  MERGE: ["OUT_AT"],
  ROUTE: ["PICKS_AT", "SCORES_AT", "GATHER_AT", "SEGMENTS_AT"],
  COMBINE: ["OUT_AT"],
  ADD: ["OUT_AT"],
  PROBABILITIES: ["OUT_AT"],
  PEAKS: ["OUT_AT"],
};
const OWN: Readonly<Record<string, readonly string[]>> = {
  PANEL: ["AT", "SCALE_AT", "SUM_AT", "FLOAT_AT"],
  MATRIX: ["PANEL_AT", "SCALE_AT", "SUM_AT"],
};

interface Op {
  readonly name: string;
  readonly place: string;
  readonly forItself: boolean;
  readonly reads: ReadonlySet<string>;
  readonly writes: ReadonlySet<string>;
}

type Plan = ReturnType<typeof planModel>;

function opsOf({ placed }: Plan, which: "forward" | "trace"): Op[] {
  return placed.flatMap(({ layout, programs }) => {
    const { program } = programs[which];
    const words = program.words();
    const tensorAt = (at: number) => layout.plan.tensors.find((one) => one.at <= at && at < one.at + one.bytes)!.name;
    const addresses = (record: string, from: number, wanted: (name: string) => boolean) =>
      Object.keys(WORDS)
        .filter((key) => key.startsWith(`${record}_`) && key.endsWith("AT") && wanted(key.slice(record.length + 1)))
        .map((key) => words[from + WORDS[key]])
        .filter((at) => at !== 0)
        .map(tensorAt);
    return program.places.map(({ word, part }): Op => {
      const name = NAMES.get(words[word] & (abi.FOR_ITSELF - 1))!;
      const records: [string, number][] = [[name, word]];
      for (let one = 0; name === "MATMUL" && one < words[word + abi.MATMUL_MATRICES]; one++)
        records.push(["MATRIX", word + abi.MATMUL_WORDS + one * abi.MATRIX_WORDS]);
      if (name === "PROBABILITIES") records.push(["ATTEND", word]);
      const all = (wanted: (record: string, operand: string) => boolean) =>
        new Set(records.flatMap(([record, from]) => addresses(record, from, (operand) => wanted(record, operand))));
      const writes = all((record, operand) => WRITES[record]?.includes(operand) ?? false);
      const reads = all((record, operand) => ![...(WRITES[record] ?? []), ...(OWN[record] ?? [])].includes(operand));
      return { name, place: `${part} ${name}`, forItself: (words[word] & abi.FOR_ITSELF) !== 0, reads, writes };
    });
  });
}

const options = {
  ...({ context: 256, cache: "f32", threads: 3, maxMemory: undefined, memoryLimit: undefined } as const),
  ...({ wide: false, dot: "saturating" } as const),
};

function planOf(checkpoint: Checkpoint, activations: "q8" | "f32" = "q8", adapters: readonly Checkpoint[] = []): Plan {
  const { config } = readConfig(checkpoint);
  const mapped = adapters.map((one, index) => mapAdapter(one, { name: `${index}`, scale: 1 }, config).adapter);
  const weights = { ...mapWeights(checkpoint, config).weights, adapters: mapped };
  return planModel(config, weights, { ...options, activations });
}

const large = { hidden_size: 64, intermediate_size: 64, num_experts_per_tok: 2 };
const random = (config: CreateConfig, type: "f32" | "q4_0" | "q8_0") => randomModelCheckpoint(config, 1, type);
const PLANS: [string, () => Plan | Promise<Plan>][] = [
  ["two experts of two, softmax", () => planOf(random(layeredModel({ ...large, router: "softmax" }), "q4_0"))],
  [
    "a shared expert, f32 activations",
    () => planOf(random(layeredModel({ ...large, shared_expert: true }), "q8_0"), "f32"),
  ],
  ["f32", () => planOf(random(layeredModel(), "f32"))],
  ["adapters", async () => planOf(baseModel(), "q8", [await openCheckpoint(ggufAdapter(randomAdapter(1)))])],
];

describe.each(PLANS)("%s", (_, plan) => {
  it.each(["forward", "trace"] as const)(
    "nothing in the %s program writes what a slower thread still reads",
    async (which) => {
      const ops = opsOf(await plan(), which);
      expect(ops.some(({ forItself }) => forItself)).toBe(true);
      for (const [index, op] of ops.entries()) {
        for (let next = index; ops[next]?.forItself; ) {
          const { place, writes } = ops[++next];
          const touched = [...writes].filter((name) => op.reads.has(name) || op.writes.has(name));
          expect(touched, `${place} while ${op.place} goes on`).toEqual([]);
        }
      }
    },
  );
});

it("threads' own panels lie apart, with room for few rows of each", () => {
  const [{ layout }] = planOf(random(layeredModel(large), "q4_0")).placed;
  const { normPanels, expertPanels } = layout.activations;
  for (const [panel, entries] of [
    [normPanels.get("q8 quads")!, 1],
    [expertPanels.get("q8 quads")!, 2],
  ] as const) {
    expect(panel.own).toBeGreaterThanOrEqual(abi.FEW_ROWS * entries);
    expect(panel.rows).toBeGreaterThanOrEqual(3 * panel.own);
  }
});
