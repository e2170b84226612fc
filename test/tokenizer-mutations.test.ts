/** Tokenizer files with parts of them exchanged: they load or are refused with a typed error, and then do their work. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import type { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { seeded } from "./nasty-text.ts";
import { sentencePiece, sentencePieceGguf, sentencePieceJson } from "./sentencepiece.ts";
import { folder, fresh, gguf, ggufMetadata, hf, type Json, refusal } from "./storyteller.ts";

// MUTATIONS=1000000 for the long run.
const property = { ...seeded("mutation"), numRuns: Number(process.env["MUTATIONS"] ?? 300) };
const size = sentencePiece.pieces.length;

const value = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    -1,
    0,
    1,
    2,
    0.5,
    259,
    2047,
    2 ** 32,
    "",
    "a",
    " ",
    "\u2581",
    "<0x41>",
    "</s>",
  ),
  fc.constantFrom<Json>(
    "<|eot|>",
    "<|im_end|>",
    "BPE",
    "ByteLevel",
    "Sequence",
    "Metaspace",
    "Split",
    "Digits",
    [],
    {},
  ),
  fc.constantFrom<Json>(
    ["a", "b"],
    [1, 2],
    { type: "ByteLevel" },
    { type: "Metaspace", replacement: "\u2581" },
    "\ud800",
  ),
);

/** Goes down the fields that `steps` point at, and exchanges, removes or adds one there. */
function mutate(root: Json, steps: readonly number[], replacement: Json): void {
  let at = root;
  for (const [depth, step] of steps.entries()) {
    const keys = Object.keys(at);
    const key = keys[step % Math.max(keys.length, 1)];
    const child = at[key];
    const last = depth === steps.length - 1 || typeof child !== "object" || child === null;
    if (!last) {
      at = child;
      continue;
    }
    const list = Array.isArray(at) || ArrayBuffer.isView(at);
    if (list) at[key ?? 0] = structuredClone(replacement);
    else if (step % 7 === 0) delete at[key];
    else if (step % 7 === 1) at[String(replacement)] = child;
    else at[key] = structuredClone(replacement);
    return;
  }
}

/** Whatever loads must work, or refuse with a typed error. */
function survives(open: () => Tokenizer | null): void {
  const use = () => {
    const one = open();
    if (one === null) return; // no list of tokens at all
    const ids = one.encode("A fox 🦊, 12 <s>naïve</s>\n\n  日本\u0000", {
      specialTokens: true,
      addBos: true,
      addEos: true,
    });
    for (const id of ids) expect(id).toBeLessThan(one.vocabSize);
    const stream = one.stream();
    expect(ids.map((id) => stream.push(id)).join("") + stream.end()).toBe(one.decode(ids));
  };
  try {
    use();
  } catch (error) {
    const { code } = refusal(() => {
      throw error;
    });
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)+$/);
  }
}

const steps = fc.array(fc.nat(5000), { minLength: 1, maxLength: 6 });
const changes = fc.array(fc.tuple(steps, value), { minLength: 1, maxLength: 3 });

test("tokenizer.json, byte level", () => {
  const run = (list: [number[], Json][]) => {
    const json = fresh();
    for (const [path, replacement] of list) mutate(json, path, replacement);
    survives(() => hf(json, 2048, folder));
  };
  fc.assert(fc.property(changes, run), property);
});

test("tokenizer.json, SentencePiece", () => {
  const run = (list: [number[], Json][], variant: string) => {
    const json = sentencePieceJson(variant);
    for (const [path, replacement] of list) mutate(json, path, replacement);
    survives(() => hf(json, size));
  };
  fc.assert(fc.property(changes, fc.constantFrom(...Object.keys(sentencePiece.tokenizers)), run), property);
});

test("GGUF metadata of both kinds", () => {
  const run = (list: [number[], Json][], byteLevel: boolean) => {
    const change = (metadata: Map<string, MetadataValue>) => {
      const object = Object.fromEntries(metadata);
      for (const [path, replacement] of list) mutate(object, path, replacement);
      metadata.clear();
      // The reader of GGUF files makes lists of one type only.
      for (const [key, entry] of Object.entries(object)) {
        const uniform = !Array.isArray(entry) || entry.every((item) => typeof item === typeof entry[0]);
        if (
          uniform &&
          entry !== null &&
          (Array.isArray(entry) || ArrayBuffer.isView(entry) || typeof entry !== "object")
        ) {
          metadata.set(key, entry);
        }
      }
    };
    survives(() => (byteLevel ? gguf(change) : sentencePieceGguf(change)));
  };
  expect(ggufMetadata(fresh()).size).toBeGreaterThan(5);
  fc.assert(fc.property(changes, fc.boolean(), run), property);
});
