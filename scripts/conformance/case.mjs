// What every runtime is asked: 64 greedy tokens behind each of ten prompts and a small random model of every weight type, and a digest
// of all logits on the way. Plain JavaScript of the web: it runs in pages and in workerd as it is.

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

/** Rows of whole blocks of 256, dense layers and a mixture. */
const CONFIG = {
  vocab_size: 264,
  hidden_size: 256,
  intermediate_size: 256,
  num_hidden_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  head_dim: 32,
  num_local_experts: 3,
  moe_layers: [1],
  shared_expert: true,
  max_position_embeddings: 128,
};
/** The quantised ones: their bits are the same in both builds. */
const TYPES = "q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4 tq1_0 tq2_0".split(" ");

/** Beside these 8 bits of activations meet a dot of bytes where the processor's is exact, and pairs of i16 elsewhere; so does an 8-bit cache. */
const SIGNED_BYTES = ["q8_0", "iq4_nl", "iq4_xs"];

/** -> { digest: SHA-256 over the f32 logits of every step, rate: generated tokens a second, info }. */
export async function conform({ loadModel, createModel }, source, options) {
  const types = await everyType(createModel, options);
  const model = await loadModel(source, { context: 256, ...options });
  try {
    const { vocab } = model.config;
    const all = new Float32Array(PROMPTS.length * TOKENS * vocab + types.length);
    all.set(types, PROMPTS.length * TOKENS * vocab);
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
    const { build, threads, wide } = model.info;
    return { digest: hex, rate: Math.round(rate), build: build.name, threads: threads.used, wide: wide.on };
  } finally {
    await model.dispose();
  }
}

/** Logits behind one row, several and many, in one page of the cache and in two. */
async function everyType(createModel, options) {
  const all = [];
  const q8 = SIGNED_BYTES.map((type) => ({ type, activations: "q8" }));
  const cached = ["q8_0", "q4_k"].map((type) => ({ type, cache: "q8" }));
  for (const met of [...TYPES.map((type) => ({ type })), ...q8, ...cached]) {
    const model = await createModel(CONFIG, { seed: 1, ...met, ...options });
    try {
      const session = model.session();
      for (const count of [1, 4, 40, 41, 100, 101]) {
        await session.sync(Array.from({ length: count }, (_, index) => (index * 37) % CONFIG.vocab_size));
        all.push(...(await session.logits()));
      }
      await session.dispose();
    } finally {
      await model.dispose();
    }
  }
  return all;
}

function argmax(logits) {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}
