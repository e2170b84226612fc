import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { it } from "vitest";
import { CASES, firstDivergence, firstArgmaxDifference, goldenCase } from "./golden.ts";
import { PLANTS, reference } from "./reference.ts";
it("x", () => {
  for (const name of CASES) {
    let t = performance.now();
    const g = goldenCase(name);
    const open = performance.now() - t; t = performance.now();
    const taps = reference(g.config, g.weights, g.inputIds);
    const run = performance.now() - t; t = performance.now();
    const d = firstDivergence(taps, g.taps);
    const cmp = performance.now() - t;
    const tight = [1e-5,2e-5,3e-5,5e-5,1e-4].find(r => !firstDivergence(taps, g.taps, {relative: r, logits: 1e-4}));
    const lg = g.taps.get("logits")!; let m=0; for (let i=0;i<lg.data.length;i++) m=Math.max(m,Math.abs(lg.data[i]-taps.get("logits")!.data[i]));
    console.log(name, g.taps.size, open|0, run|0, cmp|0, d?.message, firstArgmaxDifference(taps.get("logits")!, lg), "passes at", tight, "logit diff", m);
    if (name !== "text-b-bf16") console.log(name, createHash("sha256").update(readFileSync(g.ggufPath())).digest("hex")===g.sha256["model-f32.gguf"]);
  }
  const dirs: Record<string,string> = {"": goldenCase("text-a-scout").hfPath(), linearised: goldenCase("text-a-scout").linearisedPath(), sharded: goldenCase("text-a-scout").shardedPath(), split: dirname(goldenCase("text-a-scout").splitPath())};
  const sh = {"": "text-a-scout", linearised:"text-a-linearised", sharded: "text-a-sharded", split: "text-a-split"};
  for (const [k, d] of Object.entries(dirs)) for (const f of readdirSync(d)) console.log(k, f, readFileSync(join(d,f)).equals(readFileSync(join("/work/shared/golden", sh[k as ""], f))));
  for (const name of CASES) { const d = goldenCase(name).hfPath(); for (const f of readdirSync(d)) console.log(name, f, readFileSync(join(d,f)).equals(readFileSync(join("/work/shared/golden", name, f)))); }
});
it("plants", () => {
  for (const plant of PLANTS) for (const name of CASES) {
    const g = goldenCase(name);
    const rows = Math.min(g.inputIds.length, name === "text-e-8192" ? 40 : 2 * (g.config.attention_chunk_size ?? 16) + 3);
    const taps = reference(g.config, g.weights, g.inputIds.slice(0, rows), plant);
    const d = firstDivergence(taps, g.taps, {relative: 1.2e-3, logits: 1e-3});
    const lg = g.taps.get("logits")!; let m=0; for (let i=0;i<rows*512;i++) m=Math.max(m,Math.abs(lg.data[i]-taps.get("logits")!.data[i]));
    console.log(plant.padEnd(36), name.padEnd(16), "logits", m.toFixed(5).padStart(9), "first", d?.name, "row", d?.row, d?.relative.toExponential(1));
  }
});
