import { TILE_ROWS } from "../../assembly/abi.ts";
import { type Choice, STREAMS, STREAMS_APART } from "../choice.ts";
import { EngineError } from "../error.ts";
import type { ByteDot, Candidates, StoredType } from "../weight-types.ts";
import { candidatesOf, type PanelForm } from "./forms.ts";

/** Kernels as the words of a program name them. */

/** What this host does with vectors. */
export interface Vectors {
  /** V8 pairs them into 256 bits. */
  readonly wide: boolean;
  readonly dot: ByteDot;
}

/** What kernels multiply a matrix is a matter of these. */
export interface MatrixKind {
  readonly type: StoredType;
  readonly form: PanelForm;
  /** Float kernels round a multiply-add once where the build can. */
  readonly fused: boolean;
  readonly dot: ByteDot;
  /** Groups of its visits lie apart. */
  readonly apart: boolean;
}

/** A matrix of a program: where its record begins. */
export interface MatrixPlace extends MatrixKind {
  readonly word: number;
}

/** All that may multiply it. */
export function candidatesFor(kind: MatrixKind): Candidates {
  const { type, form } = kind;
  const candidates = candidatesOf(type, form, kind);
  if (!candidates) throw new EngineError("PROGRAM_SHAPE", `${type} weights do not read ${form} activations`);
  return candidates;
}

/** Streams that may read it. */
export const streamsFor = ({ apart }: MatrixKind): readonly Choice["streams"][] => (apart ? STREAMS_APART : STREAMS);

/** Where nothing was measured: tiles for 256-bit pairs where there are such; weights are read as one stream, line after line, or as they lie apart. */
export function defaultChoice(place: MatrixKind, wide: boolean): Choice {
  const { tiles, rows, wide: paired } = candidatesFor(place);
  const tile = (wide ? paired : undefined) ?? Object.keys(tiles)[0];
  return { tile, row: Object.keys(rows)[0] ?? null, streams: place.apart ? 8 : 1, touch: 1 };
}

/** A choice for matrices of a kind, as it is said of others of their type: whether floats are fused is no matter of choice. */
export function choiceAsFor(place: MatrixKind, kind: MatrixKind, choice: Choice): Choice {
  const [theirs, ours] = [candidatesFor(kind), candidatesFor(place)];
  const same = (name: string, from: object, to: object) => Object.keys(to)[Object.keys(from).indexOf(name)];
  const row = choice.row === null ? null : same(choice.row, theirs.rows, ours.rows);
  return { ...choice, tile: same(choice.tile, theirs.tiles, ours.tiles), row };
}

/** The words of a matrix's record that say it. */
export function choiceWords(
  place: MatrixKind,
  { tile, row, streams, touch }: Choice,
): { TILE: number; ROW: number; STREAMS: number; TOUCH: number } {
  const { tiles, rows } = candidatesFor(place);
  return { TILE: tiles[tile], ROW: row === null ? 0 : rows[row], STREAMS: streams, TOUCH: touch };
}

/**
 * Queries that meet a key at once (ATTEND_QUERIES). In 128 bits the sums of a sixth leave the registers: a page of 64 positions and features
 * takes 4.05 us for six and 2 x 1.75 for three and three, a query of five 0.53; wide 1.82 for six (EPYC Zen 4, Node 20 and 26).
 */
export const queriesTogether = (wide: boolean): number => (wide ? TILE_ROWS : 5);
