/** What the page says of a model and of a failure. */

/** @param {import("../../dist/src/index.js").ModelInfo} info */
export function describeModel({ name, threads, build, memory }) {
  const workers = threads.used === 1 ? "1 worker thread" : `${threads.used || "No"} worker threads`;
  return `${workers}: ${threads.reason}. ${name}, ${build.name} build (${build.reason}), ${(memory.total / 1e6).toFixed(0)} MB.`;
}

/** Errors of the engine begin with their code; the browser's own have a name. */
export function describeFailure(error) {
  if (typeof error?.code === "string" && error.message.startsWith(error.code)) return error.message;
  if (error instanceof TypeError && /dynamically imported module|importing a module|module script/i.test(error.message))
    return `ENGINE_MISSING: the engine cannot be loaded; run "npm run build" and look whether dist/ is served, then reload (${error.message})`;
  return `${error?.name ?? "Error"}: ${error?.message ?? error}`;
}
