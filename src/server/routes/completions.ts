import type { Generation, Prompt, Score, Tokenizer } from "../../index.ts";
import { type Answer, answersOf, eventsOf } from "../answers.ts";
import { bodyOf, type Call, leaseOf, type Route } from "../call.ts";
import { engineOptions, SAMPLING_NAMES, seedOf } from "../engine-options.ts";
import { fingerprintOf, type Lease } from "../models.ts";
import { Refusal, refusalOf } from "../refusal.ts";
import { type CompletionRequest, completionRequest, promptsOf } from "../schemas/completions.ts";
import { eventStream, sseData } from "../sse.ts";
import { addLogprob, type CompletionLogprobs, noLogprobs, ToldTokens } from "../token-texts.ts";
import { warned } from "./chat.ts";
import { FINISH, openAiUsage } from "./openai.ts";
import { idsOf } from "./prompt-ids.ts";

/** OpenAI's completions: texts or ids that go on. */
export const completionRoute: Route = {
  method: "POST",
  path: "/v1/completions",
  summary: "Continues texts or ids",
  body: completionRequest,
  answer: async (call) => {
    const asked = await bodyOf(call, completionRequest);
    const lease = await leaseOf(call, asked.model);
    try {
      const texts = begin(asked, lease, call);
      const echoes = await echoesOf(texts, asked, lease, call);
      return asked.stream
        ? await streamed(texts, echoes, asked, lease, call)
        : await whole(texts, echoes, asked, lease, call);
    } catch (error) {
      throw refusalOf(error, SAMPLING_NAMES);
    }
  },
};

const MAX_TOKENS = 16;
const MOST_ANSWERS = 512;

/** One choice: a prompt, and what goes on it; null: nothing is to. */
interface Continued {
  readonly ids: readonly number[];
  /** Of them, what a client is told of: not the begin-of-text id that the server put there. */
  readonly shown: readonly number[];
  readonly text: string;
  readonly generation: Generation | null;
}

function begin(asked: CompletionRequest, lease: Lease, { ticket, service }: Call): Continued[] {
  const prompts = promptsOf(asked);
  const samples = asked.n ?? 1;
  if (prompts.length * samples > MOST_ANSWERS)
    throw new Refusal(400, "invalid_value", `more than ${MOST_ANSWERS} answers: prompts times n`, { param: "n" });
  const most = asked.max_tokens ?? lease.defaults.maxTokens ?? MAX_TOKENS;
  if (most === 0 && !asked.echo)
    throw new Refusal(400, "invalid_value", "0 tokens without echo: nothing is asked for", { param: "max_tokens" });
  const options = {
    ...engineOptions(asked, lease, ticket, service.options.deadline),
    maxTokens: most,
    logProbabilities: asked.logprobs,
  };
  const { tokenizer } = lease.model;
  return prompts.flatMap((prompt, index) => {
    const field = prompts.length === 1 && !Array.isArray(asked.prompt[0]) ? "prompt" : `prompt[${index}]`;
    const ids = idsOf(prompt as Prompt, field, tokenizer, service.options);
    const shown = typeof prompt === "string" && tokenizer.addBos ? ids.slice(1) : ids;
    const text = typeof prompt === "string" ? prompt : tokenizer.decode(ids);
    return Array.from({ length: samples }, (_, sample): Continued => {
      const seed = seedOf(options.seed, sample);
      return { ids, shown, text, generation: most === 0 ? null : lease.model.generate(ids, { ...options, seed }) };
    });
  });
}

/** Log-probabilities of the prompts, where they are told too. */
async function echoesOf(
  texts: readonly Continued[],
  { echo, logprobs }: CompletionRequest,
  { model }: Lease,
  { ticket }: Call,
): Promise<(CompletionLogprobs | null)[]> {
  if (!echo || logprobs === undefined) return texts.map(() => null);
  const made = new Map<readonly number[], Promise<CompletionLogprobs>>();
  return await Promise.all(
    texts.map((text) => {
      const known = made.get(text.ids) ?? echoOf(text, logprobs, model, ticket.signal);
      made.set(text.ids, known);
      return known;
    }),
  );
}

async function echoOf(
  { ids, shown }: Continued,
  logprobs: number,
  model: Lease["model"],
  signal: AbortSignal,
): Promise<CompletionLogprobs> {
  const lists = noLogprobs();
  const score: Score | null = ids.length < 2 ? null : await model.score(ids, { logProbabilities: logprobs, signal });
  const stream = model.tokenizer.stream();
  const hidden = ids.length - shown.length;
  let offset = 0;
  for (const id of ids.slice(0, hidden)) stream.push(id);
  for (const [index, id] of shown.entries()) {
    const at = index + hidden - 1;
    // What stands before it is nothing that the client gave.
    const first = index === 0;
    const top = first ? null : logprobs > 0 ? score?.top?.[at] : [];
    addLogprob(lists, model.tokenizer, { id, logProbability: first ? null : -score!.nll[at], top }, offset);
    offset += stream.push(id).length;
  }
  return lists;
}

interface Head {
  readonly id: string;
  readonly object: "text_completion";
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

function headOf({ name, model }: Lease): Head {
  const id = `cmpl-${crypto.randomUUID().replaceAll("-", "")}`;
  const created = Math.floor(Date.now() / 1000);
  return { id, object: "text_completion", created, model: name, system_fingerprint: fingerprintOf(model) };
}

/** Where the tokens of an answer stand in the text of its choice. */
function tell(lists: CompletionLogprobs, told: ToldTokens, tokenizer: Tokenizer, upTo: number, before: number): void {
  for (const { sampled, offset } of told.upTo(upTo)) {
    const { id, logProbability = 0, top } = sampled;
    addLogprob(lists, tokenizer, { id, logProbability, top }, before + offset);
  }
}

async function whole(
  texts: readonly Continued[],
  echoes: readonly (CompletionLogprobs | null)[],
  asked: CompletionRequest,
  lease: Lease,
  { ticket }: Call,
): Promise<Response> {
  const { tokenizer } = lease.model;
  const generations = texts.flatMap(({ generation }) => generation ?? []);
  const answers =
    generations.length > 0 ? await answersOf(generations, ticket, { oneCall: false }) : unread(texts, ticket);
  const choices = texts.map(({ text, generation }, index) => {
    const before = asked.echo ? text : "";
    let logprobs: CompletionLogprobs | null = null;
    if (asked.logprobs !== undefined) {
      // Samples of one prompt share its echo, and go on each for itself.
      logprobs = structuredClone(echoes[index]) ?? noLogprobs();
      if (generation)
        tell(logprobs, new ToldTokens(tokenizer, generation, true), tokenizer, Number.POSITIVE_INFINITY, before.length);
    }
    const { text: continued, finishReason } = answers[index];
    return { index, text: before + continued, logprobs, finish_reason: FINISH[finishReason] };
  });
  return Response.json({ ...headOf(lease), choices, usage: openAiUsage(answers, asked.n), ...warned(answers) });
}

/** Prompts behind which nothing is written. */
function unread(texts: readonly Continued[], ticket: Call["ticket"]): Answer[] {
  return texts.map(({ ids }) => {
    ticket.promptTokens += ids.length;
    return {
      ...{
        text: "",
        toolCalls: [],
        finishReason: "length",
        stopReason: "maxTokens",
        stoppedBy: undefined,
        warnings: [],
      },
      usage: { promptTokens: ids.length, completionTokens: 0, cachedTokens: 0 },
    };
  });
}

function streamed(
  texts: readonly Continued[],
  echoes: readonly (CompletionLogprobs | null)[],
  asked: CompletionRequest,
  lease: Lease,
  { ticket, service }: Call,
): Promise<Response> {
  return eventStream(chunks(texts, echoes, asked, lease, ticket), ticket, {
    ...service.options,
    failed: (refusal) => sseData(refusal.body),
  });
}

async function* chunks(
  texts: readonly Continued[],
  echoes: readonly (CompletionLogprobs | null)[],
  asked: CompletionRequest,
  lease: Lease,
  ticket: Call["ticket"],
): AsyncGenerator<string> {
  const head = headOf(lease);
  const { tokenizer } = lease.model;
  const withUsage = asked.stream_options?.include_usage === true;
  const chunk = (index: number, text: string, logprobs: CompletionLogprobs | null, answer?: Answer) =>
    sseData({
      ...head,
      choices: [{ index, text, logprobs, finish_reason: answer ? FINISH[answer.finishReason] : null }],
      ...(answer && warned([answer])),
      ...(withUsage && { usage: null }),
    });
  const generations = texts.flatMap(({ generation }) => generation ?? []);
  const told = generations.map((one) => (asked.logprobs === undefined ? null : new ToldTokens(tokenizer, one, true)));
  const lengths = texts.map(() => 0);
  const tokens = (index: number, upTo: number) => {
    const own = told[index];
    if (!own) return null;
    const lists = noLogprobs();
    tell(lists, own, tokenizer, upTo, asked.echo ? texts[index].text.length : 0);
    return lists;
  };
  const answers: Answer[] = generations.length > 0 ? [] : unread(texts, ticket);
  const echoed = new Set<number>();
  const echo = function* (index: number) {
    if (asked.echo && !echoed.has(index)) yield chunk(index, texts[index].text, echoes[index]);
    echoed.add(index);
  };
  for (const [index, answer] of answers.entries()) {
    yield* echo(index);
    yield chunk(index, "", tokens(index, 0), answer);
  }
  for await (const event of eventsOf(generations, ticket, { oneCall: false })) {
    const { index } = event;
    yield* echo(index);
    if ("answer" in event) {
      answers[index] = event.answer;
      yield chunk(index, "", tokens(index, Number.POSITIVE_INFINITY), event.answer);
    } else if (event.part.type === "text") {
      lengths[index] += event.part.text.length;
      yield chunk(index, event.part.text, tokens(index, lengths[index]));
    }
  }
  if (withUsage) yield sseData({ ...head, choices: [], usage: openAiUsage(answers, asked.n) });
  yield "data: [DONE]\n\n";
}
