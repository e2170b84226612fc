import { expect, it } from "vitest";
import { createModel } from "../dist/src/index.js";
import { idsOf } from "./resident.ts";

/** Whatever a session held before, the logits after `sync(ids)` are those of a fresh timeline, to the bit. */

const SEED = Number(process.env.SEED ?? 20261125);

function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

// Chunks smaller and larger than a page of 64 positions, and across its border.
it.each([
  [1, "f32"],
  [3, "q8"],
  [16, "f32"],
  [64, "f32"],
  [70, "q8"],
  [100, "f32"],
] as const)(`chunk %i, %s cache: random syncs and rewinds, seed ${SEED}`, async (chunk, cache) => {
  const pick = random(SEED + chunk);
  const model = await createModel(
    {
      vocab_size: 260,
      hidden_size: 32,
      intermediate_size: 32,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 16,
      num_local_experts: 2,
      num_experts_per_tok: 1,
      attention_chunk_size: chunk,
      floor_scale: 16,
    },
    { threads: 1, context: 512, cache, type: "q8_0" },
  );
  const session = model.session();
  let held: number[] = [];
  for (let turn = 0; turn < 40; turn++) {
    const keep = pick(held.length + 1);
    const added = pick(pick(2) ? 8 : 250) + (keep === 0 ? 1 : 0);
    const ids = [...held.slice(0, keep), ...idsOf(added, 256, turn + 1)].slice(0, 400);
    if (pick(3) === 0) await session.rewind(pick(held.length + 1));
    await session.sync(ids);
    const fresh = model.session();
    await fresh.sync(ids);
    expect(await session.logits(), `turn ${turn}: ${held.length} -> ${keep} + ${ids.length - keep}`).toEqual(
      await fresh.logits(),
    );
    await fresh.dispose();
    held = ids;
  }
  await model.dispose();
});
