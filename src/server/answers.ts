import type { AnswerPart, Generation, GenerationResult } from "../index.ts";
import type { Ticket } from "./requests.ts";

/** An answer at its end, as every API tells it. */
export interface Answer
  extends Pick<GenerationResult, "text" | "toolCalls" | "finishReason" | "stopReason" | "stoppedBy" | "warnings"> {
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number; readonly cachedTokens: number };
}

/** `index`: which of several answers to one prompt. */
export type AnswerEvent = { readonly index: number } & ({ readonly part: AnswerPart } | { readonly answer: Answer });

export interface AnswerRules {
  /** An answer ends behind its first call. */
  readonly oneCall: boolean;
}

/** Parts of all answers as they come, and each answer at its end. What fails one ends all; so does a reader that leaves. */
export async function* eventsOf(
  generations: readonly Generation[],
  ticket: Ticket,
  rules: AnswerRules,
): AsyncGenerator<AnswerEvent, void, undefined> {
  const readers = generations.map((generation, index) => eventsOfOne(generation, index, ticket, rules));
  const come: (() => AnswerEvent | null)[] = [];
  let wake = () => {};
  const ask = (index: number) => {
    const put = (take: () => AnswerEvent | null) => {
      come.push(take);
      wake();
    };
    readers[index].next().then(
      (step) => put(() => (step.done ? null : step.value)),
      (error: unknown) =>
        put(() => {
          throw error;
        }),
    );
  };
  for (const index of generations.keys()) ask(index);
  try {
    for (let running = generations.length; running > 0; ) {
      if (come.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const event = come.shift()!();
      if (event === null) running--;
      else {
        yield event;
        ask(event.index);
      }
    }
  } finally {
    for (const generation of generations) generation.cancel();
  }
}

/** All answers at their ends, in order. */
export async function answersOf(
  generations: readonly Generation[],
  ticket: Ticket,
  rules: AnswerRules,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for await (const event of eventsOf(generations, ticket, rules))
    if ("answer" in event) answers[event.index] = event.answer;
  return answers;
}

async function* eventsOfOne(
  generation: Generation,
  index: number,
  ticket: Ticket,
  { oneCall }: AnswerRules,
): AsyncGenerator<AnswerEvent, void, undefined> {
  for await (const part of generation.parts()) {
    yield { index, part };
    if (!oneCall || part.type !== "tool-call") continue;
    const { text, usage } = generation.partial;
    const { id, name, arguments: given } = part;
    generation.cancel();
    const ended = { finishReason: "tool-calls", stopReason: "format", stoppedBy: undefined, warnings: [] } as const;
    const answer = {
      ...ended,
      text,
      toolCalls: [{ id, name, arguments: given }],
      usage: { ...usage, cachedTokens: 0 },
    };
    count(ticket, answer, index);
    yield { index, answer };
    return;
  }
  const result = await generation.result();
  const { promptMs, generationMs } = result.timings;
  const steps = result.usage.completionTokens - 1;
  ticket.paces.push({ first: promptMs / 1000, between: steps > 0 ? generationMs / steps / 1000 : null });
  count(ticket, result, index);
  yield { index, answer: result };
}

/** Answers to one prompt read it once. */
function count(ticket: Ticket, { usage, finishReason }: Answer, index: number): void {
  if (index === 0) {
    ticket.promptTokens += usage.promptTokens;
    ticket.cachedTokens += usage.cachedTokens;
  }
  ticket.completionTokens += usage.completionTokens;
  ticket.finish ??= finishReason;
}
