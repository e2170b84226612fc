/**
 * Programs for the interpreter: the product's words, and their run to the end on a lone thread of one build.
 */
import * as abi from "../assembly/abi.ts";
import {
  CONTROL_AT,
  CONTROL_BYTES,
  STATUS_DONE,
  STATUS_YIELD,
  WORD_DEADLINE,
  WORD_FAULT,
  WORD_PC,
} from "../assembly/abi.ts";
import { STREAMS, STREAMS_APART, TOUCHES } from "../src/choice.ts";
import { candidatesOf, type PanelForm } from "../src/runtime/forms.ts";
import { type Operands, type OpName, opWords, recordWords } from "../src/runtime/operands.ts";
import { FORM_BYTES, groupBytes, scaleWords } from "../src/runtime/packed.ts";
import { weightType } from "../src/weight-types.ts";
import type { Arena, Kernels } from "./kernels.ts";
import type { Weight } from "./stored-weights.ts";

/** Operands by the names of abi.ts without their prefix; those that are not named are 0. */
export type Words<Name extends string> = Partial<Operands<Name>>;

/** An op; tiles have up to TILE_ROWS rows. */
export function op<Name extends OpName>(name: Name, operands: Words<Name> = {}): number[] {
  const tiles = name === "PANEL" ? { TILE_ROWS: abi.TILE_ROWS } : {};
  return opWords(name, { ...tiles, ...operands } as Operands<Name>);
}

export function matmul(...matrices: Words<"MATRIX">[]): number[] {
  const records = matrices.flatMap((matrix) =>
    recordWords("MATRIX", { TILE_ROWS: abi.TILE_ROWS, ...matrix } as Operands<"MATRIX">),
  );
  return opWords("MATMUL", { MATRICES: matrices.length }, records);
}

const FORMS = [
  "f32",
  "q16 pairs",
  "q8 quads",
  "q8 pairs",
  "q8 supers",
  "q16 bytes",
] as const satisfies readonly PanelForm[];

/** Every choice for weights of a type and activations of a form: each tile with each row, rows by the tile, and all ways to read weights. */
export function choicesOf(
  { kept: type, type: word, dot }: Pick<Weight, "kept" | "type" | "dot">,
  form: number,
  cols: number,
  fused = false,
): Words<"MATRIX">[] {
  const { tiles, rows } = candidatesOf(type, FORMS[form], { fused, dot: dot ?? "saturating" })!;
  const fixed = {
    ...{ GROUP_BYTES: groupBytes(type, cols), PANEL_BYTES: FORM_BYTES[FORMS[form]] },
    ...{ TYPE: word, STREAMS: 1 },
  };
  const kernels = Object.values(tiles).flatMap((TILE) =>
    [...Object.values(rows), 0].map((ROW) => ({ ...fixed, TILE, ROW })),
  );
  const [first] = kernels;
  const streams = STREAMS.map((STREAMS) => ({ ...first, STREAMS }));
  const apart = weightType(type).apart
    ? kernels.flatMap((one) =>
        STREAMS_APART.map((STREAMS) => ({ ...one, STREAMS, TYPE: word | abi.TYPE_APART, ALONE: STREAMS / 2 })),
      )
    : [];
  return [...kernels, ...streams, ...apart, ...TOUCHES.map((TOUCH) => ({ ...first, TOUCH }))];
}

/** The tap after an ATTEND's words. */
export function probabilities(attend: Words<"ATTEND">, outAt: number, keys: number): number[] {
  const words = [...op("ATTEND", attend), outAt, keys];
  words[0] = abi.OP_PROBABILITIES | (abi.PROBABILITIES_WORDS << 16);
  return words;
}

const floatBits = new Float32Array(1);
const floatWords = new Uint32Array(floatBits.buffer);

export function bits(value: number): number {
  floatBits[0] = value;
  return floatWords[0];
}

export interface Run {
  /** Yields at every claim and goes on. */
  readonly cut?: boolean;
  readonly tiles?: number;
}

/** Runs ops to the end on a lone thread; returns the control block. */
export function runThrough(
  kernels: Kernels,
  arena: Arena,
  ops: readonly (readonly number[])[],
  rows: number,
  { cut = false }: Run = {},
  wanted = STATUS_DONE,
): Int32Array {
  const control = arena.start(ops, rows);
  if (cut) new Float64Array(control.buffer, CONTROL_AT, CONTROL_BYTES / 8)[WORD_DEADLINE / 2] = 1e-9;
  let status: number;
  do status = kernels.run(CONTROL_AT, 0);
  while (status === STATUS_YIELD);
  if (status !== wanted) throw new Error(`the run ended with status ${status}, fault ${control[WORD_FAULT]}`);
  return control;
}

/** What a fault left: code, row, the abort word, and how many bytes into the program. */
export function faultOf(control: Int32Array): Int32Array {
  const { WORD_ABORT, WORD_FAULT_PC, WORD_FAULT_ROW } = abi;
  return Int32Array.of(
    control[WORD_FAULT],
    control[WORD_FAULT_ROW],
    control[WORD_ABORT],
    control[WORD_FAULT_PC] - control[WORD_PC],
  );
}

/** Types of a matrix, in memory and in the file. */
export interface Types {
  readonly type: number;
  readonly source: number;
}

/** A matrix that the program packs: [pack op, address]. */
export function packOp(
  kernels: Kernels,
  arena: Arena,
  { type, source }: Types,
  stored: Uint8Array,
  rows: number,
  cols: number,
): [number[], number] {
  const { at } = arena.out(Math.ceil(rows / abi.GROUP) * kernels.group_bytes(type, cols));
  const from = { SOURCE_AT: arena.in(stored), SOURCE_TYPE: source, OUTPUT_STRIDE: cols, INPUT_STRIDE: 1 };
  return [op("PACK", { ...from, AT: at, TYPE: type, ROWS: rows, COLS: cols, ROW_END: rows, COL_END: cols }), at];
}

/** Several matrices of one shape: their pack ops, and the table of their addresses. */
export function packOps(
  kernels: Kernels,
  arena: Arena,
  types: Types,
  matrices: readonly { readonly bytes: Uint8Array }[],
  rows: number,
  cols: number,
) {
  const packs = matrices.map(({ bytes }) => packOp(kernels, arena, types, bytes, rows, cols));
  return { ops: packs.map(([ops]) => ops), table: arena.in(Uint32Array.from(packs, ([, at]) => at)) };
}

/** Room for a panel of entries x cols: its words in PANEL, its words in MATMUL. */
export function panelRoom(
  arena: Arena,
  form: number,
  entries: number,
  cols: number,
): [Words<"PANEL">, Words<"MATRIX">] {
  const values = arena.out(entries * cols * FORM_BYTES[FORMS[form]]).at;
  const words = scaleWords(FORMS[form], cols);
  const [scales, sums] = words === 0 ? [0, 0] : [0, 1].map(() => arena.out(entries * words * 4).at);
  const places = { SCALE_AT: scales, SUM_AT: sums };
  return [
    { ...places, FORM: form, AT: values },
    { ...places, PANEL_AT: values },
  ];
}
