import type { BatchWork } from "./batch.ts";
import { type Ended, type LineAnswers, openAnswers, refused } from "./batch-answer.ts";
import { type BatchLine, linesOf } from "./batch-lines.ts";
import { openModel } from "./open-model.ts";

/** A batch whose lines a model of this process answers. */
export async function answerHere(work: BatchWork): Promise<void> {
  const { command, signal } = work;
  await using model = await openModel(command, signal);
  const answers = await openAnswers(model);
  const stop = () => void answers.close(0);
  signal.addEventListener("abort", stop, { once: true });
  await new BatchHere(answers, work).run();
}

/** Those that share their steps, and as many that wait to take their places. */
const AT_ONCE = 128;
/** Lines whose results are held for the sake of order; a window is begun only where it finds room. */
const MOST_HELD = 4096;

class BatchHere {
  readonly #answers: LineAnswers;
  readonly #work: BatchWork;
  /** Results whose turn has not come, by the place of their lines; only where order is kept. */
  readonly #held = new Map<number, Ended>();
  /** Places of the lines that come next, ascending, until they are written. */
  #expected: number[] = [];
  #room = () => {};

  constructor(answers: LineAnswers, work: BatchWork) {
    this.#answers = answers;
    this.#work = work;
  }

  async run(): Promise<void> {
    const { command, output, signal } = this.#work;
    const lines = linesOf(
      command.input,
      (line) => output.has(line),
      async (window) => {
        if (!command.ordered) return;
        while (this.#expected.length > MOST_HELD && !signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#room = resolve;
          });
        }
        for (const { index } of window) this.#expected.push(index);
      },
    );
    const take = async () => {
      for (let step = await lines.next(); !step.done && !signal.aborted; step = await lines.next())
        await this.#line(step.value);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
  }

  async #line(line: BatchLine): Promise<void> {
    const ended = line.wrong === null ? await this.#ask(line) : refused(line, line.wrong);
    // What was ended by a signal is asked again by the next run.
    if (this.#work.signal.aborted) return this.#room();
    await this.#write(line.index, ended);
  }

  async #ask(line: BatchLine): Promise<Ended> {
    const answered = await this.#answers.ask(line);
    this.#work.progress.tokens += answered.tokens;
    return answered;
  }

  async #write(index: number, ended: Ended): Promise<void> {
    const { command, output, progress } = this.#work;
    this.#held.set(index, ended);
    const ready = command.ordered ? this.#inTurn() : [index];
    const written = ready.map((one) => {
      const { line, failed } = this.#held.get(one)!;
      this.#held.delete(one);
      progress.ended(failed);
      return output.write(line, failed);
    });
    await Promise.all(written);
    this.#room();
    progress.draw();
  }

  #inTurn(): number[] {
    const count = this.#expected.findIndex((index) => !this.#held.has(index));
    return this.#expected.splice(0, count < 0 ? this.#expected.length : count);
  }
}
