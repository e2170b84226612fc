import { availableParallelism, cpus } from "node:os";
import { EngineError, type Inspection, inspect, type Model, type ModelInfo } from "../index.ts";
import type { BenchCommand } from "./arguments.ts";
import {
  measureBatch,
  measureGeneration,
  measurePrompt,
  type Profile,
  profilePrompt,
  type Speed,
} from "./bench-measures.ts";
import { condense, profileText } from "./bench-profile.ts";
import { BenchReport } from "./bench-report.ts";
import { type Bound, boundOf, workOf } from "./bench-work.ts";
import { formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { modelPath, openModel } from "./open-model.ts";
import { measureReading, type Reading } from "./read-probe.ts";
import { write } from "./terminal.ts";

/** `wasmaverick bench`: speeds, where the time goes, and what bounds it; as it is measured, or one JSON object at the end. */

export interface BenchPlan {
  readonly threads: readonly number[];
  readonly prompt: number;
  readonly contexts: readonly number[];
  readonly batches: readonly number[];
  readonly generate: number;
  readonly runs: number;
  /** Positions of the cache. */
  readonly context: number;
  readonly leftOut: readonly string[];
}

export interface Host {
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
}

/** With one number of threads. */
export interface ThreadsMeasure {
  readonly threads: number;
  readonly build: ModelInfo["build"];
  readonly wide: ModelInfo["wide"];
  readonly memory: ModelInfo["memory"];
  readonly choices: ModelInfo["choices"];
  readonly tuning: ModelInfo["tuning"];
  readonly loadMs: number;
  readonly prompt: Speed & { readonly tokens: number; readonly operationsPerSecond: number };
  readonly generate: readonly (Speed & { readonly context: number; readonly tokens: number; readonly bound: Bound })[];
  /** What attention read of the cache behind the longest context; null: nothing was profiled. */
  readonly attention: (Bound & { readonly context: number }) | null;
  readonly batch: readonly (Speed & { readonly sequences: number; readonly tokens: number })[];
  /** Of as many bytes as a token reads, and of more; null: not measured. */
  readonly reading: readonly Reading[] | null;
  /** With the last number of threads. */
  readonly profiles: readonly NamedProfile[];
}

export interface NamedProfile extends Profile {
  readonly name: string;
}

export async function bench(command: BenchCommand, { signal }: Interrupts): Promise<void> {
  const path = modelPath(command.model);
  const inspection = await inspect(path);
  const plan = planBench(command, inspection.config.context);
  const host: Host = { processor: processorName(), cores: availableParallelism(), node: process.versions.node };
  const report = new BenchReport(async (text) => {
    if (!command.json) await write(process.stdout, text);
  });
  await report.begin(inspection, host, plan);
  const said = new Set<string>();
  const measures: ThreadsMeasure[] = [];
  for (const threads of plan.threads) {
    signal.throwIfAborted();
    const begun = performance.now();
    const load = { ...command.load, threads, context: plan.context, prefixCache: false as const };
    const model = await openModel({ ...command, model: path, load, prompt: "" }, signal, said);
    try {
      const loadMs = performance.now() - begun;
      const profiled = command.profile && threads === plan.threads[plan.threads.length - 1];
      measures.push(await measureThreads(model, inspection, { ...plan, threads, loadMs, profiled, signal }, report));
    } finally {
      await model.dispose();
    }
  }
  const { profiles } = measures[measures.length - 1];
  if (command.json) {
    const { name, parameters } = inspection;
    const { context, leftOut, runs } = plan;
    const model = { name, architecture: inspection.config.architecture, parameters, context };
    await write(process.stdout, `${JSON.stringify({ model, host, runs, leftOut, measures })}\n`);
    return;
  }
  if (profiles.length > 0)
    await write(process.stdout, profileText(profiles, command.layers ? inspection.layerMap : null));
  await report.end();
}

interface ThreadsPlan extends Omit<BenchPlan, "threads"> {
  readonly threads: number;
  readonly loadMs: number;
  readonly profiled: boolean;
  readonly signal: AbortSignal;
}

async function measureThreads(
  model: Model,
  inspection: Inspection,
  plan: ThreadsPlan,
  report: BenchReport,
): Promise<ThreadsMeasure> {
  const { threads, loadMs, profiled, signal } = plan;
  const { info, config } = model;
  const work = workOf(config, info.memory, inspection.memory.cachePer1024[info.cache]);
  await report.loaded(info, loadMs);
  const reading = await measureReading(Math.max(1, threads), readingSizes(work.weightBytes));
  signal.throwIfAborted();
  await report.reading(reading);

  const profiles: NamedProfile[] = [];
  const speed = await measurePrompt(model, plan);
  const operationsPerSecond = 2 * work.multiplyAdds(plan.prompt) * speed.best;
  const prompt = { tokens: plan.prompt, ...speed, operationsPerSecond };
  await report.prompt(prompt, Math.max(1, threads));
  if (profiled) profiles.push({ name: `prompt of ${formatCount(plan.prompt)}`, ...(await profilePrompt(model, plan)) });

  const generate: ThreadsMeasure["generate"][number][] = [];
  for (const context of plan.contexts) {
    const { speed, profile } = await measureGeneration(model, context, plan, profiled);
    const bytes = work.weightBytes + work.cacheBytes(context + plan.generate / 2);
    const bound = boundOf(bytes, speed.best, reading?.[0].bytesPerSecond ?? null);
    generate.push({ context, tokens: plan.generate, ...speed, bound });
    await report.generation(generate[generate.length - 1]);
    if (profile) profiles.push({ name: `generate behind ${formatCount(context)}`, ...profile });
  }
  await report.bound(generate[0].bound, Math.max(1, threads));
  let attention: ThreadsMeasure["attention"] = null;
  if (profiled) {
    const { waiting, matmulMs } = condense(profiles[1]);
    const inside = boundOf(work.weightBytes, 1000 / matmulMs, reading?.[0].bytesPerSecond ?? null);
    await report.inside(inside, waiting);
    const context = plan.contexts[plan.contexts.length - 1];
    const { attentionMs } = condense(profiles[profiles.length - 1]);
    const cacheBytes = work.cacheBytes(context + plan.generate / 2);
    attention = { context, ...boundOf(cacheBytes, 1000 / attentionMs, nearest(reading, cacheBytes)) };
    await report.attention(attention);
  }
  const batch: ThreadsMeasure["batch"][number][] = [];
  for (const sequences of plan.batches) {
    batch.push({ sequences, tokens: plan.generate, ...(await measureBatch(model, sequences, plan)) });
    await report.batch(batch[batch.length - 1]);
  }
  const { build, wide, memory, choices, tuning } = info;
  return {
    threads,
    build,
    wide,
    memory,
    choices,
    tuning,
    loadMs,
    prompt,
    generate,
    attention,
    batch,
    reading,
    profiles,
  };
}

const MOST_CONTEXT = 8192;
const CONTEXTS = [0, 512, 2048];
const PROMPT = 512;

/** What was asked for has to fit the model; defaults are cut to it. */
export function planBench(command: BenchCommand, allowed: number): BenchPlan {
  const { generate, batches, runs, threads } = command;
  const refuse = (what: string, tokens: number): never => {
    throw new EngineError("CONTEXT_LENGTH", what, {
      at: { source: "option" },
      actual: tokens,
      limit: `at most ${allowed}, the context of the model`,
    });
  };
  const needed = (context: number) => Math.max(1, context) + generate;
  if (needed(0) > allowed) refuse("the tokens to generate do not fit", needed(0));
  if ((command.prompt ?? 0) > allowed) refuse("the prompt does not fit", command.prompt ?? 0);
  const wrong = command.contexts?.find((context) => needed(context) > allowed);
  if (wrong !== undefined) refuse(`a context of ${wrong} and ${generate} tokens to generate do not fit`, needed(wrong));
  const wanted = command.contexts ?? CONTEXTS;
  const contexts = wanted.filter((context) => needed(context) <= allowed);
  const prompt = command.prompt ?? Math.min(PROMPT, allowed);
  const leftOut = wanted.filter((context) => !contexts.includes(context)).map((context) => `a context of ${context}`);
  if (command.prompt === undefined && prompt < PROMPT) leftOut.push(`a prompt of more than ${prompt} tokens`);
  const cores = Math.min(availableParallelism(), 64);
  return {
    threads: unique(threads ?? [1, cores]),
    prompt,
    contexts: unique(contexts),
    batches: unique(batches),
    generate,
    runs,
    context: Math.min(allowed, Math.max(MOST_CONTEXT, prompt, ...contexts.map(needed))),
    leftOut,
  };
}

function unique(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

const MIB = 2 ** 20;

/** What a token reads may lie in a cache; the second is more than most caches hold. */
/** Plain reading of about as many bytes. */
function nearest(readings: readonly Reading[] | null, bytes: number): number | null {
  const off = (reading: Reading) => Math.abs(Math.log(reading.bytes / bytes));
  return readings?.reduce((best, other) => (off(other) < off(best) ? other : best)).bytesPerSecond ?? null;
}

function readingSizes(bytes: number): number[] {
  const same = Math.min(bytes, 512 * MIB);
  return [same, Math.max(same, 256 * MIB)];
}

function processorName(): string {
  return cpus()[0]?.model.trim() || `unknown ${process.arch}`;
}
