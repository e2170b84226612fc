/** What ends a command before its time: SIGINT, SIGTERM, a reader of stdout that left. */
export class Interrupts {
  /** Of the process, once something has ended the command. */
  exitCode: number | null = null;
  /** Nothing can be written to stdout any more. */
  stdoutGone = false;
  readonly #command = new AbortController();
  /** Whoever serves was asked to end. */
  #asked: (() => void) | null = null;
  #answer: AbortController | null = null;

  constructor() {
    process.on("SIGINT", () => this.#interrupt(130));
    process.on("SIGTERM", () => this.#interrupt(143));
    process.stdout.on("error", (error: NodeJS.ErrnoException) => this.#stdoutFailed(error));
    // Without a stderr there is nobody to tell; the text still goes to stdout.
    process.stderr.on("error", () => {});
  }

  /** Aborted when the command is to end. */
  get signal(): AbortSignal {
    return this.#command.signal;
  }

  end(exitCode: number): void {
    this.exitCode ??= exitCode;
    this.#command.abort();
  }

  /** Of a service, which runs until it is asked to end, and ends well: the first SIGINT or SIGTERM asks, the next one ends the process. */
  untilAsked(): Promise<void> {
    return new Promise((resolve) => {
      this.#asked = resolve;
    });
  }

  /** While `work` runs the first SIGINT ends only its signal, the next one the command. */
  async duringAnswer<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    this.#answer = new AbortController();
    try {
      return await work(AbortSignal.any([this.#answer.signal, this.signal]));
    } finally {
      this.#answer = null;
    }
  }

  #interrupt(exitCode: number): void {
    if (this.#asked) {
      this.#asked();
      this.#asked = () => process.exit(exitCode);
      return;
    }
    const answer = this.#answer;
    // Asked a second time: at once, whatever is pending.
    if (this.signal.aborted || answer?.signal.aborted) process.exit(exitCode);
    if (answer && exitCode === 130) answer.abort();
    else this.end(exitCode);
  }

  #stdoutFailed(error: NodeJS.ErrnoException): void {
    this.stdoutGone = true;
    if (error.code !== "EPIPE" && this.exitCode === null) {
      process.stderr.write(`wasmaverick: stdout cannot be written (${error.code ?? error.message})\n`);
      this.end(1);
    } else this.end(0);
  }
}
