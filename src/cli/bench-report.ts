import type { Inspection, ModelInfo } from "../index.ts";
import type { BenchPlan, Host, ThreadsMeasure } from "./bench.ts";
import type { Speed } from "./bench-measures.ts";
import { type Bound, MEMORY_BOUND } from "./bench-work.ts";
import { formatBytes, formatCount, formatLarge } from "./format.ts";
import type { Reading } from "./read-probe.ts";
import { printable, stylesOf } from "./terminal.ts";

/** The bench for people: a line as soon as its number is known. */

const LABEL_COLUMNS = 26;
const COUNTED = `Counted a token: bytes of every matrix once, but of the experts only those it
uses and of the embedding one row, unless that is the output too; keys and
values once; two operations for a multiply-add. Token ids are made up.`;

export class BenchReport {
  readonly #write: (text: string) => Promise<void>;

  constructor(say: (text: string) => Promise<void>) {
    this.#write = say;
  }

  async begin({ name, parameters: { total, active } }: Inspection, host: Host, plan: BenchPlan): Promise<void> {
    const { bold } = stylesOf(process.stdout);
    const { runs } = plan;
    await this.#write(
      `${bold(printable(name))}  ${formatLarge(total)} parameters, ${formatLarge(active)} active per token\n` +
        `${printable(host.processor)}, ${host.cores} core${host.cores === 1 ? "" : "s"}, Node ${host.node}\n` +
        `Tokens a second: best of ${runs} run${runs === 1 ? "" : "s"} (median).\n`,
    );
    if (plan.leftOut.length > 0)
      await this.#write(`Left out, for the model's context is too short: ${plan.leftOut.join(", ")}.\n`);
  }

  async loaded({ threads: { used }, build, wide, memory, choices, tuning }: ModelInfo, loadMs: number): Promise<void> {
    const { bold, dim } = stylesOf(process.stdout);
    const title = used === 0 ? "no worker threads" : `${used} thread${used === 1 ? "" : "s"}`;
    const wideness = `wide ${wide.on ? "on" : "off"}: ${wide.reason}`;
    await this.#write(`\n${bold(`${title}, ${build.name} build`)}\n  ${dim(wideness)}\n`);
    const parts = `weights ${formatBytes(memory.weights)}, cache ${formatBytes(memory.cache)}`;
    await this.#line("load", `${(loadMs / 1000).toFixed(2)} s`);
    await this.#line("memory", `${formatBytes(memory.total)}, of it ${parts}`);
    await this.#write(`  ${dim(`kernels: ${tuning.reason} (${tuning.ms.toFixed(0)} ms)`)}\n`);
    for (const [type, { tile, row, streams, touch }] of Object.entries(choices)) {
      const gain = tuning.gains[type as keyof typeof tuning.gains];
      const faster = gain === undefined ? "" : `, ${gain.toFixed(2)} x default`;
      await this.#write(`  ${dim(`${row ?? tile} x ${streams}, ${tile}, touch ${touch}${faster}`)}\n`);
    }
  }

  async reading(readings: readonly Reading[] | null): Promise<void> {
    const speeds = readings?.map(
      ({ bytes, bytesPerSecond }) => `${gigabytes(bytesPerSecond)} over ${formatBytes(bytes)}`,
    );
    await this.#line("plain reading", speeds?.join(", ") ?? "not measured: no threads here, or too little memory");
  }

  async prompt({ tokens, operationsPerSecond, ...speed }: ThreadsMeasure["prompt"], threads: number): Promise<void> {
    const giga = (perSecond: number) => (perSecond / 1e9).toFixed(1);
    const each = threads > 1 ? `, ${giga(operationsPerSecond / threads)} a thread` : "";
    await this.#line(`prompt of ${formatCount(tokens)}`, speedText(speed), `${giga(operationsPerSecond)} GOP/s${each}`);
  }

  async generation({ context, bound, tokens, ...speed }: ThreadsMeasure["generate"][number]): Promise<void> {
    const behind = context === 0 ? "" : ` behind ${formatCount(context)}`;
    await this.#line(`generate ${formatCount(tokens)}${behind}`, speedText(speed), boundText(bound));
  }

  /** In words, for the shortest context. */
  async bound({ bytesPerToken, bytesPerSecond, share, by }: Bound, threads: number): Promise<void> {
    if (share === null || by === null) return;
    const { dim } = stylesOf(process.stdout);
    const plain = gigabytes(bytesPerSecond / share);
    const lines = [
      `${formatBytes(bytesPerToken)} a token: ${gigabytes(bytesPerSecond)} of the ${plain} that plain reading of as much`,
      `reaches with ${threads} thread${threads === 1 ? "" : "s"} (${percent(share)}): bound by ${by} (by memory from ${percent(MEMORY_BOUND)} on)`,
    ];
    await this.#write(lines.map((line) => `  ${dim(line)}\n`).join(""));
  }

  /** The same, profiled: of matmuls alone. */
  async inside(bound: Bound, waiting: number): Promise<void> {
    const { dim } = stylesOf(process.stdout);
    const matmuls = `inside its matmuls ${rateText(bound)}`;
    await this.#write(`  ${dim(`${matmuls}; the first thread waits ${percent(waiting)} of the time`)}\n`);
  }

  /** Of the cache alone. */
  async attention({ context, ...bound }: Bound & { context: number }): Promise<void> {
    const { dim } = stylesOf(process.stdout);
    const behind = `behind ${formatCount(context)}`;
    await this.#write(`  ${dim(`inside its attention ${behind} ${rateText(bound)} of the cache`)}\n`);
  }

  async batch({ sequences, tokens, ...speed }: ThreadsMeasure["batch"][number]): Promise<void> {
    await this.#line(`${sequences} x ${formatCount(tokens)} together`, speedText(speed));
  }

  async end(): Promise<void> {
    const { dim } = stylesOf(process.stdout);
    await this.#write(`\n${dim(COUNTED)}\n`);
  }

  async #line(label: string, ...cells: string[]): Promise<void> {
    await this.#write(`  ${label.padEnd(LABEL_COLUMNS)}${cells.join("  ").trimEnd()}\n`);
  }
}

function speedText({ best, median }: Speed): string {
  const digits = best >= 99.95 ? 0 : best >= 9.995 ? 1 : 2;
  return `${best.toFixed(digits).padStart(5)} ${`(${median.toFixed(digits)})`.padEnd(7)}`;
}

function boundText({ bytesPerSecond, share }: Bound): string {
  return `${gigabytes(bytesPerSecond)}${share === null ? "" : `, ${percent(share)} of plain reading`}`;
}

/** With its share of plain reading, where that is known. */
function rateText({ bytesPerSecond, share }: Bound): string {
  return `${gigabytes(bytesPerSecond)}${share === null ? "" : ` (${percent(share)})`}`;
}

function gigabytes(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e9).toFixed(1)} GB/s`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
