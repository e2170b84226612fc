// The case in a page: globalThis.run(threads, build) -> the result.
import { loadModel } from "wasmaverick";
import { conform } from "./case.mjs";

globalThis.run = (threads, build) => conform(loadModel, new URL("/model.gguf", location.href), { threads, build });
