/**
 * A grammar over bytes, as a graph of fragments: what a schema, a pattern or GBNF is turned into, and what the automaton is compiled
 * from. Fragments are plain values that may be shared and put into each other:
 *
 *     sequence(literal('{"name":"f","arguments":'), schemaFragment(schema), literal("}"))
 *
 * Recursion goes through rules: make one with `rule`, use it with `call`, give it its body later.
 */
export type Fragment =
  /** One byte of these inclusive ranges. */
  | { readonly kind: "bytes"; readonly ranges: readonly Range[] }
  /** One of these byte strings; they may be many, and begin alike. */
  | { readonly kind: "words"; readonly words: readonly Uint8Array[] }
  | { readonly kind: "sequence"; readonly parts: readonly Fragment[] }
  /** No parts: nothing can be written. */
  | { readonly kind: "choice"; readonly parts: readonly Fragment[] }
  /** `text`: the body can be any plain code point (`PLAIN`), so that most tokens are allowed without being looked at. */
  | {
      readonly kind: "repeat";
      readonly body: Fragment;
      readonly min: number;
      readonly max: number;
      readonly text: boolean;
    }
  | { readonly kind: "call"; readonly rule: Rule };

/** [first, last] */
export type Range = readonly [number, number];

export interface Rule {
  readonly name: string;
  body: Fragment | null;
}

const encoder = new TextEncoder();

export const literal = (text: string): Fragment => ({ kind: "words", words: [encoder.encode(text)] });
export const words = (texts: readonly string[]): Fragment => ({
  kind: "words",
  words: texts.map((text) => encoder.encode(text)),
});
export const bytes = (ranges: readonly Range[]): Fragment => ({ kind: "bytes", ranges });
export const sequence = (...parts: Fragment[]): Fragment => sequenceOf(parts);
export const choice = (...parts: Fragment[]): Fragment => choiceOf(parts);
/** Of any number of parts: more than a call has arguments. */
export const sequenceOf = (parts: readonly Fragment[]): Fragment =>
  parts.length === 1 ? parts[0] : { kind: "sequence", parts };
export const choiceOf = (parts: readonly Fragment[]): Fragment =>
  parts.length === 1 ? parts[0] : { kind: "choice", parts };
export const repeat = (body: Fragment, min: number, max: number, text = false): Fragment => ({
  kind: "repeat",
  body,
  min,
  max,
  text,
});
export const optional = (body: Fragment): Fragment => repeat(body, 0, 1);
export const rule = (name: string, body: Fragment | null = null): Rule => ({ name, body });
export const call = (called: Rule): Fragment => ({ kind: "call", rule: called });
export const NOTHING: Fragment = { kind: "choice", parts: [] };
export const EMPTY: Fragment = literal("");
