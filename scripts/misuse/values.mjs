/** Values of every kind that a caller may hand over by mistake or on purpose. Each is made anew for each call. */
import { createContext, runInContext } from "node:vm";

/** What the caller's own code throws: it has to come out as it is. */
export class Callers extends Error {}
const throwing = () => {
  throw new Callers("the caller's own");
};

const TRAPS = [
  ...["get", "set", "has", "ownKeys", "getOwnPropertyDescriptor", "getPrototypeOf", "isExtensible", "deleteProperty"],
  ...["apply", "construct"],
];
const trapped = (target) => new Proxy(target, Object.fromEntries(TRAPS.map((trap) => [trap, throwing])));

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function detached(make) {
  const view = make(new ArrayBuffer(16));
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function shrunk() {
  const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
  const view = new Uint8Array(buffer, 8, 8);
  buffer.resize(4);
  return view;
}

function rejected() {
  const promise = Promise.reject(new Callers("rejected"));
  promise.catch(() => {});
  return promise;
}

const elsewhere = createContext({});
const of = (text) => () => runInContext(text, elsewhere);

const TYPED = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array],
  ...[Float64Array, BigInt64Array, BigUint64Array],
];

const PLAIN = {
  undefined: undefined,
  null: null,
  true: true,
  false: false,
  NaN: Number.NaN,
  "-0": -0,
  Infinity: Infinity,
  "-Infinity": -Infinity,
  "-1": -1,
  0: 0,
  1: 1,
  1.5: 1.5,
  "2^31": 2 ** 31,
  "2^53": 2 ** 53,
  "1e-320": 1e-320,
  "1n": 1n,
  "-1n": -1n,
  "2n ** 5000n": 2n ** 5000n,
  "a well-known symbol": Symbol.iterator,
  "empty text": "",
  text: "text",
  "digits as text": "1",
  "long text": "long ".repeat(2000),
  "half a pair": "a\ud800b",
  "NUL in text": "a\0b",
  "a name of Object": "__proto__",
};

const MADE = {
  symbol: () => Symbol("s"),
  function: () => () => 1,
  "throwing function": () => throwing,
  "async function": () => async () => 1,
  generator: () =>
    (function* () {
      yield 1;
    })(),
  class: () => class {},
  Date: () => new Date(0),
  "invalid Date": () => new Date(Number.NaN),
  RegExp: () => /a/,
  Error: () => new Error("e"),
  Map: () => new Map([[1, 1]]),
  "Map of symbols": () => new Map([[Symbol("s"), Symbol("t")]]),
  Set: () => new Set([1, 2]),
  WeakMap: () => new WeakMap(),
  Promise: () => Promise.resolve(1),
  "rejected Promise": rejected,
  // biome-ignore-start lint/suspicious/noThenProperty: that is what is tried
  thenable: () => ({ then: (resolve) => resolve(1) }),
  "thenable that throws": () => ({ then: throwing }),
  // biome-ignore-end lint/suspicious/noThenProperty: that is what is tried
  URL: () => new URL("http://127.0.0.1:9/model.gguf"),
  "URL of another kind": () => new URL("ftp://127.0.0.1/x"),
  Blob: () => new Blob(["abc"]),
  ReadableStream: () => new ReadableStream({ start: (controller) => controller.close() }),
  Headers: () => new Headers(),
  "wasm memory": () => new WebAssembly.Memory({ initial: 1 }),

  Proxy: () => new Proxy({}, {}),
  "Proxy of an array": () => new Proxy([1], {}),
  "throwing Proxy": () => trapped({}),
  "throwing Proxy of an array": () => trapped([1]),
  "throwing Proxy of a function": () => trapped(() => 1),
  "revoked Proxy": () => revoked({}),
  "revoked Proxy of an array": () => revoked([]),
  "revoked Proxy of a function": () => revoked(() => {}),

  "[]": () => [],
  "[1]": () => [1],
  "[1, 2]": () => [1, 2],
  "array of undefined": () => [undefined],
  "array of null": () => [null],
  "array with a hole": () => Object.assign([], { 0: 1, 2: 1 }),
  "array of 2^32 - 1 holes": () => Object.assign([], { length: 2 ** 32 - 1 }),
  "array of text": () => ["text"],
  "array of NaN": () => [Number.NaN],
  "array of symbols": () => [Symbol("s")],
  "array of null prototypes": () => [Object.create(null)],
  "array of revoked": () => [revoked({})],
  "array that contains itself": () => {
    const array = [];
    array.push(array);
    return array;
  },
  "array with a throwing element": () => Object.defineProperty([1, 2], 1, { get: throwing }),
  "array with an endless iterator": () =>
    Object.assign([1, 2], {
      *[Symbol.iterator]() {
        for (;;) yield 1;
      },
    }),
  "array with a throwing iterator": () => Object.assign([1], { [Symbol.iterator]: throwing }),
  "array like": () => ({ length: 2, 0: 1, 1: 2 }),
  "endless array like": () => ({ length: Infinity }),

  "{}": () => ({}),
  "null prototype": () => Object.create(null),
  "null prototype with names": () => Object.assign(Object.create(null), { a: 1 }),
  "frozen object": () => Object.freeze({}),
  "unknown name": () => ({ nosuch: 1 }),
  "name of a symbol": () => ({ [Symbol("s")]: 1 }),
  "own __proto__": () => JSON.parse('{"__proto__": 1}'),
  "throwing getter": () => Object.defineProperty({}, "signal", { get: throwing, enumerable: true }),
  "throwing toString": () => ({ toString: throwing, valueOf: throwing, [Symbol.toPrimitive]: throwing }),
  "throwing toJSON": () => ({ toJSON: throwing }),
  "throwing tag": () => Object.defineProperty({}, Symbol.toStringTag, { get: throwing }),
  "foreign tag": () => ({ [Symbol.toStringTag]: "AbortSignal" }),
  "object with a class": () => new (class Options {})(),
  "object that contains itself": () => {
    const object = {};
    object.a = object;
    return object;
  },
  "boxed text": () => new String("text"),
  "boxed number": () => new Number(1),
  "boxed bigint": () => Object(1n),
  "boxed symbol": () => Object(Symbol("s")),
  arguments: () =>
    (function () {
      // biome-ignore lint/complexity/noArguments: that is what is tried
      return arguments;
    })(1, 2),

  ...Object.fromEntries(TYPED.map((Typed) => [Typed.name, () => new Typed(2)])),
  "empty Uint8Array": () => new Uint8Array(0),
  "Float32Array of NaN": () => new Float32Array([Number.NaN]),
  Buffer: () => Buffer.from("abc"),
  ArrayBuffer: () => new ArrayBuffer(8),
  SharedArrayBuffer: () => new SharedArrayBuffer(8),
  "shared Uint8Array": () => new Uint8Array(new SharedArrayBuffer(8)),
  "resizable Uint8Array": () => new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 })),
  "shrunk Uint8Array": shrunk,
  "detached Uint8Array": () => detached((buffer) => new Uint8Array(buffer)),
  "detached Int32Array": () => detached((buffer) => new Int32Array(buffer)),
  "detached DataView": () => detached((buffer) => new DataView(buffer)),
  DataView: () => new DataView(new ArrayBuffer(8)),

  "elsewhere [1, 2]": of("[1, 2]"),
  "elsewhere {}": of("({})"),
  "elsewhere unknown name": of("({ nosuch: 1 })"),
  "elsewhere Map": of("new Map([[1, 1]])"),
  "elsewhere Set": of("new Set([1])"),
  "elsewhere Date": of("new Date(0)"),
  "elsewhere Uint8Array": of("new Uint8Array(2)"),
  "elsewhere DataView": of("new DataView(new ArrayBuffer(8))"),
  "elsewhere function": of("() => 1"),
  "elsewhere Error": of("new Error('e')"),

  "throwing generator": () =>
    (function* () {
      yield 1;
      throwing();
    })(),
  "iterator without next": () => ({ [Symbol.iterator]: () => ({}) }),
  "iterator that is none": () => ({ [Symbol.iterator]: () => 1 }),
  "iterator of no results": () => ({ [Symbol.iterator]: () => ({ next: () => 1 }) }),
  "iterator with a throwing next": () => ({ [Symbol.iterator]: () => ({ next: throwing }) }),
  "iterator that is no function": () => ({ [Symbol.iterator]: 1 }),
  "async iterable": () => ({
    async *[Symbol.asyncIterator]() {
      yield 1;
    },
  }),

  AbortSignal: () => new AbortController().signal,
  "aborted AbortSignal": () => AbortSignal.abort(new Callers("aborted")),
  "AbortSignal that aborts": () => {
    const controller = new AbortController();
    setImmediate(() => controller.abort(new Callers("aborted later")));
    return controller.signal;
  },
  AbortController: () => new AbortController(),
  "fake AbortSignal": () => ({ aborted: false }),
  "heir of AbortSignal": () => Object.create(AbortSignal.prototype),
  "Proxy of an AbortSignal": () => new Proxy(new AbortController().signal, {}),

  "source of nothing": () => ({ name: "n", size: 0, read: () => {}, close: () => {} }),
  "source that throws": () => ({ name: "n", size: 100, read: throwing, close: throwing }),
  "source that reads nothing": () => ({ name: "n", size: 100, read: async () => {}, close: async () => {} }),
  "source that takes the buffer": () => ({
    name: "n",
    size: 100,
    read: async (_, into) => structuredClone(into.buffer, { transfer: [into.buffer] }),
    close: async () => {},
  }),
  "source without an end": () => ({ name: "n", size: Infinity, read: async () => {}, close: async () => {} }),
  "half a checkpoint": () => ({ tensors: 1, metadata: 1 }),
  "empty checkpoint": () => ({ tensors: new Map(), metadata: new Map() }),
};

/** [name, () => value] */
export const VALUES = [...Object.entries(PLAIN).map(([name, value]) => [name, () => value]), ...Object.entries(MADE)];
