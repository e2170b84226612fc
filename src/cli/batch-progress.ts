import { formatCount } from "./format.ts";
import { ProgressBar, write } from "./terminal.ts";

/** How far a batch is: counted, drawn in a terminal, told at the end. */
export class BatchProgress {
  readonly total: number;
  done: number;
  failed = 0;
  tokens = 0;
  readonly #before: number;
  readonly #bar: ProgressBar;
  readonly #begun = performance.now();

  /** `before`: lines that an earlier run has done. */
  constructor(input: string, total: number, before: number) {
    this.total = total;
    this.done = before;
    this.#before = before;
    this.#bar = new ProgressBar(input.split(/[/\\]/).at(-1) ?? "batch");
  }

  ended(failed: boolean): void {
    this.done++;
    if (failed) this.failed++;
  }

  draw(): void {
    const seconds = (performance.now() - this.#begun) / 1000;
    const left = ((this.total - this.done) * seconds) / Math.max(1, this.done - this.#before);
    const rate = formatCount(Math.round(this.tokens / seconds));
    this.#bar.draw(
      this.done / Math.max(1, this.total),
      `of ${formatCount(this.total)}, ${rate} tok/s, ${clock(left)} left`,
    );
  }

  erase(): void {
    this.#bar.erase();
  }

  async tell(json: boolean): Promise<void> {
    const { total, done, failed } = this;
    if (json) await write(process.stdout, `${JSON.stringify({ lines: total, done, failed })}\n`);
    else {
      const counts = `${formatCount(done)} of ${formatCount(total)} lines done, ${formatCount(failed)} failed`;
      await write(process.stderr, `${counts}\n`);
    }
  }
}

/** 3725 -> 1:02:05. */
export function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts
    .slice(parts[0] === 0 ? 1 : 0)
    .map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0")))
    .join(":");
}
