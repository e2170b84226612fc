// What every runtime is asked: 64 greedy tokens behind each of ten prompts, and a digest of all logits on the way. Plain JavaScript of
// the web: it runs in pages and in workerd as it is.

export const TOKENS = 64;
export const PROMPTS = [
  "Once upon a time",
  "There was an owl named Luna",
  "The little fox ran into the forest and",
  "In a small house by the sea lived",
  "One rainy morning, a boy called Tim",
  "The dragon did not want to fight. It wanted",
  "Mia found a red kite",
  '"Where is my hat?" asked the bear.',
  "Every night the moon told a story about",
  "Two friends built a boat of paper and",
];

/** -> { digest: SHA-256 over the f32 logits of every step, rate: generated tokens a second, info }. */
export async function conform(loadModel, source, options) {
  const model = await loadModel(source, { context: 256, ...options });
  try {
    const { vocab } = model.config;
    const all = new Float32Array(PROMPTS.length * TOKENS * vocab);
    const begun = performance.now();
    let at = 0;
    for (const prompt of PROMPTS) {
      const session = model.session();
      const ids = [...model.tokenizer.encode(prompt)];
      for (let step = 0; step < TOKENS; step++, at += vocab) {
        await session.sync(ids);
        const logits = await session.logits();
        all.set(logits, at);
        ids.push(argmax(logits));
      }
      await session.dispose();
    }
    const rate = (PROMPTS.length * TOKENS * 1000) / (performance.now() - begun);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { digest: hex, rate: Math.round(rate), build: model.info.build.name, threads: model.info.threads.used };
  } finally {
    await model.dispose();
  }
}

function argmax(logits) {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}
