/**
 * The storyteller tokenizer as a folder and as GGUF metadata, whole or changed.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect } from "vitest";
import type { Checkpoint, MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { openTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.ts";

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON
export type Json = any;
export function golden(name: string): Json {
  const file = readFileSync(new URL(`./golden/tokenizer/${name}`, import.meta.url));
  return JSON.parse((name.endsWith(".gz") ? gunzipSync(file) : file).toString("utf8"));
}

export const storyteller = golden("storyteller.json");

export function checkpoint(parts: Partial<Checkpoint>): Checkpoint {
  const nothing = { tensors: new Map(), metadata: new Map(), json: new Map(), chatTemplate: undefined, warnings: [] };
  return { format: "safetensors", name: "test", ...nothing, close: async () => {}, ...parts };
}

export function hf(tokenizer: Json, vocab = 2048, files: Record<string, Json> = {}): Tokenizer {
  return openTokenizer(
    checkpoint({ json: new Map(Object.entries({ "tokenizer.json": tokenizer, ...files })) }),
    vocab,
  )!;
}

export const folder = { "tokenizer_config.json": storyteller.config, "generation_config.json": storyteller.generation };
export const fresh = (): Json => golden("storyteller.tokenizer.json");

/** The same tokenizer as GGUF metadata. */
export function ggufMetadata(json: Json): Map<string, MetadataValue> {
  const tokens: string[] = [];
  for (const [text, id] of Object.entries(json.model.vocab)) tokens[id as number] = text;
  const types = new Int32Array(tokens.length + json.added_tokens.length).fill(1);
  for (const { id, content, special } of json.added_tokens) {
    tokens[id] = content;
    types[id] = special ? 3 : 4;
  }
  return new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "llama4"],
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.token_type", types],
    ["tokenizer.ggml.merges", json.model.merges.map((pair: string[]) => pair.join(" "))],
    ["tokenizer.ggml.bos_token_id", 2041],
    ["tokenizer.ggml.eos_token_id", 2046],
    ["tokenizer.ggml.add_bos_token", true],
  ]);
}

export function gguf(change: (metadata: Map<string, MetadataValue>) => void = () => {}, vocab = 2048): Tokenizer {
  const metadata = ggufMetadata(fresh());
  change(metadata);
  return openTokenizer(checkpoint({ format: "gguf", name: "test.gguf", metadata }), vocab)!;
}

export const tokenizer = hf(fresh(), 2048, folder);

export function refusal(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    expect((error as Error).name).toBe("EngineError");
    return error as Error & { code: string };
  }
  throw new Error("nothing was refused");
}
