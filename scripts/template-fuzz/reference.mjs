// Python processes that render templates with jinja2: one line in, one line out.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("reference.py", import.meta.url));

export class Reference {
  #child;
  #waiting = [];
  version;

  /** As many as asked for; undefined where there is no jinja2. */
  static async start(python, count) {
    const all = Array.from({ length: count }, () => new Reference(python));
    const started = await Promise.all(all.map((one) => one.#hello()));
    return started.every(Boolean) ? all : undefined;
  }

  constructor(python) {
    this.#child = spawn(python, [SCRIPT], { stdio: ["pipe", "pipe", "ignore"] });
    this.#child.stdin.on("error", () => {});
  }

  #hello() {
    return new Promise((resolve) => {
      this.#child.on("error", () => resolve(false));
      this.#child.on("exit", () => {
        resolve(false);
        for (const settle of this.#waiting) settle({ error: "the process ended" });
      });
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        const answer = JSON.parse(line);
        if (answer.jinja2 !== undefined) {
          this.version = answer.jinja2;
          resolve(true);
        } else this.#waiting.shift()(answer);
      });
    });
  }

  render({ template, values }) {
    this.#child.stdin.write(`${JSON.stringify({ template, values })}\n`);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  stop() {
    this.#child.kill();
  }
}
