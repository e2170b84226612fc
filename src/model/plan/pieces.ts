import { GROUP } from "../../../assembly/abi.ts";
import { bytesOf, WEIGHT_TYPES } from "../../weight-types.ts";
import type { Matrix } from "./weights.ts";

/** How a stored matrix is cut into what is read and packed at a time. */

export interface Piece {
  /** Bytes of the stored tensor. */
  readonly offset: number;
  readonly bytes: number;
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly colBegin: number;
  readonly colEnd: number;
}

/**
 * Row-major matrices are cut into rows (whole groups of 8, and whole heads where their halves are to be joined), input-major ones (fused experts) into inputs (whole blocks of the type
 * they are kept in).
 */
export function* pieces(matrix: Matrix, most: number): Generator<Piece> {
  const { rows, cols, stored, start, outputStride, inputStride } = matrix;
  const byteOf = (element: number) => bytesOf(stored.type, element);
  if (inputStride === 1) {
    const unit = wholeRows(matrix);
    const step = Math.max(unit, Math.floor(most / byteOf(outputStride) / unit) * unit);
    for (let row = 0; row < rows; row += step) {
      const rowEnd = Math.min(rows, row + step);
      yield {
        offset: byteOf(start + row * outputStride),
        bytes: byteOf((rowEnd - row) * outputStride),
        rowBegin: row,
        rowEnd,
        colBegin: 0,
        colEnd: cols,
      };
    }
    return;
  }
  const block = WEIGHT_TYPES[matrix.type].elements;
  const step = Math.max(block, Math.floor(most / byteOf(inputStride) / block) * block);
  for (let col = 0; col < cols; col += step) {
    const colEnd = Math.min(cols, col + step);
    yield {
      offset: byteOf(start + col * inputStride),
      bytes: byteOf((colEnd - col - 1) * inputStride + rows),
      rowBegin: 0,
      rowEnd: rows,
      colBegin: col,
      colEnd,
    };
  }
}

/** Bytes of a matrix in its file. */
export function storedBytes({ rows, cols, stored }: Matrix): number {
  return bytesOf(stored.type, rows * cols);
}

/** Bytes of the smallest piece that can be packed by itself. */
export function leastPieceBytes(matrix: Matrix): number {
  const { stored, type, outputStride, inputStride } = matrix;
  const least = inputStride === 1 ? wholeRows(matrix) * outputStride : WEIGHT_TYPES[type].elements * inputStride;
  return bytesOf(stored.type, least);
}

/** Rows that must be packed together: the least common multiple of a group and a head. */
export function wholeRows({ halvedHead }: Matrix): number {
  let rows = halvedHead || GROUP;
  while (rows % GROUP !== 0) rows *= 2; // a head is even, a group 8: at most twice
  return rows;
}

/** Each head's rows, stored as [first of every pair, second of every pair], in place: pair after pair. */
export function joinHalves(bytes: Uint8Array, rowBytes: number, headSize: number): void {
  const half = headSize / 2;
  const head = new Uint8Array(rowBytes * headSize);
  for (let at = 0; at < bytes.length; at += head.length) {
    head.set(bytes.subarray(at, at + head.length));
    for (let row = 0; row < headSize; row++) {
      const place = row < half ? 2 * row : 2 * (row - half) + 1;
      bytes.set(head.subarray(row * rowBytes, (row + 1) * rowBytes), at + place * rowBytes);
    }
  }
}
