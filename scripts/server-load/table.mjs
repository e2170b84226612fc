/** Times of loads as a table of markdown: a server a row, whose rounds are beside those of the others. */
export function table(rows) {
  const head = [
    ...["server", "ended", "left", "429", "errors", "tokens"],
    ...["requests/s, best (median)", "tokens/s, best (median)"],
    ...["first token p50 / p95 / p99", "between p50 / p95 / p99", "asking, s"],
  ];
  const lines = rows.map(({ name, rounds }) => {
    const all = (of) => rounds.flatMap(of);
    const sum = (of) => rounds.reduce((total, round) => total + of(round), 0);
    const finished = all((round) => round.finished);
    const first = finished.map((one) => one.first).filter((ms) => ms !== null);
    const gaps = finished.filter(atOnce).flatMap((one) => one.gaps);
    return [
      ...[name, finished.length, sum(({ left }) => left), sum(({ refused }) => refused)],
      ...[all(({ errors }) => errors).length, written(finished)],
      rates(rounds.map((round) => round.finished.filter(atOnce).length / secondsOf(round))),
      rates(rounds.map((round) => written(round.finished.filter(atOnce)) / secondsOf(round))),
      ...[percentiles(first), percentiles(gaps)],
      sum(({ asking }) => asking).toFixed(1),
    ];
  });
  return [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Those who read slowly take their own time, which is no rate of a server. */
const atOnce = ({ pause }) => pause === 0;
const written = (streams) => streams.reduce((total, one) => total + one.written, 0);
const secondsOf = ({ finished }) => Math.max(...finished.filter(atOnce).map(({ ended }) => ended)) / 1000;

/** The best, and the median in brackets. */
function rates(values) {
  const sorted = values.toSorted((a, b) => b - a);
  const [best, median] = [sorted[0], sorted[sorted.length >> 1]].map((rate) => rate.toFixed(rate < 100 ? 1 : 0));
  return `${best} (${median})`;
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
  return `${[0.5, 0.95, 0.99].map((part) => Math.round(at(part))).join(" / ")} ms`;
}
