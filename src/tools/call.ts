/** What an answer is made of where a model may call tools. */

export interface ToolCall {
  /** 9 letters and digits: of the seed, the prompt's length and the call's index, so that equal runs give equal ids. */
  readonly id: string;
  /** One of those that were offered. */
  readonly name: string;
  /** As the model wrote them; they are not checked against the tool's `parameters`. */
  readonly arguments: Record<string, unknown>;
}

/**
 * `tool-call-arguments` are pieces of the JSON text of one call's arguments. A call that begins and then does not parse ends in
 * `tool-call-broken`, and its text follows as text. `index` counts the calls that began.
 */
export type AnswerPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "tool-call-start"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: "tool-call-arguments"; readonly index: number; readonly text: string }
  | ({ readonly type: "tool-call"; readonly index: number } & ToolCall)
  | { readonly type: "tool-call-broken"; readonly index: number; readonly id: string };
