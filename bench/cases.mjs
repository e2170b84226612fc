/**
 * Every kernel that does arithmetic, and the ceilings: one entry a row of the ladder.
 *
 *   kernel, shape     what it is called; id is both
 *   exports           what it needs of the module, all of it or the rung is missing
 *   arithmetic        f32 (multiply and add apart), fused (one in the relaxed build), i16, i8: which roof; with `work`
 *   dot               the dot of bytes that it is right with: elsewhere the rung is missing
 *   work, bytes       operations and bytes of one call; `footprint` where bytes are touched more than once, `level` where it is known
 *   prepare(exports, arena) -> { call, outputs: [address, bytes] ... }
 *   loop              the same for plain.mjs and scalar.ts: { name, operands(make), sizes }, the first operand is the result
 */

import { dotOfInstance } from "../dist/src/runtime/dot.js";
import { attention } from "./cases/attention.mjs";
import { rows } from "./cases/rows.mjs";
import { storage } from "./cases/storage.mjs";
import { streams } from "./cases/streams.mjs";
import { tiles } from "./cases/tiles.mjs";
import { ceilings } from "./ceilings.mjs";

export const cases = [...tiles, ...streams, ...attention, ...rows, ...storage].map((entry) => ({
  ...entry,
  id: `${entry.kernel} ${entry.shape}`,
}));

/** Exports that compute nothing one would measure. */
const SIZES = ["memory", "run", "group_bytes", "row_bytes", "packed_at", "stage_span", "clear_state"];
/** Exports that call one of the others, by type. */
const BY_TYPE = ["pack_rows", "decode_row", "encode_row"];

/** Exports of the kernels, the first module of each rung, without a row here. */
export function uncovered(rungs) {
  const covered = new Set([...cases.flatMap((entry) => entry.exports), ...SIZES, ...BY_TYPE]);
  const names = rungs.flatMap((modules) =>
    modules.missing ? [] : WebAssembly.Module.exports(modules[0]).map(({ name }) => name),
  );
  return [...new Set(names)].filter((name) => !covered.has(name));
}

const all = new Map([...ceilings, ...cases].map((entry) => [entry.id, entry]));
if (all.size !== ceilings.length + cases.length) throw new Error("two entries have one name");
export const byId = (id) => all.get(id);

/** Whether a rung can run an entry at all. */
export function fits(entry, rung, exports) {
  // Without relaxed SIMD both kinds of bytes are multiplied one by one, and right everywhere.
  if (entry.dot && rung !== "simd" && exports !== undefined && dotOfInstance(exports) !== entry.dot) return false;
  return (
    exports !== undefined && (entry.rungs?.includes(rung) ?? true) && entry.exports.every((name) => name in exports)
  );
}
