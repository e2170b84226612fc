/** A tower of the released models' size as a checkpoint whose weights are the same few random bytes over and over. */

import { encode } from "../../dist/src/checkpoint/encode.js";
import { bytesOf } from "../../dist/src/weight-types.js";

const SIDE = 24;
/** Llama 4's: 336 pixels in patches of 14. */
export const CONFIG = {
  ...{ tileSize: 336, patchSize: 14, side: SIDE, tokens: SIDE * SIDE + 1, rows: (SIDE * SIDE) / 4 },
  ...{ hidden: 1408, heads: 16, headSize: 88, width: 5632, layers: 34, adapterWidth: 4096 },
  ...{ eps: 1e-5, ropeTheta: 10000, patchId: 0 },
};
/** What the tower needs to know of its text model. */
export const TEXT = { hidden: 5120 };

/** Whole blocks of every type. */
const PIECE = 2 ** 17 + 4096;

export function towerCheckpoint(config, type) {
  const { hidden, width, adapterWidth, tokens, patchSize, layers } = config;
  const half = type === "f32" ? "f32" : "bf16";
  const tensors = new Map();
  const add = (name, stored, ...shape) => {
    const bytes = bytesOf(
      stored,
      shape.reduce((product, size) => product * size, 1),
    );
    tensors.set(name, { name, type: stored, shape, source: repeated(name, stored, bytes), offset: 0, bytes });
  };
  const norm = (name) => {
    add(`${name}.weight`, "f32", hidden);
    add(`${name}.bias`, "f32", hidden);
  };
  // Rows of 588 are no whole blocks.
  add("v.patch_embd.weight", half, hidden, 3 * patchSize * patchSize);
  add("v.class_embd", "f32", hidden);
  add("v.position_embd.weight", "f32", tokens, hidden);
  norm("v.pre_ln");
  norm("v.post_ln");
  for (let layer = 0; layer < layers; layer++) {
    const block = `v.blk.${layer}`;
    for (const name of ["ln1", "ln2"]) norm(`${block}.${name}`);
    const biased = (name, rows, cols) => {
      add(`${block}.${name}.weight`, type, rows, cols);
      add(`${block}.${name}.bias`, "f32", rows);
    };
    for (const name of ["attn_q", "attn_k", "attn_v", "attn_out"]) biased(name, hidden, hidden);
    biased("ffn_up", width, hidden);
    biased("ffn_down", hidden, width);
  }
  add("mm.model.mlp.1.weight", type, adapterWidth, 4 * hidden);
  add("mm.model.mlp.2.weight", type, adapterWidth, adapterWidth);
  add("mm.model.fc.weight", type, TEXT.hidden, adapterWidth);
  const nothing = { chatTemplate: undefined, warnings: [], close: async () => {} };
  return { format: "random", name: "tower", tensors, metadata: new Map(), json: new Map(), ...nothing };
}

const pieces = new Map();

function pieceOf(type) {
  const known = pieces.get(type);
  if (known) return known;
  let state = 1;
  const values = Float32Array.from({ length: PIECE }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 0.06;
  });
  const piece = new Uint8Array(bytesOf(type, PIECE));
  encode(type, values, piece);
  pieces.set(type, piece);
  return piece;
}

function repeated(name, type, size) {
  const piece = pieceOf(type);
  return {
    name,
    size,
    async read(offset, into) {
      for (let done = 0; done < into.length; ) {
        const from = (offset + done) % piece.length;
        const some = piece.subarray(from, Math.min(piece.length, from + into.length - done));
        into.set(some, done);
        done += some.length;
      }
    },
    close: async () => {},
  };
}
