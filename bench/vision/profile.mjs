/** Where the time of a tower goes: the interpreter writes down what every op took. */

import { PROFILE_BYTES, WORD_PROFILE_AT, WORD_PROFILE_FROM, WORD_PROFILE_WORDS } from "../../dist/assembly/abi.js";

/** Room for the times beside what the tower has planned. */
export function profiled({ layout, forward }) {
  const at = layout.plan.reserve("profile", "bytes", [forward.at.shape[0] * PROFILE_BYTES]);
  return {
    at,
    start(memory) {
      memory.bytes.fill(0, at.at, at.at + at.bytes);
      memory.control[WORD_PROFILE_FROM] = forward.at.at;
      memory.control[WORD_PROFILE_WORDS] = forward.at.shape[0];
      memory.control[WORD_PROFILE_AT] = at.at;
    },
  };
}

/** Milliseconds a tile, by op. */
export function readProfile({ at }, memory, { forward }, tiles) {
  memory.control[WORD_PROFILE_AT] = 0;
  const times = new Float64Array(memory.wasm.buffer, at.at, at.bytes / 8);
  const sums = new Map();
  for (const { word, op, part } of forward.program.places) {
    const name = op === "matmul" ? `matmul ${/attn|mlp|input|output/.exec(part)?.[0]}` : op;
    const sum = sums.get(name) ?? { ms: 0, waitMs: 0 };
    sums.set(name, { ms: sum.ms + times[word * 2], waitMs: sum.waitMs + times[word * 2 + 1] });
  }
  const total = [...sums.values()].reduce((sum, { ms }) => sum + ms, 0);
  const lines = [...sums].sort(([, a], [, b]) => b.ms - a.ms);
  return lines
    .map(([name, { ms, waitMs }]) => {
      const share = ((100 * ms) / total).toFixed(1).padStart(5);
      return `  ${name.padEnd(16)} ${(ms / tiles).toFixed(1).padStart(8)} ms a tile, ${share} %, of it waiting ${(waitMs / tiles).toFixed(1)}`;
    })
    .join("\n");
}
