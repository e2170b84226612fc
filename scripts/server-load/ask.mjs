/**
 * How all are sampled: said, since servers differ in what they take where nothing is said. No stream ends before the tokens that it asks
 * for, so that every server writes as many.
 */
export const SAMPLING = { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05, ignore_eos: true };

/** One stream of completions, read as its plan says; tells when its pieces came. */
export async function ask(url, { at, prompt, tokens, seed, leavesAfter, pause }, begun) {
  await sleep(begun + at - performance.now());
  const started = performance.now();
  const controller = new AbortController();
  const told = { prompt, tokens, seed, pause, first: null, gaps: [], text: "", written: 0 };
  const body = { prompt, max_tokens: tokens, seed, ...SAMPLING, stream: true, stream_options: { include_usage: true } };
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      // A connection each: of one that is kept, some servers let go while it is taken again.
      headers: { "content-type": "application/json", connection: "close" },
      body: JSON.stringify(body),
      signal: controller.signal,
    });
    if (response.status === 429) return { ...told, end: "refused" };
    if (response.status !== 200) return { ...told, end: "error", status: response.status, body: await response.text() };
    let last = started;
    let events = 0;
    for await (const event of eventsOf(response.body)) {
      if (event === "[DONE]") return { ...told, end: "done", ended: performance.now() - begun };
      const { choices, usage, error } = JSON.parse(event);
      if (error) return { ...told, end: "error", body: event };
      told.written = usage?.completion_tokens ?? told.written;
      // An event that tells how it ended, or what was used, is no token.
      if (!choices[0]?.text) continue;
      const now = performance.now();
      if (told.first === null) told.first = now - started;
      else told.gaps.push(now - last);
      last = now;
      told.text += choices[0].text;
      if (leavesAfter !== null && ++events > leavesAfter) {
        controller.abort();
        return { ...told, end: "left" };
      }
      if (pause > 0) await sleep(pause);
    }
    return { ...told, end: "error", body: "the stream ended without [DONE]" };
  } catch (error) {
    return { ...told, end: "error", body: `${error} ${error.cause ?? ""}`.trim() };
  }
}

async function* eventsOf(body) {
  let held = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    held += text;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) if (block.startsWith("data: ")) yield block.slice(6);
  }
}

const sleep = (ms) => (ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : null);
