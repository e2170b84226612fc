// What every input is held to: only EngineError comes out, what is accepted is safe, nothing stays open, nothing global changes.

import { openCheckpoint } from "../../dist/src/checkpoint/open.js";
import { readDefaults } from "../../dist/src/engine/generation-config.js";
import { inspectCheckpoint } from "../../dist/src/engine/inspect-model.js";
import { EngineError } from "../../dist/src/error.js";
import { readConfig } from "../../dist/src/model/config/config.js";
import { readStoredGeneration } from "../../dist/src/model/config/stored-generation.js";
import { matricesOfModel } from "../../dist/src/model/plan/layout.js";
import { planModel } from "../../dist/src/model/plan/sizes.js";
import { mapWeights } from "../../dist/src/model/plan/weights.js";
import { LARGEST_MEMORY } from "../../dist/src/runtime/memory.js";
import { ChatTemplate, openChatTemplates } from "../../dist/src/tokenizer/chat.js";
import { openTokenizer } from "../../dist/src/tokenizer/tokenizer.js";
import { WEIGHT_TYPES } from "../../dist/src/weight-types.js";
import { mountFiles } from "./memory-files.mjs";

/** Blanks, digits, contractions, combining marks, four-byte characters, control tokens as text, a byte order mark, a zero byte. */
const HARD_TEXT = "It's 1234567 o'clock\r\n\t  naïve e\u0301 中文字 👩‍👩‍👧 <|eot|><s></s> \ufeff\0 aaaaaaaaaaaaaaaa  ";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

const PLAN = {
  wide: false,
  cache: "f32",
  activations: "q16",
  dot: "saturating",
  threads: 2,
  context: undefined,
  maxMemory: undefined,
  memoryLimit: undefined,
};

/** Milliseconds: of anything, and of a template, whatever it holds. */
const BOUND_MS = 100;
const TEMPLATE_MS = 300;
const NS_A_BYTE = 20;

/** A promise that an input broke; anything else that is no EngineError is as bad. */
class Broken extends Error {}

function promise(kept, what) {
  if (!kept) throw new Broken(what);
}

/**
 * Reads what an input holds as far as it goes without weights: `files` at `path`, or a `template`. Gives the first code of a refusal or
 * undefined, and the milliseconds of each stage; with `cpuTime`, which costs more to ask for, without what other processes took.
 */
export async function walk(input, conversation, fixedTokenizer, cpuTime = false) {
  const stages = new Stages(cpuTime);
  if (input.template !== undefined) {
    stages.bytes = input.template.length;
    await stages.run("template", () => renderAll(new ChatTemplate(input.template), conversation, fixedTokenizer));
  } else {
    const counts = mountFiles(input.files);
    const checkpoint = await stages.run("open", () => openCheckpoint(input.path));
    if (checkpoint) await walkCheckpoint(checkpoint, input, stages, conversation);
    promise(counts.open === 0, `${counts.open} files are left open`);
    stages.bytes = counts.read;
    const size = [...input.files.values()].reduce((sum, file) => sum + file.size, 0);
    promise(counts.read <= 2 * size, `${counts.read} bytes were read of a file of ${size}`);
  }
  checkGlobals();
  return stages;
}

async function walkCheckpoint(checkpoint, input, stages, conversation) {
  checkTensors(checkpoint);
  if (!input.weightless) {
    const config = await stages.run("config", () => readConfig(checkpoint).config);
    if (config) await stages.run("model", () => checkModel(checkpoint, config, input.inspected));
  }
  const tokenizer = await stages.run("tokenizer", () => openTokenizer(checkpoint, input.vocab));
  if (tokenizer) await stages.run("encode", () => checkTokenizer(tokenizer));
  await stages.run("defaults", () => checkDefaults(checkpoint, input.vocab, tokenizer ?? null));
  const templates = await stages.run("compile", () => openChatTemplates(checkpoint));
  for (const name of templates?.names ?? []) {
    const template = await stages.run("compile", () => templates.named(name));
    if (template) await stages.run("template", () => renderAll(template, conversation, tokenizer));
  }
  await checkpoint.close();
}

/** A recommendation never refuses a file: what is wrong in it is left out. */
function checkDefaults(checkpoint, vocab, tokenizer) {
  let read;
  try {
    read = readDefaults(readStoredGeneration(checkpoint), { vocab, context: 512 }, tokenizer);
  } catch (error) {
    throw new Error("a recommendation that throws", { cause: error });
  }
  const { temperature, topP, maxTokens } = read.options;
  promise(temperature >= 0 && temperature <= 2 && topP > 0 && topP <= 1 && maxTokens >= 1, "defaults out of range");
  promise(
    read.warnings.every((warning) => warning.length < 4000),
    "a warning of thousands of characters",
  );
  JSON.stringify(read.shown);
}

/** Runs the parts one after the other, keeping refusals and times. */
class Stages {
  code;
  error;
  times = {};
  /** Read from files. */
  bytes = 0;
  #cpuTime;

  constructor(cpuTime) {
    this.#cpuTime = cpuTime;
  }

  async run(name, work) {
    const start = performance.now();
    const cpu = this.#cpuTime ? process.cpuUsage() : undefined;
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      promise(/^[A-Z][A-Z0-9_]+$/.test(error.code), `the code ${error.code}`);
      promise(error.message.length < 4000, `a message of ${error.message.length} characters`);
      promise(!/[\0-\x09\x0b-\x1f\x7f]/.test(error.message), "control characters in a message");
      this.code ??= error.code;
      this.error ??= error;
    } finally {
      this.times[name] = performance.now() - start;
      if (cpu) {
        const { user, system } = process.cpuUsage(cpu);
        this.times[name] = Math.min(this.times[name], (user + system) / 1000);
      }
    }
  }

  /** The stage that took too long for so many bytes. */
  late() {
    return Object.entries(this.times).find(
      ([name, ms]) => ms > (name === "template" ? TEMPLATE_MS : BOUND_MS) + (this.bytes * NS_A_BYTE) / 1e6,
    );
  }
}

function checkTensors(checkpoint) {
  for (const { name, type, shape, source, offset, bytes } of checkpoint.tensors.values()) {
    const block = WEIGHT_TYPES[type];
    const elements = shape.reduce((product, size) => product * size, 1);
    const fits =
      [offset, bytes].every((value) => Number.isSafeInteger(value) && value >= 0) && offset + bytes <= source.size;
    promise(
      fits && (elements / block.elements) * block.bytes === bytes,
      `the tensor ${name}: ${bytes} bytes at ${offset} of ${source.size} for [${shape}]`,
    );
  }
}

/** A plan that fits, or a refusal; every weight lies within its tensor. */
function checkModel(checkpoint, config, inspected) {
  finite(config, "config");
  promise(config.layers.length > 0, "no layers");
  const { weights } = mapWeights(checkpoint, config);
  for (const { name, rows, cols, stored, start, outputStride, inputStride } of matricesOfModel(weights)) {
    const last = start + (rows - 1) * outputStride + (cols - 1) * inputStride;
    const elements = stored.shape.reduce((product, size) => product * size, 1);
    promise(rows > 0 && cols > 0 && start >= 0 && last < elements, `the matrix ${name} ends at ${last} of ${elements}`);
  }
  const plan = planModel(config, weights, PLAN);
  finite(plan.sizes, "sizes");
  const { total } = plan.memory;
  promise(Number.isSafeInteger(total) && total > 0, `a plan of ${total} bytes`);
  for (const { plan: memory } of plan.placed.map(({ layout }) => layout))
    promise(memory.bytes > 0 && memory.bytes <= LARGEST_MEMORY, `a memory of ${memory.bytes} bytes`);
  if (inspected) finite(inspectCheckpoint(checkpoint), "inspection");
}

function finite(value, path) {
  if (typeof value === "number")
    promise(Number.isFinite(value) && Math.abs(value) <= Number.MAX_VALUE, `${path} is ${value}`);
  else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value))
    for (const [key, inner] of Object.entries(value)) if (key !== "tensors") finite(inner, `${path}.${key}`);
}

function checkTokenizer(tokenizer) {
  for (const id of tokenizer.stopIds) promise(id >= 0 && id < tokenizer.vocabSize, `the stop id ${id}`);
  for (const specialTokens of [false, true]) {
    const ids = tokenizer.encode(HARD_TEXT, { specialTokens, addBos: true });
    promise(
      ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize),
      `ids ${ids}`,
    );
    // What ends an answer may be any token, if the file says so; text never makes one that structures a prompt.
    if (!specialTokens) {
      const made = new Set(ids.slice(1).filter((id) => isMarker(tokenizer, id)));
      // SentencePiece has one token for characters that it does not know.
      const unknown = made.size === 1 && tokenizer.kind === "sentencepiece" && !made.has(tokenizer.bos);
      promise(
        made.size === 0 || (unknown && !tokenizer.stopIds.some((id) => made.has(id))),
        "text became a control token",
      );
    }
    tokenizer.decode(ids, { specialTokens });
  }
}

function isMarker(tokenizer, id) {
  return tokenizer.isSpecial(id) && tokenizer.specialId(utf8.decode(tokenizer.tokenBytes(id))) === id;
}

function renderAll(template, { messages, tools }, tokenizer) {
  const now = new Date(0);
  const prompt = template.render(messages, { tools, now });
  promise(typeof prompt === "string", "a prompt that is no text");
  if (tokenizer) template.encode(tokenizer, messages, { now });
}

function checkGlobals() {
  for (const key in {}) {
    delete Object.prototype[key];
    throw new Broken(`Object.prototype has got ${key}`);
  }
}
