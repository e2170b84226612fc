/** The caller's messages, tools and variables, checked and turned into template values that remember their origin. */
import { EngineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import { isRecord, type JsonRecord } from "./hf-pipeline.ts";
import { Float, Parts, Text, type Value } from "./template/values.ts";
import { checkWellFormed } from "./tokenizer.ts";

const LIMITS = { messages: 1024, parts: 1024, tools: 1024, depth: 64 };
const RESERVED = new Set(["messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "documents"]);

function fault(code: ErrorCode, what: string, field: string, actual?: string | number): EngineError {
  return new EngineError(code, what, { at: { source: "prompt", field }, actual });
}

export function readMessages(messages: unknown, keepParts: boolean): Value[] {
  if (!Array.isArray(messages)) throw fault("REQ_MESSAGE", "messages are not a list", "/messages");
  if (messages.length > LIMITS.messages) {
    throw fault("REQ_MESSAGE", `more than ${LIMITS.messages} messages`, "/messages", messages.length);
  }
  let empty = true;
  const values = messages.map((message: unknown, index): Value => {
    const field = `/messages/${index}`;
    if (!isRecord(message)) throw fault("REQ_MESSAGE", "a message is an object", field);
    const { role } = message;
    if (typeof role !== "string" || role === "") throw fault("REQ_MESSAGE", "role is not a name", `${field}/role`);
    const calls = Array.isArray(message["tool_calls"]) && message["tool_calls"].length > 0;
    const content = readContent(message, calls, `${field}/content`, keepParts);
    empty &&= !calls && isEmpty(content);
    // In the caller's order: a template may print the whole message.
    const value = new Map<string, Value>();
    for (const [key, item] of Object.entries(message)) {
      if (key === "content") value.set(key, content);
      else if (item !== undefined) value.set(key, toValue(item, `${field}/${key}`));
    }
    return value.set("content", content);
  });
  if (empty) throw fault("REQ_EMPTY_PROMPT", "there is no message with content", "/messages");
  return values;
}

function readContent(message: JsonRecord, calls: boolean, field: string, keepParts: boolean): Text | Value[] {
  const { content } = message;
  // An assistant that only calls tools says nothing.
  if (calls && (content === null || content === undefined)) return new Text("");
  if (typeof content === "string") return toValue(content, field) as Text;
  if (!Array.isArray(content)) throw fault("REQ_MESSAGE", "content is neither a string nor a list of parts", field);
  if (content.length > LIMITS.parts)
    throw fault("REQ_MESSAGE", `more than ${LIMITS.parts} parts`, field, content.length);
  const texts = content.map((part: unknown, index): Text => {
    const at = `${field}/${index}`;
    if (!isRecord(part) || typeof part["type"] !== "string")
      throw fault("REQ_MESSAGE", "a part is an object with a type", at);
    if (part["type"] !== "text") {
      throw fault("REQ_UNSUPPORTED_CONTENT", "only text parts are supported", `${at}/type`, part["type"]);
    }
    if (typeof part["text"] !== "string") throw fault("REQ_MESSAGE", "text is not a string", `${at}/text`);
    return toValue(part["text"], `${at}/text`) as Text;
  });
  if (!keepParts) return Text.foreign(texts.map((part) => part.text).join(""));
  return Parts.from(
    texts,
    (text): Value =>
      new Map([
        ["type", new Text("text")],
        ["text", text],
      ]),
  );
}

function isEmpty(content: Text | Value[]): boolean {
  return content instanceof Text
    ? content.text === ""
    : content.every((part) => ((part as Map<string, Value>).get("text") as Text).text === "");
}

export function readTools(tools: unknown): Value {
  if (!Array.isArray(tools)) throw fault("REQ_MESSAGE", "tools are not a list", "/tools");
  if (tools.length > LIMITS.tools)
    throw fault("REQ_MESSAGE", `more than ${LIMITS.tools} tools`, "/tools", tools.length);
  // Templates ask `if tools`, some `if tools is not none`: no tools is none.
  return tools.length === 0 ? null : toValue(tools, "/tools");
}

export function readVariables(variables: Readonly<Record<string, unknown>>): [string, Value][] {
  return Object.entries(variables).map(([name, value]) => {
    if (
      RESERVED.has(name) ||
      !/^[A-Za-z_]\w{0,63}$/.test(name) ||
      !["string", "number", "boolean"].includes(typeof value)
    ) {
      throw fault("REQ_UNSUPPORTED_PARAM", "cannot set this variable of the template", `/variables/${name}`);
    }
    return [name, toValue(value, `/variables/${name}`)];
  });
}

/** Plain JSON -> template value; strings are the caller's. */
function toValue(input: unknown, field: string, depth = 0): Value {
  if (depth > LIMITS.depth) throw fault("REQ_MESSAGE", "nested too deep", field);
  if (input === null || typeof input === "boolean") return input;
  if (typeof input === "number" && Number.isFinite(input)) return Number.isInteger(input) ? input : new Float(input);
  if (typeof input === "string") {
    checkWellFormed(input, field);
    return Text.foreign(input);
  }
  if (Array.isArray(input)) return input.map((item, index) => toValue(item, `${field}/${index}`, depth + 1));
  if (isRecord(input)) {
    const entries = Object.entries(input).filter(([, value]) => value !== undefined);
    return new Map(
      entries.map(([key, value]): [string, Value] => {
        checkWellFormed(key, field);
        return [key, toValue(value, `${field}/${key}`, depth + 1)];
      }),
    );
  }
  throw fault("REQ_MESSAGE", "not a JSON value", field, typeof input);
}
