// One matrix product in onnxruntime-web: session.run, with x going in and y coming out, as its users call it.
// onnxruntime.mjs --type f32|q4_0 --size N --threads N

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-web";
import { matmul4Model, matmulModel } from "../onnx-model.mjs";
import { quietConsole, serve } from "./json-lines.mjs";

quietConsole();
const { values } = parseArgs({
  options: { type: { type: "string" }, size: { type: "string" }, threads: { type: "string" } },
});
const size = Number(values.size);

await serve(async () => {
  ort.env.wasm.numThreads = Number(values.threads);
  const write = { f32: matmulModel, q4_0: matmul4Model }[values.type];

  async function run({ rows, times }) {
    const session = await ort.InferenceSession.create(write(rows, size, size));
    const x = new ort.Tensor(
      "float32",
      Float32Array.from({ length: rows * size }, (_, index) => Math.cos(index)),
      [rows, size],
    );
    const ms = [];
    for (let turn = -1; turn < times; turn++) {
      const begun = performance.now();
      await session.run({ x });
      if (turn >= 0) ms.push(performance.now() - begun); // the first one warms up
    }
    await session.release();
    return { ms };
  }

  const { version } = JSON.parse(
    readFileSync(new URL("../node_modules/onnxruntime-web/package.json", import.meta.url), "utf8"),
  );
  return { about: { version, build: `wasm, Node ${process.versions.node}` }, run };
});
