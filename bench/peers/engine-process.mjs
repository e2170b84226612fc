// An engine as a child process that answers one request at a time.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A peer that hangs is a row that says so, not a benchmark that never ends. */
const ANSWER_MS = 600_000;

const children = new Set();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

export class EngineProcess {
  #child;
  #lines;
  #ended;
  #stderr = [];

  /** Started and loaded: `about` is its first line. */
  static async start(command, args) {
    const engine = new EngineProcess(command, args);
    engine.about = await engine.#answer();
    return engine;
  }

  constructor(command, args) {
    this.#child = spawn(command, args, { stdio: "pipe", env: plainEnvironment() });
    children.add(this.#child);
    this.#child.stdin.on("error", () => {}); // its end is reported by #ended
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    createInterface({ input: this.#child.stderr }).on("line", (line) => {
      if (line.trim() !== "") this.#stderr.push(line.trim());
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("close", (code, signal) => {
        children.delete(this.#child);
        resolve(`ended with ${signal ?? code}: ${this.#stderr.at(-1) ?? "nothing on stderr"}`);
      });
    });
  }

  ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.#answer();
  }

  async #answer() {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ANSWER_MS);
    const { done, value } = await this.#lines.next();
    clearTimeout(timer);
    if (done) throw new Error(await this.#ended);
    return JSON.parse(value);
  }

  /** Processor milliseconds of all its threads so far; 0 where the host does not say. */
  get processorMs() {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10; // user and system time, in hundredths of a second
    } catch {
      return 0;
    }
  }

  async stop() {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.#ended;
    clearTimeout(timer);
  }
}

/** What the shell says of threads and BLAS must not reach one engine and miss another. */
export function plainEnvironment() {
  const hidden = /^(OMP_|GOMP_|OPENBLAS_|GGML_|LLAMA_|NODE_OPTIONS$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !hidden.test(name)));
}
