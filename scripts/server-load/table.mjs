/** Times of loads as a table of markdown: a server a row. */
export function table(rows) {
  const head = [
    "server",
    "ended",
    "left",
    "429",
    "errors",
    "requests/s",
    "tokens/s",
    "first token p50 / p95 / p99",
    "between p50 / p95 / p99",
  ];
  const lines = rows.map(([name, { seconds, finished, left, refused, errors }]) => {
    const tokens = finished.reduce((sum, { gaps }) => sum + gaps.length + 1, 0);
    const first = finished.map((one) => one.first).filter((ms) => ms !== null);
    const gaps = finished.flatMap((one) => one.gaps);
    return [
      ...[name, finished.length, left, refused, errors.length],
      ...[(finished.length / seconds).toFixed(1), Math.round(tokens / seconds), percentiles(first), percentiles(gaps)],
    ];
  });
  return [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
  return `${[0.5, 0.95, 0.99].map((part) => Math.round(at(part))).join(" / ")} ms`;
}
