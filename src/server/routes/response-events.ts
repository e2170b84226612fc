import type { Generation } from "../../index.ts";
import { type Answer, type AnswerRules, eventsOf } from "../answers.ts";
import type { Ticket } from "../requests.ts";
import { sseEvent } from "../sse.ts";
import { callItem, ended, idOf, type Shape } from "./response-shape.ts";

interface Beside {
  keep(answer: Answer, response: Shape): void;
  readonly logprobs: (() => unknown[]) | undefined;
}

/** The events of a response that is streamed: each item of its output begins, grows and ends. */
export async function* responseEvents(
  generation: Generation,
  ticket: Ticket,
  rules: AnswerRules,
  shape: Shape,
  { keep, logprobs }: Beside,
): AsyncGenerator<string> {
  let number = 0;
  const event = (type: string, rest: object) => sseEvent(type, { type, sequence_number: number++, ...rest });
  const output: object[] = [];
  let message: { readonly id: string; text: string } | null = null;
  const part = (text: string, more: object = {}) => ({ type: "output_text", text, annotations: [], ...more });
  const place = () => ({ item_id: message!.id, output_index: output.length, content_index: 0 });

  function* open() {
    message = { id: idOf("msg"), text: "" };
    const item = { id: message.id, type: "message", role: "assistant", status: "in_progress", content: [] };
    yield event("response.output_item.added", { output_index: output.length, item });
    yield event("response.content_part.added", { ...place(), part: part("") });
  }
  function* close(status: string) {
    if (!message) return;
    const more = logprobs && { logprobs: logprobs() };
    const { id, text } = message;
    yield event("response.output_text.done", { ...place(), text, logprobs: more?.logprobs ?? [] });
    yield event("response.content_part.done", { ...place(), part: part(text, more) });
    const item = { id, type: "message", role: "assistant", status, content: [part(text, more)] };
    yield event("response.output_item.done", { output_index: output.length, item });
    output.push(item);
    message = null;
  }

  yield event("response.created", { response: shape });
  yield event("response.in_progress", { response: shape });
  for await (const told of eventsOf([generation], ticket, rules)) {
    if ("answer" in told) {
      const { answer } = told;
      // An answer without text and calls is a message all the same.
      if (!message && output.length === 0) yield* open();
      yield* close(answer.finishReason === "length" ? "incomplete" : "completed");
      const response = ended(shape, answer, output);
      keep(answer, response);
      yield event(`response.${response["status"]}`, { response });
    } else if (told.part.type === "text") {
      if (!message) yield* open();
      message!.text += told.part.text;
      yield event("response.output_text.delta", { ...place(), delta: told.part.text, logprobs: [] });
    } else if (told.part.type === "tool-call") {
      yield* close("completed");
      const item = callItem(told.part, idOf("fc"));
      const at = { item_id: item.id, output_index: output.length };
      const begun = { ...item, status: "in_progress", arguments: "" };
      yield event("response.output_item.added", { output_index: output.length, item: begun });
      yield event("response.function_call_arguments.delta", { ...at, delta: item.arguments });
      yield event("response.function_call_arguments.done", { ...at, name: item.name, arguments: item.arguments });
      yield event("response.output_item.done", { output_index: output.length, item });
      output.push(item);
    }
  }
}
