import type { NamedProfile } from "./bench.ts";
import { formatColumns } from "./format.ts";
import { stylesOf } from "./terminal.ts";

/** Where the time goes: ops folded over the layers, or over the ops of a layer. Three profiles stand beside each other in 80 columns. */

const MOST_PROFILES = 3;

/** `layerMap`: one letter a layer, for a second table of a line a layer; null: without it. */
export function profileText(all: readonly NamedProfile[], layerMap: string | null): string {
  // Of the contexts the shortest and the longest.
  const profiles = all.length > MOST_PROFILES ? [...all.slice(0, MOST_PROFILES - 1), all[all.length - 1]] : all;
  const { bold } = stylesOf(process.stdout);
  const names = profiles.map(({ name }) => name).join("; ");
  const head = `\n${bold("where the time goes")}  ${names}\n${EXPLAINED}\n`;
  const tables = [table(profiles, ({ op, part }) => `${kindOf(part).padEnd(KIND_COLUMNS)}${op}`)];
  if (layerMap !== null) tables.push(table(profiles, ({ part }) => layerOf(part, layerMap)));
  return head + tables.join("\n");
}

const EXPLAINED = `  us a token, % of the time, and % of that which the first thread waited for
  the others: small ops have work for one thread alone; where large ones wait,
  another process took a core`;

type OpTime = NamedProfile["ops"][number];

interface Share {
  ms: number;
  waitMs: number;
}

/** A row for every label, in the order of the program. */
function table(profiles: readonly NamedProfile[], labelOf: (op: OpTime) => string): string {
  const folded = profiles.map(({ ops }) => fold(ops, labelOf));
  const labels = [...new Set(folded.flatMap((shares) => [...shares.keys()]))];
  const cells = ({ ms, waitMs }: Share, { tokens, ms: all }: NamedProfile) => {
    const waits = ms > 0 ? Math.round((100 * waitMs) / ms) : 0;
    return [short((1000 * ms) / tokens), short((100 * ms) / all, 99.95), String(waits)];
  };
  const row = (label: string, shareOf: (index: number) => Share) => [
    label,
    ...profiles.flatMap((profile, index) => cells(shareOf(index), profile)),
  ];
  const none = { ms: 0, waitMs: 0 };
  const rows = labels.map((label) => row(label, (index) => folded[index].get(label) ?? none));
  const outside = (index: number) => profiles[index].ms - sum(folded[index]);
  rows.push(row("outside the program", (index) => ({ ms: Math.max(0, outside(index)), waitMs: 0 })));
  rows.push(row("all", (index) => ({ ms: profiles[index].ms, waitMs: waits(folded[index]) })));
  const units = ["", ...profiles.flatMap(() => ["us", "%", "wait"])];
  return formatColumns([units, ...rows], `l${"rrr".repeat(profiles.length)}`, "  ");
}

function short(number: number, whole = 999.5): string {
  return number.toFixed(number < whole ? 1 : 0);
}

/** Of the time of all ops, what the first thread waited; milliseconds a token in matmuls and in attention. */
export function condense({ ops, tokens }: NamedProfile): { waiting: number; matmulMs: number; attentionMs: number } {
  const all = fold(ops, () => "");
  const named = fold(ops, ({ op }) => op);
  const ms = (...names: readonly string[]) => names.reduce((sum, name) => sum + (named.get(name)?.ms ?? 0), 0) / tokens;
  return { waiting: waits(all) / sum(all), matmulMs: ms("matmul"), attentionMs: ms("attend", "merge") };
}

function fold(ops: readonly OpTime[], labelOf: (op: OpTime) => string): Map<string, Share> {
  const shares = new Map<string, Share>();
  for (const op of ops) {
    const label = labelOf(op);
    const share = shares.get(label) ?? { ms: 0, waitMs: 0 };
    share.ms += op.ms;
    share.waitMs += op.waitMs;
    shares.set(label, share);
  }
  return shares;
}

function sum(shares: ReadonlyMap<string, Share>): number {
  return [...shares.values()].reduce((total, { ms }) => total + ms, 0);
}

function waits(shares: ReadonlyMap<string, Share>): number {
  return [...shares.values()].reduce((total, { waitMs }) => total + waitMs, 0);
}

const KIND_COLUMNS = 14;

/** `layers.3.attn` -> attention; input and output are named so. */
function kindOf(part: string): string {
  if (part.endsWith(".attn")) return "attention";
  return part.endsWith(".ffn") ? "feed-forward" : part;
}

function layerOf(part: string, layerMap: string): string {
  const layer = /^layers\.(\d+)\./.exec(part)?.[1];
  return layer === undefined ? part : `layer ${layer} ${layerMap[Number(layer)]}`;
}
