import { describeFailure, describeModel } from "./describe.js";
import { view } from "./view.js";

/** Loads the model at the first start, streams a story, stops when told. */

const asked = new URLSearchParams(location.search);
/** Another model: `?model=https://...`; relative addresses count from this page. */
const address = new URL(asked.get("model") ?? "../../models/storyteller-q8_0.gguf", location.href);

let model;
/** Of what runs now; Stop aborts it. */
let running;

view.onStart(async (request) => {
  if (running) return;
  running = new AbortController();
  const { signal } = running;
  try {
    model ??= await load(signal);
    await tell(model, request, signal);
    view.state("done");
  } catch (error) {
    // A stop is no failure: it rejects with the reason of the signal.
    if (signal.aborted && error === signal.reason) view.state("stopped");
    else view.fail(describeFailure(error));
    // Threads that died do not come back: the next start loads anew.
    if (error?.code?.startsWith?.("WORKER_")) await drop();
  } finally {
    running = undefined;
  }
});

view.onStop(() => running?.abort());

async function drop() {
  const dead = model;
  model = undefined;
  await dead?.dispose();
}

async function load(signal) {
  view.state("loading");
  view.progress(0, 0);
  // Imported here and not above, so that a folder that was not built is a message and not a dead page.
  const { loadModel } = await import("wasmaverick");
  const options = { signal, onProgress: ({ loaded, total }) => view.progress(loaded, total) };
  if (asked.has("threads")) options.threads = Number(asked.get("threads"));
  const loaded = await loadModel(address, options);
  view.describe(describeModel(loaded.info));
  return loaded;
}

async function tell(model, { prompt, temperature, maxTokens }, signal) {
  view.state("writing");
  view.begin(prompt);
  const generation = model.generate(prompt, { temperature, maxTokens, signal });
  let pieces = 0;
  let begun = 0;
  for await (const piece of generation) {
    view.write(piece);
    // Until the exact number is known: a piece is a token, but where several make one character.
    begun ||= performance.now();
    if (++pieces > 1) view.speed(`about ${perSecond(((pieces - 1) / (performance.now() - begun)) * 1000)}`);
  }
  const { usage, timings } = await generation.result();
  view.speed(`${usage.completionTokens} tokens, ${perSecond(timings.tokensPerSecond)}`);
}

const perSecond = (tokens) => `${tokens.toFixed(0)} tokens/s`;
