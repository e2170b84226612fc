import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Models } from "./models.ts";
import { peer } from "./peers.ts";
import type { Requests, Ticket } from "./requests.ts";
import type { RequestReport } from "./server-options.ts";

/** Figures for Prometheus: numbers and names of routes and models, no text of anybody. */
export interface Metrics {
  ended(report: RequestReport, ticket: Ticket): void;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const STEP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

interface Sources {
  readonly models: Models;
  readonly requests: Requests;
  readonly residentBytes: (() => number) | undefined;
}

export async function openMetrics({ models, requests, residentBytes }: Sources): Promise<Metrics> {
  const client = await peer(() => import("prom-client"));
  const register: Registry = new client.Registry();
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> =>
    new client.Counter({ name: `wasmaverick_${name}`, help, labelNames, registers: [register] });
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ): Histogram<Label> =>
    new client.Histogram({ name: `wasmaverick_${name}`, help, labelNames, buckets, registers: [register] });
  const gauge = (name: string, help: string, read: (gauge: Gauge<"model">) => void) =>
    new client.Gauge<"model">({
      name: `wasmaverick_${name}`,
      help,
      labelNames: ["model"],
      registers: [register],
      collect() {
        this.reset();
        read(this);
      },
    });

  const ended = counter("requests_total", "Requests that ended", ["route", "status"]);
  const tokens = counter("tokens_total", "Tokens of prompts, of them known before, and of answers", ["model", "kind"]);
  const took = histogram("request_seconds", "From the request to its last byte", ["route"], SECONDS);
  const first = histogram("first_token_seconds", "From the start of an answer to its first token", ["model"], SECONDS);
  const between = histogram("between_tokens_seconds", "Mean of an answer", ["model"], STEP_SECONDS);
  const steps = histogram("step_seconds", "Steps of the model", ["model"], STEP_SECONDS);
  const rows = counter("step_rows_total", "Rows of all steps", ["model"]);

  gauge("requests_active", "Requests under way", (own) => own.set(requests.count));
  const ofEach = (name: string, help: string, of: (model: Models["loaded"][number]["model"]) => number) =>
    gauge(name, help, (own) => {
      watch();
      for (const { name, model } of models.loaded) own.set({ model: name }, of(model));
    });
  ofEach("sequences_running", "Sequences in the steps", (model) => model.activity.load.running);
  ofEach("sequences_waiting", "Sequences that wait for a place", (model) => model.activity.load.waiting);
  ofEach("cache_pages", "Pages that are kept for what begins alike", (model) => model.cache.stats().pages);
  ofEach("cache_bytes", "Bytes of those", (model) => model.cache.stats().bytes);
  ofEach("cache_hits", "Prompts that began with something known", (model) => model.cache.stats().hits);
  ofEach("cache_misses", "Prompts that did not", (model) => model.cache.stats().misses);
  ofEach("model_bytes", "Memory of the model", (model) => model.info.memory.total);
  if (residentBytes) gauge("process_resident_bytes", "Of the whole process", (own) => own.set(residentBytes()));

  const watched = new WeakSet<object>();
  /** Models come and go; each is listened to from when it is first seen. */
  function watch(): void {
    for (const { name, model } of models.loaded) {
      if (watched.has(model)) continue;
      watched.add(model);
      model.activity.onStep((step) => {
        steps.observe({ model: name }, step.milliseconds / 1000);
        rows.inc({ model: name }, step.rows);
      });
    }
  }
  watch();

  return {
    contentType: register.contentType,
    text: () => register.metrics(),
    ended(report, { paces }) {
      watch();
      const route = report.route ?? "none";
      ended.inc({ route, status: report.status });
      took.observe({ route }, report.milliseconds / 1000);
      if (report.model === null) return;
      const model = report.model;
      tokens.inc({ model, kind: "prompt" }, report.promptTokens);
      tokens.inc({ model, kind: "cached" }, report.cachedTokens);
      tokens.inc({ model, kind: "completion" }, report.completionTokens);
      for (const pace of paces) {
        first.observe({ model }, pace.first);
        if (pace.between !== null) between.observe({ model }, pace.between);
      }
    },
  };
}
