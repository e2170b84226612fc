#!/usr/bin/env node
// A model whose layers from LAYERS on add nothing, yet take as long as before: node scripts/speculation/silence.mjs MODEL.gguf LAYERS OUT.gguf
// What leaves those layers is made zero. A model of its first LAYERS layers alone thinks alike: a draft that is always right.

import { copyFileSync, openSync, writeSync } from "node:fs";
import { openCheckpoint } from "../../dist/src/checkpoint/open.js";

const [path, layers, out] = process.argv.slice(2);
if (!out) {
  console.error("usage: node scripts/speculation/silence.mjs MODEL.gguf LAYERS OUT.gguf");
  process.exit(2);
}
const checkpoint = await openCheckpoint(path);
copyFileSync(path, out);
const file = openSync(out, "r+");
for (const { name, offset, bytes } of checkpoint.tensors.values()) {
  const [, layer, part] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
  // A block of zeros is zero in q4_0, q8_0 and the float types.
  if (Number(layer) >= Number(layers) && /^(attn_output|ffn_down)/.test(part))
    writeSync(file, Buffer.alloc(bytes), 0, bytes, offset);
}
await checkpoint.close();
