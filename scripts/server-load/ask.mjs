/** One stream of completions, read as its plan says; tells when its pieces came. */
export async function ask(url, { at, prompt, tokens, seed, leavesAfter, pause }, begun) {
  await sleep(begun + at - performance.now());
  const started = performance.now();
  const controller = new AbortController();
  const told = { prompt, tokens, seed, first: null, gaps: [], text: "" };
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt, max_tokens: tokens, seed, stream: true }),
      signal: controller.signal,
    });
    if (response.status === 429) return { ...told, end: "refused" };
    if (response.status !== 200) return { ...told, end: "error", status: response.status, body: await response.text() };
    let last = started;
    let events = 0;
    for await (const event of eventsOf(response.body)) {
      if (event === "[DONE]") return { ...told, end: "done" };
      const { choices, error } = JSON.parse(event);
      if (error) return { ...told, end: "error", body: event };
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
    return { ...told, end: "error", body: String(error) };
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
