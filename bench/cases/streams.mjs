// One row against a matrix that comes from memory: what decoding does.

import { noise } from "../arena.mjs";
import { alongStream } from "../ceilings.mjs";
import { activations, arithmeticOf, CALLS, dotOf, exportsOf, sumBytes } from "./tiles.mjs";
import { COLS, GROUP_BYTES, matmulLoop, tableFor, weightsFrom } from "./weights.mjs";

const CALL_BYTES = 8 << 20;
/** Every kernel of one row; of the float ones those that fuse. */
const KERNELS = Object.keys(CALLS).filter((kernel) => /^gemv4.*_fused$|^gemv[48]_i?q/.test(kernel));

function stream(kernel) {
  const [type, width, run] = CALLS[kernel];
  const steps = Math.floor(CALL_BYTES / (GROUP_BYTES[type] * width));
  const outputs = steps * width * 8;
  const bytes = steps * width * GROUP_BYTES[type];
  return {
    kernel,
    shape: `1 row, weights from memory`,
    group: `${type} from memory`,
    exports: exportsOf(kernel),
    arithmetic: arithmeticOf(kernel),
    dot: dotOf(kernel),
    level: "memory read",
    work: 2 * outputs * COLS,
    bytes,
    loop: {
      ...matmulLoop(type, 1, outputs),
      /** Weights move on along the stream with every call. */
      operands(arena) {
        const x = noise(COLS);
        const out = new Float32Array(outputs);
        const { at, bytes: length } = arena.stream;
        return Array.from({ length: Math.floor(length / bytes) }, (_, step) => {
          let from = at + step * bytes;
          const pick = (Type, count) => {
            const values = arena.view(Type, from, count);
            from += values.byteLength;
            return values;
          };
          return [out, ...weightsFrom(pick, type, outputs * COLS), x, ...tableFor(type)];
        });
      },
    },
    prepare(exports, arena) {
      const operands = activations(kernel, 1, arena);
      const each = sumBytes(kernel);
      const sums = arena.zeros(each * steps);
      const step = GROUP_BYTES[type] * width;
      const call = alongStream(arena, bytes, (from) => {
        for (let i = 0; i < steps; i++) run(exports[kernel], 1, sums + i * each, from + i * step, operands, exports);
      });
      return { call, outputs: [[sums, each * steps]] };
    },
  };
}

export const streams = KERNELS.map(stream);
