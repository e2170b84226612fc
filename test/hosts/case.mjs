// One case of the conformance run over the project's own build: case.mjs MODEL THREADS BUILD -> a line of JSON.
import * as engine from "../../dist/src/index.js";
import { conform } from "../../scripts/conformance/case.mjs";

const [model, threads, build] = process.argv.slice(2);
console.log(JSON.stringify(await conform(engine, model, { threads: Number(threads), build })));
