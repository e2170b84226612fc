import type { Arena } from "./arena.mjs";

export const cases: readonly {
  readonly id: string;
  readonly exports: readonly string[];
  /** Where it can be run; absent: in all. */
  readonly rungs?: readonly string[];
  prepare(exports: Record<string, (...operands: number[]) => unknown>, arena: Arena): { call(): void };
}[];
