/** Walks taps in network order against the goldens and names the first tensor that is wrong. */
import type { Tensor } from "./layouts.ts";

/** A tap under test; rows may be fewer than the golden's, since by causality a prompt's prefix has the same first rows. */
export interface Tap {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
export type Taps = ReadonlyMap<string, Tap> | Readonly<Record<string, Tap>>;

export interface Tolerance {
  /** Of hidden states: max|difference| / max|golden| of a tensor. */
  readonly relative: number;
  /** Of logits, absolute. */
  readonly logits: number;
}
/** 1e-4 promised, and 2e-5 for the 16 bits in which the goldens' hidden states are stored. */
export const TOLERANCE: Tolerance = { relative: 1.2e-4, logits: 1e-4 };

export interface Divergence {
  /** Full name of the tap, its layer (null: outside of layers) and what remains of the name (`attn.q`, `ffn_out`). */
  readonly name: string;
  readonly layer: number | null;
  readonly op: string;
  /** First row (position) that is off, and its place in the row; the query's position for attn.probs. -1: no such tensor or shape. */
  readonly row: number;
  readonly column: number;
  /** max|difference| over the tensor, and the same over max|golden|. NaN where a value is not finite. */
  readonly difference: number;
  readonly relative: number;
  readonly message: string;
}

const OPS = [
  "attn_norm",
  "attn.q",
  "attn.k",
  "attn.v",
  "attn.probs",
  "attn_out",
  "ffn_norm",
  "router",
  "ffn_out",
  "out",
];

/** Names of taps in the order in which the forward pass makes them. */
export function networkOrder(names: Iterable<string>): string[] {
  const rank = (name: string): number => {
    const { layer, op } = partsOf(name);
    if (layer !== null) return layer * OPS.length + OPS.indexOf(op);
    return op === "embed" ? -1 : op === "norm" ? 1e9 : 2e9;
  };
  return [...names].sort((a, b) => rank(a) - rank(b));
}

function partsOf(name: string): { layer: number | null; op: string } {
  const match = /^layers\.(\d+)\.(.+)$/.exec(name);
  return match ? { layer: Number(match[1]), op: match[2] } : { layer: null, op: name };
}

/**
 * Walks the golden taps in network order and returns the first that `taps` lacks or has wrong; null if all agree.
 * Taps without a golden are not looked at. To compare fewer taps, pass fewer goldens.
 */
export function firstDivergence(
  taps: Taps,
  golden: ReadonlyMap<string, Tensor>,
  tolerance = TOLERANCE,
): Divergence | null {
  const get = (name: string): Tap | undefined =>
    taps instanceof Map ? taps.get(name) : (taps as Record<string, Tap>)[name];
  for (const name of networkOrder(golden.keys())) {
    const found = divergence(name, get(name), golden.get(name)!, tolerance);
    if (found) return found;
  }
  return null;
}

function divergence(name: string, got: Tap | undefined, golden: Tensor, tolerance: Tolerance): Divergence | null {
  const parts = { name, ...partsOf(name) };
  const nowhere = { row: -1, column: -1, difference: Number.NaN, relative: Number.NaN };
  if (!got) return { ...parts, ...nowhere, message: `${name}: no such tap` };
  const wrong = shapeFault(name, got, golden);
  if (wrong) return { ...parts, ...nowhere, message: `${name}: ${wrong}` };

  let max = 0;
  for (const value of golden.data) max = Math.max(max, Math.abs(value));
  const limit = name === "logits" ? tolerance.logits : tolerance.relative * max;
  let difference = 0;
  let first: { row: number; column: number; value: number; expected: number } | null = null;
  for (const { row, column, at, goldenAt } of places(name, got.shape, golden.shape)) {
    const value = got.data[at];
    const expected = golden.data[goldenAt];
    const off = Math.abs(value - expected);
    if (off > difference || Number.isNaN(off)) difference = off; // a NaN stays: nothing is greater
    if (!(off <= limit) && (first === null || row < first.row)) first = { row, column, value, expected };
  }
  if (first === null) return null;
  const { row, column, value, expected } = first;
  const relative = difference / max;
  const worst = `max|difference| ${difference.toExponential(2)} (${relative.toExponential(2)} of max|golden|)`;
  const message = `${name}: ${worst}, first at row ${row}, column ${column}: got ${value}, expected ${expected}`;
  return { ...parts, row, column, difference, relative, message };
}

const isProbs = (name: string) => name.endsWith("attn.probs");

function shapeFault(name: string, got: Tap, golden: Tensor): string | null {
  const rows = got.shape[isProbs(name) ? 1 : 0];
  const expected = isProbs(name) ? [golden.shape[0], rows, rows] : [rows, ...golden.shape.slice(1)];
  const goldenRows = golden.shape[isProbs(name) ? 1 : 0];
  if (`${got.shape}` !== `${expected}` || rows > goldenRows) return `shape [${got.shape}], golden [${golden.shape}]`;
  const size = expected.reduce((product, n) => product * n, 1);
  return size === got.data.length ? null : `${got.data.length} values for shape [${got.shape}]`;
}

/** Every element of `shape` and its place in the golden, which may have more rows (probs: rows and columns). */
function* places(name: string, shape: readonly number[], golden: readonly number[]) {
  const [heads, rows] = isProbs(name) ? shape : [1, shape[0]];
  const goldenRows = isProbs(name) ? golden[1] : golden[0];
  const width = isProbs(name) ? rows : shape.slice(1).reduce((product, n) => product * n, 1);
  const goldenWidth = isProbs(name) ? goldenRows : width;
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < width; column++)
        yield {
          row,
          column,
          at: (head * rows + row) * width + column,
          goldenAt: (head * goldenRows + row) * goldenWidth + column,
        };
}

/** The first row whose greatest logit is another one than the golden's; null if none. */
export function firstArgmaxDifference(
  logits: Tap,
  golden: Tensor,
): { row: number; got: number; expected: number } | null {
  const [rows, vocab] = logits.shape;
  for (let row = 0; row < rows; row++) {
    const got = argmax(logits.data, row * vocab, vocab);
    const expected = argmax(golden.data, row * vocab, vocab);
    if (got !== expected) return { row, got, expected };
  }
  return null;
}

/** The lowest place on ties. */
function argmax(data: ArrayLike<number>, begin: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (data[begin + i] > data[begin + best]) best = i;
  return best;
}
