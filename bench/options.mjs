// What can be asked of the bench.

import { parseArgs } from "node:util";

export const USAGE = `npm run bench -- [options]

  --quick           a third of the time: numbers are rougher
  --only PATTERN    kernels whose name, shape or group holds PATTERN (a regular expression, case ignored)
  --threads N       threads of the last rung (default: all cores; 1: no such rung)
  --json            JSON lines instead of tables: machine, ceilings, rows
  --html FILE       also a page with roofline, ladders and table
  --help            this`;

export function readOptions(args, cores) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      threads: { type: "string", default: `${Math.min(cores, MOST_THREADS)}` },
      json: { type: "boolean", default: false },
      html: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const threads = Number(values.threads);
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS)
    throw new RangeError(`--threads is a number of 1 to ${MOST_THREADS}, not ${values.threads}`);
  return { ...values, threads, only: values.only === undefined ? undefined : new RegExp(values.only, "i") };
}

/** Each has a share of the matrix that comes from memory, and more of them read no faster. */
const MOST_THREADS = 32;
