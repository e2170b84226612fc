// Greedy text of node-llama-cpp, for files that `quantize` wrote: node bench/peers/greedy.mjs FILE PROMPT TOKENS
import { getLlama, LlamaCompletion, LlamaLogLevel } from "node-llama-cpp";

const [file, prompt, tokens] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: 512, threads: 2 });
const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
console.log(JSON.stringify(await completion.generateCompletion(prompt, { maxTokens: Number(tokens), temperature: 0 })));
await llama.dispose();
