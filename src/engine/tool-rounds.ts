import { orAborted } from "../abortable.ts";
import { EngineError } from "../error.ts";
import type { Generation } from "../generate/generation.ts";
import { checkSignal } from "../generate/options.ts";
import type { GenerationResult } from "../generate/result.ts";
import { checkFunction, checkPlain, isFunction, isPlain, tell, wrong } from "../given.ts";
import type { ChatMessage } from "../tokenizer/chat.ts";
import { readChatInput } from "../tokenizer/chat-input.ts";
import type { AnswerPart, ToolCall } from "../tools/call.ts";
import type { ChatOptions } from "./chat-request.ts";

/** A tool and what it does. */
export interface RunnableTool {
  readonly description?: string;
  /** JSON Schema of the arguments. Default: an object without properties. */
  readonly parameters?: unknown;
  readonly strict?: boolean;
  /**
   * What it gives (awaited) is told to the model: text as it is, anything else as JSON. What it throws is told too, as `Error: ...`,
   * unless the signal was aborted.
   */
  run(given: Record<string, unknown>, call: ToolContext): unknown;
}

export interface ToolContext {
  readonly id: string;
  readonly name: string;
  /** Of the whole run. */
  readonly signal: AbortSignal;
}

export interface RunToolsOptions extends Omit<ChatOptions, "tools"> {
  /** By name. */
  readonly tools: Readonly<Record<string, RunnableTool>>;
  /** Answers at most. Default: 8. */
  readonly maxRounds?: number;
  /** Told of every part of every answer as it comes; rounds count from 0. */
  readonly onPart?: (part: AnswerPart, round: number) => void;
}

/** What came of a conversation with tools. */
export interface ToolRun {
  /** All of it: what was given, answers with calls, results, the last answer. Given to `chat` again it goes on. */
  readonly messages: readonly ChatMessage[];
  /** Of the last answer. */
  readonly result: GenerationResult;
  /** Sums over all answers. */
  readonly usage: GenerationResult["usage"];
  readonly rounds: number;
  /** The limit that ended it: the calls of the last answer were not run. */
  readonly stoppedBy: "maxRounds" | undefined;
  /** Of all answers, each once. */
  readonly warnings: readonly string[];
}

type Chat = (messages: readonly ChatMessage[], options: ChatOptions) => Generation;

const ROUNDS = 8;

/** Answers, runs what the answer calls, tells the results and answers again, until an answer calls nothing. */
export async function runTools(
  chat: Chat,
  messages: readonly ChatMessage[],
  given: RunToolsOptions | undefined,
): Promise<ToolRun> {
  checkPlain(given);
  const { tools, maxRounds = ROUNDS, onPart, ...options } = given ?? ({} as RunToolsOptions);
  const runnable = readRunnable(tools);
  if (!Number.isInteger(maxRounds) || maxRounds < 1)
    throw wrong("maxRounds", "not a number of answers", "an integer >= 1", maxRounds);
  if (onPart !== undefined) checkFunction(onPart, "onPart");
  const signal = checkSignal(options.signal) ?? new AbortController().signal;
  const read = readChatInput(messages, {}).messages;
  if (!Array.isArray(read)) {
    throw new EngineError("REQ_MESSAGE", "messages are not a list", { at: { source: "prompt", field: "/messages" } });
  }
  const all: ChatMessage[] = [...read];
  const offered = [...runnable].map(([name, { run: _, ...said }]) => ({ name, ...said }));
  const warnings = new Set<string>();
  let usage: GenerationResult["usage"] | undefined;
  let turn: Turn = { at: all.length, text: "", outcomes: [] };
  for (let round = 0; ; round++) {
    // A call that must come would come for ever.
    const later = round > 0 && options.toolChoice !== "none" ? { toolChoice: "auto" as const } : {};
    const generation = begin(chat, all, turn, { ...options, ...later, tools: offered });
    if (onPart) for await (const part of generation.parts()) onPart(part, round);
    const result = await generation.result();
    for (const warning of result.warnings) warnings.add(warning);
    usage = usage ? sum(usage, result.usage) : result.usage;
    const { text, toolCalls, finishReason } = result;
    const over = toolCalls.length === 0 || finishReason === "length";
    if (over || round + 1 === maxRounds) {
      all.push(answerOf(text, toolCalls));
      if (!over) warnings.add(`TOOL_ROUNDS: the last of ${maxRounds} answers calls tools, which were not run`);
      const stoppedBy = over ? undefined : "maxRounds";
      return { messages: all, result, usage, rounds: round + 1, stoppedBy, warnings: [...warnings] };
    }
    const running = toolCalls.map((call) => runOne(runnable.get(call.name)!, call, signal));
    const outcomes = await orAborted(Promise.all(running), signal);
    turn = { at: all.length, text, outcomes };
    all.push(answerOf(text, toolCalls), ...outcomes.map(resultOf));
  }
}

/** Calls of an answer with their results, which stand in the messages from `at` on. */
interface Turn {
  readonly at: number;
  readonly text: string;
  readonly outcomes: readonly Outcome[];
}

interface Outcome {
  readonly call: ToolCall;
  readonly content: string;
}

/** Llama 3.1's template refuses an answer of several calls. Then each becomes an answer of its own, with its result behind it. */
function begin(chat: Chat, all: ChatMessage[], { at, text, outcomes }: Turn, options: ChatOptions): Generation {
  try {
    return chat(all, options);
  } catch (error) {
    if (!(error instanceof EngineError && error.code === "TPL_RAISED") || outcomes.length < 2) throw error;
    const single = outcomes.flatMap((outcome, index) => [
      answerOf(index === 0 ? text : "", [outcome.call]),
      resultOf(outcome),
    ]);
    all.splice(at, Number.POSITIVE_INFINITY, ...single);
    return chat(all, options);
  }
}

function answerOf(content: string, calls: readonly ToolCall[]): ChatMessage {
  if (calls.length === 0) return { role: "assistant", content };
  const said = calls.map(({ id, name, arguments: given }) => ({
    id,
    type: "function",
    function: { name, arguments: given },
  }));
  return { role: "assistant", content, tool_calls: said };
}

const resultOf = ({ call: { id, name }, content }: Outcome): ChatMessage => ({
  role: "tool",
  tool_call_id: id,
  name,
  content,
});

async function runOne(tool: RunnableTool, call: ToolCall, signal: AbortSignal): Promise<Outcome> {
  const { id, name } = call;
  try {
    // A copy: what a tool does to its arguments is not what the model said.
    const value = await tool.run(structuredClone(call.arguments), { id, name, signal });
    return { call, content: contentOf(value) };
  } catch (error) {
    return { call, content: `Error: ${messageOf(error)}` };
  }
}

function contentOf(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
  if (/[\ud800-\udfff]/u.test(text)) throw new Error("the result is not well-formed Unicode");
  return text;
}

function messageOf(error: unknown): string {
  try {
    const { message } = error as { message?: unknown };
    if (typeof message === "string") return message.replace(/[\ud800-\udfff]/gu, "\ufffd");
  } catch {
    // A getter, or nothing that has members.
  }
  return String(tell(error));
}

function readRunnable(tools: unknown): ReadonlyMap<string, RunnableTool> {
  if (!isPlain(tools))
    throw wrong("tools", "tools: no tools by name", "an object of { description, parameters, run }", tools);
  return new Map(Object.entries(tools).map(([name, tool]) => [name, readOne(tool, `tools.${name}`)]));
}

function readOne(tool: unknown, field: string): RunnableTool {
  if (!isPlain(tool)) throw wrong(field, "not a tool", "{ description, parameters, run }", tool);
  const { description, parameters = { type: "object", properties: {} }, strict, run, ...rest } = { ...tool };
  const [other] = Object.keys(rest);
  if (other !== undefined)
    throw wrong(`${field}.${other}`, "a tool has no such member", "description, parameters, strict, run", other);
  if (!isFunction(run)) throw wrong(`${field}.run`, "not a function", "a function", run);
  return {
    ...(description === undefined ? {} : { description: description as string }),
    parameters,
    ...(strict === undefined ? {} : { strict: strict as boolean }),
    run: (given, context) => (run as RunnableTool["run"]).call(tool, given, context),
  };
}

function sum(a: GenerationResult["usage"], b: GenerationResult["usage"]): GenerationResult["usage"] {
  const keys = Object.keys(a) as (keyof GenerationResult["usage"])[];
  return Object.fromEntries(keys.map((key) => [key, a[key] + b[key]])) as unknown as GenerationResult["usage"];
}
