/** What a format costs a decode step of a model: answers with and without it, interleaved, tokens a second. */

import { loadModel } from "../../dist/src/index.js";

const TOKENS = 96;
const ROUNDS = 7;
const FORMATS = {
  "array of integers": {
    type: "json_schema",
    schema: { type: "array", items: { type: "integer" }, minItems: 500 },
  },
  "a long string": { type: "json_schema", schema: { type: "string", minLength: 2000 } },
  "a pattern": { type: "regex", pattern: "[a-z ]{2000,}" },
};

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

export async function stepCost(path, threads, wide) {
  const model = await loadModel(path, { threads, wide, context: 1024, prefixCache: false });
  const speed = async (responseFormat) => {
    const options = {
      maxTokens: TOKENS,
      temperature: 0,
      ignoreEos: true,
      ...(responseFormat ? { responseFormat } : {}),
    };
    const { timings, ids } = await model.generate("Once", options).result();
    if (ids.length !== TOKENS) throw new Error(`${ids.length} ids came, not ${TOKENS}`);
    return timings.tokensPerSecond;
  };
  try {
    for (const [name, format] of Object.entries(FORMATS)) {
      const [free, bound] = [[], []];
      await speed(format); // compiles it, and sees its states
      for (let round = 0; round < ROUNDS; round++) {
        free.push(await speed());
        bound.push(await speed(format));
      }
      const [a, b] = [median(free), median(bound)];
      const share = ((a / b - 1) * 100).toFixed(1);
      const best = ((Math.max(...free) / Math.max(...bound) - 1) * 100).toFixed(1);
      console.log(
        `${name}: ${b.toFixed(0)} tokens/s, without ${a.toFixed(0)}: ${share} % of a step (of the best ${best} %)`,
      );
    }
  } finally {
    await model.dispose();
  }
}
