import { EngineError, loadModel } from "wasmaverick";
import { problem, statusOf } from "./problem.js";
import { Queue } from "./queue.js";
import { r2Source } from "./r2-source.js";
import { readRequest } from "./request.js";

/**
 * GET /?prompt=...&maxTokens=...   POST / {"prompt": "...", "maxTokens": ...}   the text, streamed as it is made
 * GET /info                                                                     what was loaded, and what memory it takes
 */

/** The bundled model with this context takes 52 MB: an isolate has 128. */
const LOAD = { context: 512 };

/** What requests of one isolate share. */
let shared = { queue: new Queue(), model: undefined };

export default {
  async fetch(request, env, context) {
    try {
      const { pathname } = new URL(request.url);
      if (pathname === "/info") return await inTurn(context, env, describe);
      if (pathname !== "/") return problem(404, "NOT_FOUND", "ask / for text and /info for the model");
      const { prompt, options } = await readRequest(request);
      return await inTurn(context, env, (model) => {
        const generation = model.generate(prompt, { ...options, signal: request.signal });
        return { response: stream(generation), done: generation.result() };
      });
    } catch (error) {
      if (error instanceof EngineError) return problem(statusOf(error), error.code, error.message);
      console.error(error);
      return problem(500, "INTERNAL", "the worker failed");
    }
  },
};

function describe({ info: { name, host, build, threads, context, memory } }) {
  return { response: Response.json({ name, host, build, threads, context, memory }), done: Promise.resolve() };
}

/** Whoever compresses on the way (Cloudflare, `wrangler dev`) holds text back until there is enough of it. */
const STREAMED = {
  "content-type": "text/plain; charset=utf-8",
  "content-encoding": "identity",
  "cache-control": "no-store, no-transform",
};

function stream(generation) {
  return new Response(generation.toReadableStream(), { headers: STREAMED });
}

/**
 * One request at a time loads or generates. There is one thread; and what a request began goes on only while that request lives, so
 * none may wait for work that another one began.
 */
async function inTurn(context, env, work) {
  const mine = shared;
  const turn = mine.queue.enter();
  // Also where the client leaves: whoever waits behind would else wait for a turn that nobody takes.
  context.waitUntil(turn.over);
  try {
    if (!(await turn.came)) {
      // The request in front died in its turn (of its CPU limit, say): its model would never take another step.
      if (shared === mine) shared = { queue: new Queue(), model: undefined };
      throw new EngineError("BUSY", "the answer in front did not end");
    }
    mine.model ??= await loadModel(await r2Source(env.MODELS, env.MODEL_KEY), LOAD);
    const { response, done } = work(mine.model);
    // An abort is heard at once; the step under it ends at the next turn of the event loop.
    done.catch(() => {}).then(() => setTimeout(turn.leave, 0));
    return response;
  } catch (error) {
    turn.leave();
    throw error;
  }
}
