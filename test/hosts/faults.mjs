// One fault in this process: faults.mjs NAME MODEL -> a line of JSON, { code, name } of what was thrown. Nothing here ends the process: it must
// end by itself.
import { readFile } from "node:fs/promises";
import { CONTROL_AT, WORD_SCRATCH_AT } from "../../dist/assembly/abi.js";
import { loadModel } from "../../dist/src/index.js";

const [fault, path] = process.argv.slice(2);
const Memory = WebAssembly.Memory;
const memories = [];
/** Every memory that is made from now on is kept. */
const watchMemories = () => {
  WebAssembly.Memory = function make(descriptor) {
    memories.push(new Memory(descriptor));
    return memories.at(-1);
  };
};

const FAULTS = {
  /** Scratch beyond the memory: the kernels trap, and the worker with them. */
  async "worker dies"() {
    watchMemories();
    const model = await loadModel(path, { threads: 2, context: 256 });
    try {
      new Uint32Array(memories.at(-1).buffer, CONTROL_AT)[WORD_SCRATCH_AT] = 0xffffff00;
      await model.generate("Once upon a time", { maxTokens: 4 }).text();
    } finally {
      await model.dispose();
    }
  },
  /** A memory that is not shared cannot be handed to a worker. */
  async "worker cannot start"() {
    const asking = (8 << 20) / 65_536; // smaller ones serve to ask what the processor does
    WebAssembly.Memory = function keep({ initial, maximum, shared }) {
      return new Memory(initial < asking ? { initial, maximum, shared } : { initial, maximum });
    };
    await loadModel(path, { threads: 2, context: 256 });
  },
  async "no memory"() {
    WebAssembly.Memory = function refuse() {
      throw new RangeError("could not allocate memory");
    };
    await loadModel(path, { threads: 2, context: 256 });
  },
  async "source ends early"() {
    const bytes = await readFile(path);
    await loadModel(new Uint8Array(bytes.subarray(0, Math.floor(bytes.length * 0.8))), { threads: 2, context: 256 });
  },
  /** Known to be whole from its header, and short when it is read. */
  async "source shrinks while it is read"() {
    const bytes = await readFile(path);
    const blob = new Blob([bytes]);
    const slice = blob.slice.bind(blob);
    blob.slice = (start, end) => slice(start, start > bytes.length / 2 ? start + 1 : end);
    await loadModel(blob, { threads: 2, context: 256 });
  },
  async "abort while loading"() {
    const controller = new AbortController();
    const onProgress = ({ loaded }) => {
      if (loaded > 0) controller.abort(Object.assign(new Error("enough"), { code: "the signal's reason" }));
    };
    await loadModel(path, { threads: 2, context: 256, signal: controller.signal, onProgress });
  },
};

const error = await FAULTS[fault]().then(
  () => ({ name: "nothing was thrown" }),
  (error) => error,
);
console.log(JSON.stringify({ code: error.code, name: error.name, message: error.message }));
