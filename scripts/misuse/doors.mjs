/** Every public function with every parameter and option, each with a value that works and what else may be taken. */
import { createModel, inspect, inspectAdapter, loadModel, openLogits, quantize } from "../../dist/src/index.js";

/** Which values a parameter may take without a word; what is none of them has to be refused. */
const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const absent = (value) => value === undefined;
const number = (value) => absent(value) || typeof value === "number";
const seed = (value) => number(value) || typeof value === "bigint" || (text(value) && /^\d+$/.test(value));
const flag = (value) => absent(value) || typeof value === "boolean";
const text = (value) => typeof value === "string";
const call = (value) => absent(value) || typeof value === "function";
const signal = (value) => absent(value) || tag(value) === "AbortSignal";
const list = (value) => Array.isArray(value) || (ArrayBuffer.isView(value) && tag(value) !== "DataView");
const iterable = (value) => typeof value === "object" && value !== null && Symbol.iterator in value;
const orAbsent = (kind) => (value) => absent(value) || kind(value);
const either =
  (...kinds) =>
  (value) =>
    kinds.some((kind) => kind(value));
const object = (value) => tag(value) === "Object";
const options = orAbsent((value) => object(value) && Object.keys(value).length === 0);
const numbers = orAbsent(either(number, list));
const any = () => true;

/** Of a model without adapters. */
const adapter = (value) => absent(value) || value === null;

const GENERATE = {
  maxTokens: number,
  minTokens: number,
  ignoreEos: flag,
  temperature: number,
  topK: number,
  topP: number,
  minP: number,
  typicalP: number,
  topNSigma: number,
  xtc: absent,
  dry: absent,
  repetitionPenalty: number,
  presencePenalty: number,
  frequencyPenalty: number,
  logitBias: orAbsent((value) => /^(Map|Object)$/.test(tag(value))),
  logitsProcessor: call,
  seed,
  stop: orAbsent(either(text, Array.isArray)),
  stopIds: orAbsent(list),
  logProbabilities: either(flag, number),
  specialTokens: flag,
  adapter,
  signal,
};

const CHAT = {
  toolChoice: orAbsent(either(text, object)),
  toolFormat: orAbsent(text),
  addGenerationPrompt: flag,
  variables: any,
  now: orAbsent((value) => tag(value) === "Date"),
  ...GENERATE,
};

const LOAD = {
  threads: number,
  build: orAbsent(text),
  wide: flag,
  context: number,
  cache: orAbsent(text),
  activations: orAbsent(text),
  quantize: orAbsent(text),
  maxMemory: either(number, text),
  memoryLimit: either(number, text),
  adapters: orAbsent((value) => Array.isArray(value) && value.length === 0),
  onProgress: call,
  generationConfig: flag,
  signal,
};

export const CONFIG = {
  vocab_size: 260,
  hidden_size: 32,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_local_experts: 2,
  interleave_moe_layer_step: 2,
  max_position_embeddings: 64,
};

const nullable = (kind) => (value) => value === null || kind(value);
const CREATE = {
  ...Object.fromEntries(Object.keys(CONFIG).map((name) => [`${name}|hyper-parameter|memory`, nullable(number)])),
  num_key_value_heads: nullable(number),
  head_dim: nullable(number),
  moe_layers: nullable(orAbsent(Array.isArray)),
  no_rope_layers: nullable(orAbsent(Array.isArray)),
  layer_types: nullable(orAbsent(Array.isArray)),
  attention_chunk_size: nullable(number),
  use_qk_norm: nullable(flag),
  rope_theta: nullable(number),
  rope_scaling: nullable(orAbsent(object)),
  rope_parameters: nullable(orAbsent(object)),
  tie_word_embeddings: nullable(flag),
  hidden_act: nullable(orAbsent(text)),
  bos_token_id: nullable(number),
  eos_token_id: nullable(numbers),
  router: nullable(orAbsent(text)),
  shared_expert: nullable(flag),
};

/** A source is told by what it is, once it is known. */
const SOURCE = "source|file|bytes|checkpoint|blob|gguf|server|logits";
const MESSAGES = [{ role: "user", content: "hi" }];
const IDS = [97, 98, 99];

/** A ByteSource over bytes, to be changed member by member. */
const sourceOf = ({ file: bytes }) => ({
  name: "model.gguf",
  size: bytes.length,
  read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  close: async () => {},
});

const finished = async (generation) => await generation.result();
const answered = async (model, ask) => {
  const session = model.session();
  try {
    await finished(ask(session));
  } finally {
    await session.dispose();
  }
};
const closed = async (model) => await (await model).dispose();
const heard = async (batch) => {
  let said = "";
  for await (const { text } of batch) said += text;
  return said;
};
const short = () => ({ maxTokens: 2 });
/** Prompts, or samples of them, may have no end. */
const brief = () => ({ ...short(), signal: AbortSignal.timeout(500) });

/**
 * A door: `run(env, ...values)` with a value for each of `params`: [name, the value that works, what may be taken, members of it].
 * A name `a|b` is told as one of them.
 */
export const DOORS = [
  ...["tokenizer", "bytes"].flatMap((which) => [
    door(`${which}.encode`, (env, ...values) => env[which].encode(...values), [
      ["text", () => "a <|end|> b", text],
      [
        "options",
        () => ({}),
        options,
        { specialTokens: flag, addBos: flag, addEos: flag, plain: orAbsent(list), continues: flag },
      ],
    ]),
    door(`${which}.decode`, (env, ...values) => env[which].decode(...values), [
      ["ids|id", () => IDS, either(list, iterable)],
      ["options", () => ({}), options, { specialTokens: flag, continues: flag }],
    ]),
    door(`${which}.stream`, (env, ...values) => env[which].stream(...values), [
      ["options", () => ({}), options, { specialTokens: flag, continues: flag }],
    ]),
    door(`${which}.stream().push`, (env, id) => env[which].stream().push(id), [["id", () => 97, number]]),
    door(`${which}.tokenBytes`, (env, id) => env[which].tokenBytes(id), [["id", () => 97, number]]),
    door(`${which}.isSpecial`, (env, id) => env[which].isSpecial(id), [["id", () => 97, number]]),
    door(`${which}.specialId`, (env, text) => env[which].specialId(text), [["text", () => "<|end|>", text]]),
  ]),
  door("generate", ({ model }, ...values) => finished(model.generate(...values)), [
    ["prompt", () => "ab", either(text, list)],
    ["options", short, orAbsent(object), GENERATE],
  ]),
  door("generate, a stream", ({ model }, ...values) => heardStream(model.generate(...values)), [
    ["prompt", () => IDS, either(text, list)],
    ["options", short, orAbsent(object), { signal, stop: GENERATE.stop }],
  ]),
  door("generateBatch", ({ model }, ...values) => heard(model.generateBatch(...values)), [
    ["prompt", () => ["ab", "c"], any],
    ["options", brief, orAbsent(object), { seed, signal, maxTokens: number, n: number, onError: either(text, call) }],
  ]),
  door("generateBatch, a prompt", ({ model }, prompt) => heard(model.generateBatch(["ab", prompt], brief())), [
    ["prompt", () => "ab", any],
  ]),
  door("chat", ({ speaker }, ...values) => finished(speaker.chat(...values)), [
    ["messages|message", () => MESSAGES, any],
    ["options", short, orAbsent(object), { tools: any, ...CHAT }],
  ]),
  door("runTools", ({ speaker }, ...values) => speaker.runTools(...values), [
    ["messages", () => MESSAGES, list],
    [
      "options|tools",
      () => ({ tools: { f: { run: () => 1 } }, ...short() }),
      object,
      { ...CHAT, tools: object, maxRounds: number, onPart: call },
    ],
  ]),
  door("chat, a message", ({ speaker }, message) => finished(speaker.chat([message], short())), [
    [
      "message|prompt",
      () => MESSAGES[0],
      any,
      { "role|prompt": text, "content|prompt": any, name: any, tool_calls: any },
    ],
  ]),
  door("score", ({ model }, ...values) => model.score(...values), [
    ["text|prompt", () => "abc", either(text, list)],
    ["options", () => ({}), options, { prompt: orAbsent(either(text, list)), adapter, signal }],
  ]),
  door("perplexity", ({ model }, ...values) => model.perplexity(...values), [
    ["text|prompt", () => "abcdefgh", either(text, list)],
    [
      "options",
      () => ({}),
      options,
      { window: number, stride: nullable(number), onProgress: call, saveLogits: call, adapter, signal },
    ],
  ]),
  door("divergence", ({ model }, ...values) => model.divergence(...values), [
    ["text|prompt", () => "abcdefgh", either(text, list)],
    ["reference", ({ model }) => model, () => false],
    ["options", () => ({}), options, { window: number, stride: nullable(number), onProgress: call, signal }],
  ]),
  door("trace", ({ model }, ...values) => model.trace(...values), [
    ["ids|prompt", () => IDS, list],
    ["options", () => ({}), options, { taps: orAbsent(Array.isArray), adapter, signal }],
  ]),
  door("embed", ({ model }, ...values) => model.embed(...values), [
    ["text|prompt", () => "abc", either(text, list)],
    ["options", () => ({}), options, { pooling: absent, normalize: flag, adapter, signal }],
  ]),
  door("embedBatch", ({ model }, ...values) => model.embedBatch(...values), [
    ["prompts|prompt", () => ["abc", [97]], either(list, text)],
    ["options", () => ({}), options, { pooling: absent, normalize: flag, adapter, signal }],
  ]),
  door("profile", ({ model }, work) => model.profile(work), [["work", () => async () => {}, call]]),
  door("session", ({ model }, ...values) => model.session(...values).dispose(), [
    ["options", () => ({}), options, { adapter }],
  ]),
  door("session.sync", ({ session }, ...values) => session.sync(...values), [
    ["ids|prompt", () => IDS, list],
    ["options", () => ({}), options, { signal }],
  ]),
  door("session.rewind", ({ session }, length) => session.rewind(length), [["length|rewind", () => 0, number]]),
  door("session.generate", ({ model }, ...values) => answered(model, (session) => session.generate(...values)), [
    ["more|prompt", () => "ab", orAbsent(either(text, list))],
    ["options", short, orAbsent(object), { signal, maxTokens: number, stop: GENERATE.stop }],
  ]),
  door("session.chat", ({ speaker }, ...values) => answered(speaker, (session) => session.chat(...values)), [
    ["messages|message", () => MESSAGES, any],
    ["options", short, orAbsent(object), { signal, maxTokens: number, tools: any }],
  ]),
  door("createModel", (_, ...values) => closed(createModel(...values)), [
    ["config|hyper-parameter", () => ({ ...CONFIG }), () => false, CREATE],
    ["options", () => ({ threads: 0 }), options, { ...LOAD, seed: number, type: orAbsent(text) }],
  ]),
  door("loadModel", (_, ...values) => closed(loadModel(...values)), [
    [SOURCE, ({ path }) => path, () => false],
    ["options", () => ({ threads: 0 }), options, LOAD],
  ]),
  door("loadModel, a ByteSource", (_, source) => closed(loadModel(source, { threads: 0 })), [
    [
      SOURCE,
      sourceOf,
      any,
      {
        "name|source": text,
        "size|gguf|source": number,
        "read|gguf|source": call,
        "close|source": call,
        "verify|source": call,
      },
    ],
  ]),
  door("inspect", (_, source) => inspect(source), [[SOURCE, ({ path }) => path, () => false]]),
  door("inspectAdapter", (_, source) => inspectAdapter(source), [[SOURCE, ({ adapter }) => adapter, () => false]]),
  door("openLogits", async (_, source) => await (await openLogits(source)).close(), [
    [SOURCE, ({ logits }) => logits, () => false],
  ]),
  door("quantize", (_, ...values) => quantize(...values), [
    [SOURCE, ({ path }) => path, () => false],
    ["target|file", () => new WritableStream(), text],
    [
      "options|type",
      () => ({ type: "q4_0", threads: 0, signal: AbortSignal.timeout(50) }),
      () => false,
      { type: () => false, threads: number, onProgress: call },
    ],
  ]),
];

function door(name, run, params) {
  return { name, run, params };
}

async function heardStream(generation) {
  const reader = generation.toReadableStream().getReader();
  for (;;) if ((await reader.read()).done) return;
}

/** The values that work, for a call to spoil. */
export const argumentsOf = ({ params }, env) => params.map(([, make]) => make(env));

/** The places where a value goes in: `put` it among the arguments, as a parameter or as a member of one. */
export function slotsOf({ name, params }) {
  return params.flatMap(([param, , takes, members = {}], index) => [
    {
      name: `${name}(${param})`,
      // A name in them that is none is told by itself.
      told: /^options/.test(param) ? [...param.split("|"), "this option"] : param.split("|"),
      takes,
      whole: true,
      index,
      put: (values, value) => values.with(index, value),
    },
    ...Object.entries(members).map(([member, takes]) => ({
      name: `${name}(${param}.${member})`,
      told: member.split("|"),
      takes,
      whole: false,
      index,
      put: (values, value) => values.with(index, { ...values[index], [member.split("|")[0]]: value }),
    })),
  ]);
}
