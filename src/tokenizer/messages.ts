/** The caller's messages, tools and variables, checked and turned into template values that remember their origin. */
import { EngineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import { readArguments } from "./call-arguments.ts";
import { isRecord, type JsonRecord } from "./hf-pipeline.ts";
import { normal } from "./template/numbers.ts";
import { Float, Mapping, Parts, SILENT_NONE, SILENT_UNDEFINED, Text, type Value } from "./template/values.ts";
import { checkWellFormed } from "./tokenizer.ts";

const LIMITS = { messages: 1024, parts: 1024, tools: 1024, depth: 64 };
const RESERVED = new Set(["messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "documents"]);

const NO_PLACE = "the chat template takes text alone";

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
    const content = readContent(message["content"], `${field}/content`, keepParts);
    empty &&= !calls && isEmpty(content);
    // In the caller's order: a template may print the whole message.
    const value = new Mapping([], true);
    for (const [key, item] of Object.entries(message)) {
      if (item === undefined) continue;
      const name = toValue(key, field);
      if (key === "content") value.set(name, content);
      else if (key === "tool_calls") value.set(name, readCalls(item, `${field}/${key}`));
      else if (key === "function_call") value.set(name, readCall(item, `${field}/${key}`, 1));
      else value.set(name, toValue(item, `${field}/${key}`));
    }
    return value;
  });
  if (empty) throw fault("REQ_EMPTY_PROMPT", "there is no message with content", "/messages");
  return values;
}

/** Null and absent stay what they are when a template asks, and print nothing. */
function readContent(content: unknown, field: string, keepParts: boolean): Value {
  if (content === undefined) return SILENT_UNDEFINED;
  if (content === null) return SILENT_NONE;
  if (typeof content === "string") return toValue(content, field);
  if (!Array.isArray(content)) throw fault("REQ_MESSAGE", "content is neither a string nor a list of parts", field);
  if (content.length > LIMITS.parts)
    throw fault("REQ_MESSAGE", `more than ${LIMITS.parts} parts`, field, content.length);
  const values = content.map((part: unknown, index): Text | null => {
    const at = `${field}/${index}`;
    if (!isRecord(part) || typeof part["type"] !== "string")
      throw fault("REQ_MESSAGE", "a part is an object with a type", at);
    if (part["type"] === "image" && "image" in part && keepParts) return null;
    if (part["type"] !== "text") {
      const what = part["type"] !== "image" || keepParts ? "only parts of text and images are read" : NO_PLACE;
      throw fault("REQ_UNSUPPORTED_CONTENT", what, `${at}/type`, part["type"]);
    }
    if (typeof part["text"] !== "string") throw fault("REQ_MESSAGE", "text is not a string", `${at}/text`);
    return toValue(part["text"], `${at}/text`) as Text;
  });
  if (!keepParts) return Text.foreign(values.map((text) => text!.text).join(""));
  const type = new Text("type");
  return Parts.from(
    values,
    (text): Value =>
      text
        ? new Mapping([
            [type, new Text("text")],
            [new Text("text"), text],
          ])
        : new Mapping([[type, new Text("image")]]),
  );
}

function isEmpty(content: Value): boolean {
  if (content instanceof Text) return content.text === "";
  if (!Array.isArray(content)) return true;
  return content.every((part) => ((part as Mapping).named("text") as Text | undefined)?.text === "");
}

function readCalls(calls: unknown, field: string): Value {
  return Array.isArray(calls)
    ? calls.map((call, index) => readCall(call, `${field}/${index}`, 2))
    : toValue(calls, field);
}

/** A call, or the function in it: `arguments` may be JSON text. */
function readCall(call: unknown, field: string, depth: number): Value {
  if (!isRecord(call)) return toValue(call, field);
  return readRecord(call, field, depth, (key, item, at) => {
    if (key === "arguments" && typeof item === "string") {
      checkWellFormed(item, at);
      return readArguments(item);
    }
    return key === "function" && depth > 1 ? readCall(item, at, 1) : toValue(item, at, 1);
  });
}

export function readTools(tools: unknown): Value {
  if (!Array.isArray(tools)) throw fault("REQ_MESSAGE", "tools are not a list", "/tools");
  if (tools.length > LIMITS.tools)
    throw fault("REQ_MESSAGE", `more than ${LIMITS.tools} tools`, "/tools", tools.length);
  // Templates ask `if tools`, some `if tools is not none`: no tools is none.
  if (tools.length === 0) return null;
  return tools.map((tool: unknown, index): Value => {
    const field = `/tools/${index}`;
    if (!isRecord(tool)) throw fault("REQ_MESSAGE", "a tool is an object", field);
    return toValue(wrapped(tool), field);
  });
}

/** `{ name, description, parameters }` -> what templates expect. Other objects, for example built-in tools, stay as they are. */
function wrapped(tool: JsonRecord): JsonRecord {
  const { type, ...rest } = tool;
  const bare = typeof tool["name"] === "string" && !("function" in tool) && (type === undefined || type === "function");
  return bare ? { type: "function", function: rest } : tool;
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
  if (typeof input === "number" && Number.isFinite(input)) {
    return Number.isInteger(input) ? normal(BigInt(input)) : new Float(input);
  }
  if (typeof input === "string") {
    checkWellFormed(input, field);
    return Text.foreign(input);
  }
  if (Array.isArray(input)) return input.map((item, index) => toValue(item, `${field}/${index}`, depth + 1));
  if (isRecord(input)) {
    return readRecord(input, field, depth, (_, value, at) => toValue(value, at, depth + 1));
  }
  throw fault("REQ_MESSAGE", "not a JSON value", field, typeof input);
}

function readRecord(
  record: JsonRecord,
  field: string,
  depth: number,
  read: (key: string, item: unknown, field: string) => Value,
): Mapping {
  if (depth > LIMITS.depth) throw fault("REQ_MESSAGE", "nested too deep", field);
  const map = new Mapping();
  for (const [key, item] of Object.entries(record)) {
    if (item === undefined) continue;
    checkWellFormed(key, field);
    map.set(Text.foreign(key), read(key, item, `${field}/${key}`));
  }
  return map;
}
