// Times of calls, one thread: rounds of tinybench, every call once a round, so that a slow moment of the machine meets all of them.

import { Bench } from "tinybench";

/** calls: name -> function. Returns name -> { best, median } in ms. Best says what code can do, median what it did here. */
export function interleaved(calls, { ms, rounds }) {
  const bench = new Bench({ time: ms / rounds, iterations: 2, warmup: false, retainSamples: true });
  const samples = new Map();
  for (const [name, call] of calls) {
    warm(call, ms / 3);
    bench.add(name, call);
    samples.set(name, []);
  }
  for (let round = 0; round < rounds; round++) {
    for (const task of bench.tasks) {
      const { result } = task.runSync();
      if (result.state !== "completed") throw result.error ?? new Error(`${task.name}: ${result.state}`);
      for (const sample of result.latency.samples) samples.get(task.name).push(sample);
      task.reset();
    }
  }
  return new Map([...samples].map(([name, taken]) => [name, summary(taken)]));
}

/** JavaScript becomes fast by being called. */
function warm(call, ms) {
  const end = performance.now() + ms;
  do call();
  while (performance.now() < end);
}

export function summary(times) {
  const sorted = Float64Array.from(times).sort();
  return { best: sorted[0], median: sorted[sorted.length >> 1] };
}
