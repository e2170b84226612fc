/**
 * The types of the package as one file, dist/wasmaverick.d.ts; with --report docs/api.d.ts too, the same without comments, which the
 * repository keeps so that a changed signature is seen.
 */
import { writeFileSync } from "node:fs";
import { publicTypes, REPORT, reportOf, TYPES } from "./api/public-types.mjs";

const { text, unexported } = publicTypes();
writeFileSync(TYPES, text);
if (process.argv.includes("--report")) writeFileSync(REPORT, reportOf(text));
for (const name of unexported) console.warn(`not exported by src/index.ts: ${name}`);
