import { SEGMENT_WORDS } from "../../../assembly/abi.ts";
import type { Met } from "../../runtime/forms.ts";
import type { MemoryPlan, Tensor } from "../../runtime/memory.ts";
import {
  type Packed,
  type Panel,
  type PanelSizes,
  packedBytes,
  reservePacked,
  reservePanel,
} from "../../runtime/packed.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Adapter, AdapterPair } from "./adapter.ts";
import type { LayerRange } from "./placement.ts";
import type { Matrix, ModelWeights } from "./weights.ts";

/**
 * Where adapters lie in a memory. Those that change one matrix form a table that segments index, as experts do; as all of a table are of
 * one shape, the narrower ones have zeros behind their rank, which add nothing: sums begin at +0.
 */

/** Segments over the rows of a step whose sequences chose one of `members`; the weight is its place among them. */
export interface AdapterRows {
  readonly members: readonly number[];
  readonly segments: Tensor;
}

/** One matrix of the model, and what is added to it. */
export interface Adapted {
  readonly rows: AdapterRows;
  /** Of all matrices that share their input with this one. */
  readonly inputRows: AdapterRows;
  readonly a: readonly Packed[]; // [rank, inputs]
  readonly b: readonly Packed[]; // [outputs, rank]
}

export interface AdapterLayout {
  /** By the name of the matrix. */
  readonly adapted: ReadonlyMap<string, Adapted>;
  readonly rows: readonly AdapterRows[];
  /** `adapter`: place among the model's. */
  readonly matrices: readonly { readonly matrix: Matrix; readonly to: Packed; readonly adapter: number }[];
  readonly tablesOf: ReadonlyMap<Packed, Tensor>;
  /** Rows of f32 for A; A x of up to three matrices, and their panels for B. null: there are no adapters. */
  readonly panel: Panel | null;
  readonly inner: readonly { readonly rows: Tensor; readonly panel: Panel }[];
}

/** Matrices of a layer that read the same rows. */
const SITES: readonly (readonly string[])[] = [["q", "k", "v"], ["o"], ["dense.gate", "dense.up"], ["dense.down"]];
const MOST_AT_A_SITE = 3;

export function adapterMatrices({ adapters }: ModelWeights): Matrix[] {
  return adapters.flatMap(({ pairs }) => [...pairs.values()].flatMap(({ a, b }) => [a, b]));
}

/** x += branch, where the branch has a part that is added by itself, needs the branch in memory. */
export function needsBranch({ adapters }: ModelWeights): boolean {
  return adapters.some(({ pairs }) => [...pairs.keys()].some((name) => /\.(?:o|dense\.down)$/.test(name)));
}

export function reserveAdapters(
  plan: MemoryPlan,
  config: ModelConfig,
  { adapters }: ModelWeights,
  sizes: PanelSizes & Met & { readonly rows: number; readonly sequences: number },
  range: LayerRange,
): AdapterLayout {
  const rows = new Map<string, AdapterRows>();
  const adapted = new Map<string, Adapted>();
  const matrices: { matrix: Matrix; to: Packed; adapter: number }[] = [];
  const tablesOf = new Map<Packed, Tensor>();
  const rowsOf = (members: readonly number[]): AdapterRows => {
    const key = members.join();
    const found = rows.get(key);
    if (found) return found;
    const segments = plan.reserve(`rows of adapters ${key}`, "u32", [1 + sizes.sequences * SEGMENT_WORDS]);
    rows.set(key, { members, segments });
    return { members, segments };
  };
  const table = (
    members: readonly number[],
    list: readonly Matrix[],
    width: (matrix: Matrix) => [rows: number, cols: number],
  ): Packed[] => {
    const all = list.map((matrix, index) => {
      const to = reservePacked(plan, matrix, ...width(matrix), sizes);
      matrices.push({ matrix, to, adapter: members[index] });
      return to;
    });
    tablesOf.set(all[0], plan.reserve(`${all[0].name} table`, "u32", [all.length]));
    return all;
  };
  for (let layer = range.from; layer < range.to; layer++) {
    for (const site of SITES) {
      const names = site.map((part) => `layers.${layer}.${part}`);
      const every = membersOf(adapters, names);
      for (const name of names) {
        const members = membersOf(adapters, [name]);
        if (members.length === 0) continue;
        const pairs = members.map((member) => adapters[member].pairs.get(name)!);
        const rank = largestRank(pairs);
        const a = table(
          members,
          pairs.map((pair) => pair.a),
          ({ cols }) => [rank, cols],
        );
        const b = table(
          members,
          pairs.map((pair) => pair.b),
          (matrix) => [matrix.rows, rank],
        );
        adapted.set(name, { rows: rowsOf(members), inputRows: rowsOf(every), a, b });
      }
    }
  }
  return { adapted, rows: [...rows.values()], matrices, tablesOf, ...reserveSteps(plan, config, adapters, sizes) };
}

/** Of every memory alike: which layers it has is chosen by what it needs beside them. */
function reserveSteps(
  plan: MemoryPlan,
  config: ModelConfig,
  adapters: readonly Adapter[],
  { rows, tileRows, threads, apart }: PanelSizes & { readonly rows: number },
): Pick<AdapterLayout, "panel" | "inner"> {
  if (adapters.length === 0) return { panel: null, inner: [] };
  const width = Math.max(config.hidden, config.heads * config.headSize, config.denseWidth);
  const rank = largestRank(adapters.flatMap(({ pairs }) => [...pairs.values()]));
  return {
    panel: reservePanel(plan, "adapter panel", "f32", { tileRows, threads, apart }, rows, width),
    inner: Array.from({ length: MOST_AT_A_SITE }, (_, index) => ({
      rows: plan.reserve(`adapter rows ${index}`, "f32", [rows, rank]),
      panel: reservePanel(plan, `adapter rows ${index} panel`, "f32", { tileRows, threads, apart }, rows, rank),
    })),
  };
}

/** Words of the ops beside a layer's own, three programs and a profile, and its tables: generously, for the choice of memories alone. */
const OPS_BYTES = 16384;

export function adapterBytes({ adapters }: ModelWeights, layer: number): number {
  let bytes = 0;
  for (const name of SITES.flat().map((part) => `layers.${layer}.${part}`)) {
    const pairs = adapters.flatMap(({ pairs }) => pairs.get(name) ?? []);
    if (pairs.length === 0) continue;
    const rank = largestRank(pairs);
    for (const { a, b } of pairs) bytes += packedBytes("f32", rank, a.cols) + packedBytes("f32", b.rows, rank) + 256;
  }
  return bytes === 0 ? 0 : bytes + OPS_BYTES;
}

function membersOf(adapters: readonly Adapter[], names: readonly string[]): number[] {
  return [...adapters.keys()].filter((index) => names.some((name) => adapters[index].pairs.has(name)));
}

function largestRank(pairs: readonly AdapterPair[]): number {
  return pairs.reduce((largest, { rank }) => Math.max(largest, rank), 0);
}
