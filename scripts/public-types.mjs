/**
 * The types of the package as one file, dist/wasmaverick.d.ts, and those of its server, dist/server.d.ts; with --report docs/api.d.ts too, the same without comments, which the
 * repository keeps so that a changed signature is seen.
 */
import { writeFileSync } from "node:fs";
import { publicTypes, REPORT, reportOf, SERVER_TYPES, serverTypes, TYPES } from "./api/public-types.mjs";

const { text, unexported } = publicTypes();
const server = serverTypes();
writeFileSync(TYPES, text);
writeFileSync(SERVER_TYPES, server.text);
if (process.argv.includes("--report")) writeFileSync(REPORT, reportOf(text));
for (const name of server.unexported) console.warn(`not exported by src/server/create-server.ts: ${name}`);
for (const name of unexported) console.warn(`not exported by src/index.ts: ${name}`);
