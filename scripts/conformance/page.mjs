// The case in a page: globalThis.run(threads, build) -> the result.
import * as engine from "wasmaverick";
import { conform } from "./case.mjs";

globalThis.run = (threads, build) => conform(engine, new URL("/model.gguf", location.href), { threads, build });
