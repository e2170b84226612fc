// Runs -> the numbers of a row, and how rows stand to each other.

/** Rows as they are printed, from what interleave() measured. */
export function results(entries) {
  const rows = entries.map(({ row, about, failed, runs }) => ({
    engine: row.name,
    group: row.group,
    version: about?.version ?? "",
    build: about?.build ?? row.build,
    threads: row.threads,
    prompt: row.prompt,
    generate: row.generate,
    runs: runs.length,
    failed,
    notes: about?.notes ?? [],
    promptRate: rate(runs.map(({ promptTokens, promptMs }) => (1000 * promptTokens) / promptMs)),
    generateRate: rate(runs.map(({ generateMs }) => (1000 * row.generate) / generateMs)),
    sameIds: row.takesText ? null : agreement(runs, reference(entries)),
  }));
  const native = bestOf(rows.filter(({ group }) => group === "llama.cpp" || group === "node-llama-cpp"));
  const wllama = bestOf(rows.filter(({ group }) => group === "wllama"));
  return rows.map((row) => ({ ...row, toNative: ratios(row, native), toWllama: ratios(row, wllama) }));
}

function rate(values) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return { best: sorted.at(-1), median: (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2 };
}

/** The ids of our first variant that ran. */
function reference(entries) {
  return entries.find(({ row, runs }) => row.group === "ours" && runs.length > 0)?.runs;
}

/** How many ids from the start are ours, in the round with the fewest. */
function agreement(runs, ours) {
  if (ours === undefined || runs.length === 0) return null;
  const counts = runs.map(({ seed, ids }) => {
    const own = ours.find((one) => one.seed === seed)?.ids ?? [];
    const first = ids.findIndex((id, index) => id !== own[index]);
    return first < 0 ? ids.length : first;
  });
  return Math.min(...counts);
}

/** Per number the better of several rows. */
function bestOf(rows) {
  const most = (of) => Math.max(...rows.map((row) => of(row) ?? Number.NEGATIVE_INFINITY));
  return {
    prompt: most(({ promptRate }) => promptRate?.best),
    generate: most(({ generateRate }) => generateRate?.best),
  };
}

/** Of the best runs. */
function ratios({ promptRate, generateRate }, to) {
  if (promptRate === null || !Number.isFinite(to.prompt)) return null;
  return { prompt: promptRate.best / to.prompt, generate: generateRate.best / to.generate };
}
