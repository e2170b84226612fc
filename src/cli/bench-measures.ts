import type { Model } from "../index.ts";

/** Speeds of a loaded model, measured through its public door with made-up ids. */

export interface MeasureOptions {
  readonly prompt: number;
  readonly generate: number;
  readonly runs: number;
  readonly signal: AbortSignal;
}

/** Tokens a second. */
export interface Speed {
  readonly best: number;
  readonly median: number;
}

type OpTime = Awaited<ReturnType<Model["profile"]>>[number];

export interface Profile {
  readonly tokens: number;
  /** Of the clock: the ops and what is between steps. */
  readonly ms: number;
  readonly ops: readonly OpTime[];
}

export async function measurePrompt(model: Model, options: MeasureOptions): Promise<Speed> {
  await prefill(model, options, 0);
  return await speedOf(options.runs, options.prompt, (run) => prefill(model, options, run + 1));
}

export function profilePrompt(model: Model, options: MeasureOptions): Promise<Profile> {
  return profileOf(model, options.prompt, () => prefill(model, options, 0));
}

/** Milliseconds of a prompt in a session of its own, to the logits behind it. */
async function prefill(model: Model, { prompt, signal }: MeasureOptions, seed: number): Promise<number> {
  const session = model.session();
  try {
    const ids = idsOf(prompt, seed, model.config.vocab);
    const start = performance.now();
    await session.sync(ids, { signal });
    await session.logits();
    return performance.now() - start;
  } finally {
    await session.dispose();
  }
}

export interface GenerationMeasure {
  readonly speed: Speed;
  readonly profile: Profile | null;
}

/** One id at a time behind `context` ids: a step, its logits, the likeliest of them. */
export async function measureGeneration(
  model: Model,
  context: number,
  options: MeasureOptions,
  profiled: boolean,
): Promise<GenerationMeasure> {
  const { generate, runs, signal } = options;
  const session = model.session();
  try {
    // Something has to come first.
    const held = idsOf(Math.max(1, context), 1, model.config.vocab);
    const begin = () => session.sync(held, { signal });
    const grow = async () => {
      const ids = [...held];
      let logits = await session.logits();
      const start = performance.now();
      for (let step = 0; step < generate; step++) {
        ids.push(likeliest(logits));
        await session.sync(ids, { signal });
        logits = await session.logits();
      }
      return performance.now() - start;
    };
    const speed = await speedOf(runs, generate, async () => {
      await begin();
      return await grow();
    });
    await begin();
    return { speed, profile: profiled ? await profileOf(model, generate, grow) : null };
  } finally {
    await session.dispose();
  }
}

/** All of them together, through the sampler, from one id each. */
export async function measureBatch(model: Model, sequences: number, options: MeasureOptions): Promise<Speed> {
  const { generate, runs, signal } = options;
  const { vocab } = model.config;
  const speeds: number[] = [];
  // No end of text: every sequence has the same length.
  const logitBias = Object.fromEntries(stopIds(model).map((id) => [id, -100]));
  for (let run = 0; run < runs; run++) {
    const prompts = Array.from({ length: sequences }, (_, index) => idsOf(1, run * sequences + index + 1, vocab));
    const start = performance.now();
    const results = await model
      .generateBatch(prompts, { temperature: 0, maxTokens: generate, logitBias, signal })
      .results();
    const tokens = results.reduce((sum, { ids }) => sum + ids.length, 0);
    speeds.push((tokens * 1000) / (performance.now() - start));
  }
  return speed(speeds);
}

function stopIds(model: Model): number[] {
  try {
    return [...model.config.eos, ...model.tokenizer.stopIds];
  } catch {
    return [...model.config.eos]; // no tokenizer
  }
}

async function speedOf(runs: number, tokens: number, measure: (run: number) => Promise<number>): Promise<Speed> {
  const speeds: number[] = [];
  for (let run = 0; run < runs; run++) speeds.push((tokens * 1000) / (await measure(run)));
  return speed(speeds);
}

function speed(speeds: readonly number[]): Speed {
  const sorted = [...speeds].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return {
    best: sorted[sorted.length - 1],
    median: (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2,
  };
}

async function profileOf(model: Model, tokens: number, measure: () => Promise<number>): Promise<Profile> {
  let ms = 0;
  const ops = await model.profile(async () => {
    ms = await measure();
  });
  return { tokens, ms, ops };
}

/** scripts/speed.mjs and bench/peers ask for the same ids: experts are chosen by them, and figures are compared. */
export function idsOf(count: number, seed: number, vocab: number): number[] {
  return Array.from({ length: count }, (_, index) => (index * 7919 + seed * 104729) % vocab);
}

export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}
