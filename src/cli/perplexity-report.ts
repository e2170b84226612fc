import type { Divergence, Measured, ModelInfo, Perplexity } from "../index.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import { printable, stylesOf } from "./terminal.ts";

/** What `wasmaverick perplexity` found, in 80 columns or as JSON. */

export interface Outcome {
  readonly model: ModelInfo;
  /** Base names. */
  readonly file: string;
  readonly reference: string | undefined;
  readonly measured: Measured & (Perplexity | Divergence);
  readonly saved: { readonly file: string; readonly bytes: number } | null;
}

export function outcomeText({ model, file, reference, measured, saved }: Outcome): string {
  const { bold } = stylesOf(process.stdout);
  const against = reference === undefined ? "" : `  against ${reference}`;
  const rows = [
    ["text", `${file}, ${formatCount(measured.ids)} tokens`],
    ["scored", scoredText(measured)],
  ];
  if (saved) rows.push(["saved", `${saved.file}, ${formatBytes(saved.bytes)}`]);
  const sections = [`${model.name}${against}\n`, labelled(rows), labelled(figures(measured))];
  return printable(sections.join("\n")).replace(/^\S+/gm, bold);
}

function scoredText({ ids, scored, windows, window, stride }: Measured): string {
  const count = formatCount(scored);
  const size = formatCount(window);
  if (windows === 1 && scored === ids - 1) return `${count}: all but the first, in one window`;
  if (stride !== null)
    return `${count}: ${formatCount(windows)} windows of ${size}, one every ${formatCount(stride)} tokens`;
  const left = ids - windows * window;
  const behind = left === 0 ? "" : `; ${formatCount(left)} behind them left out`;
  return `${count}: the second half of ${formatCount(windows)} window${windows === 1 ? "" : "s"} of ${size}${behind}`;
}

function figures(measured: Perplexity | Divergence): string[][] {
  if (!("reference" in measured)) {
    const [perplexity, nll] = cells(measured);
    return [
      ["perplexity", perplexity],
      ["mean nll", `${nll} nats a token`],
    ];
  }
  const { reference, nllDifference, perplexityRatio, kl, sameTop } = measured;
  const ratio = `x ${withError(perplexityRatio, perplexityRatio * nllDifference.standardError)}`;
  const difference = withError(nllDifference.mean, nllDifference.standardError, 5);
  const table = [
    ["", "perplexity", "mean nll"],
    ["model", ...cells(measured)],
    ["reference", ...cells(reference)],
    ["difference", ratio, nllDifference.mean > 0 ? `+${difference}` : difference],
  ];
  const [head, ...rows] = formatColumns(table, "lrr").trimEnd().split("\n");
  const spread = `median ${small(kl.median)}, 99 % ${small(kl.quantile99)}, largest ${small(kl.max)}`;
  return [
    ...[head, ...rows, ""].map((line) => [line]),
    ["KL", `${small(kl.mean)} ± ${small(kl.standardError)} nats a token`],
    ["", spread],
    ["same top", `${(100 * sameTop).toFixed(2)} % of tokens`],
  ];
}

function cells({ perplexity, meanNll, standardError }: Perplexity): [string, string] {
  return [withError(perplexity, perplexity * standardError), withError(meanNll, standardError, 5)];
}

/** About five digits of a perplexity, where `digits` are not given. */
function withError(value: number, error: number, digits = value < 100 ? 4 : value < 10_000 ? 2 : 0): string {
  const text = (one: number) =>
    one.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return Number.isNaN(error) ? text(value) : `${text(value)} ± ${text(error)}`;
}

/** Three digits, of numbers that may be 0 or far below 1. */
function small(value: number): string {
  if (value === 0) return "0";
  return value >= 0.001 && value < 1000 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}

const LABEL_COLUMNS = 12;

function labelled(rows: readonly (readonly string[])[]): string {
  return rows.map(([label, text]) => `${text === undefined ? label : label.padEnd(LABEL_COLUMNS) + text}\n`).join("");
}

export function outcomeJson({ model, file, reference, measured, saved }: Outcome): string {
  const { name, architecture, build, threads, context, cache, activations } = model;
  const about = { name, architecture, build: build.name, threads: threads.used, context, cache, activations };
  const { ids, scored, windows, window, stride } = measured;
  const object = { model: about, text: { file, ids, scored, windows, window, stride }, ...brief(measured), saved };
  if (!("reference" in measured)) return `${JSON.stringify(object)}\n`;
  const { nllDifference, perplexityRatio, sameTop } = measured;
  const { values: _, ...kl } = measured.kl;
  const compared = { reference: { name: reference, ...brief(measured.reference) }, nllDifference, perplexityRatio };
  return `${JSON.stringify({ ...object, ...compared, kl, sameTop })}\n`;
}

function brief({
  perplexity,
  meanNll,
  standardError,
}: Perplexity): Pick<Perplexity, "perplexity" | "meanNll" | "standardError"> {
  return { perplexity, meanNll, standardError };
}
