import { EngineError, loadModel } from "wasmaverick";

/** What node and every bundle must answer alike: 16 greedy tokens on the caller's thread and on two workers. */
export async function answers(source) {
  const found = [];
  for (const threads of [0, 2]) {
    const model = await loadModel(source, { threads });
    const text = await model.generate("Once upon a time there was an owl", { maxTokens: 16, temperature: 0 }).text();
    found.push({ threads: model.info.threads.used, host: model.info.host, build: model.info.build.name, text });
    await model.dispose();
  }
  return found;
}

/** The code of the error where there is no model; an error of another class is a failure of the engine. */
export async function codeOfMissing(source) {
  try {
    await loadModel(source, { threads: 0 });
  } catch (error) {
    return error instanceof EngineError ? error.code : `no EngineError: ${error}`;
  }
  return "no error";
}
