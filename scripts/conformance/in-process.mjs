// One case in this process (Node, Deno, Bun): in-process.mjs MODEL THREADS BUILD WIDE -> one line of JSON.
import * as engine from "wasmaverick";
import { conform } from "./case.mjs";

const [model, threads, build, wide] = process.argv.slice(2);
console.log(JSON.stringify(await conform(engine, model, { threads: Number(threads), build, wide: wide === "true" })));
