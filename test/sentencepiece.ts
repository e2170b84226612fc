/**
 * A SentencePiece BPE vocabulary of 1000 tokens (trained for these tests) as GGUF metadata and as `tokenizer.json`, and
 * the ids that llama.cpp, `tokenizers` and `sentencepiece` give for hard texts.
 */
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { openTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { checkpoint, golden, type Json } from "./storyteller.ts";

interface Ids {
  plain: number[][];
  marked: number[][];
}

export const sentencePiece = golden("sentencepiece.json.gz") as {
  pieces: string[];
  scores: number[];
  kinds: number[];
  merges: [string, string][];
  addedTokens: Json[];
  texts: string[];
  sentencepiece: Pick<Ids, "plain">;
  tokenizers: Record<string, Ids & { text: string[] }>;
  llamaCpp: Record<"every" | "none", Ids>;
};

export function sentencePieceGguf(
  change: (metadata: Map<string, MetadataValue>) => void = () => {},
  vocab = sentencePiece.pieces.length,
): Tokenizer {
  const metadata = new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", "llama"],
    ["tokenizer.ggml.tokens", [...sentencePiece.pieces]],
    ["tokenizer.ggml.scores", Float32Array.from(sentencePiece.scores)],
    ["tokenizer.ggml.token_type", Int32Array.from(sentencePiece.kinds)],
  ]);
  change(metadata);
  return openTokenizer(checkpoint({ format: "gguf", name: "test.gguf", metadata }), vocab)!;
}

/** `variant`: how spaces are escaped, `prepend`, `replace` or `<Metaspace scheme>-<split or nosplit>`. */
export function sentencePieceJson(variant: string): Json {
  const [scheme, split] = variant.split("-");
  const space = "\u2581";
  const replace = { type: "Replace", pattern: { String: " " }, content: space };
  const byNormalizer = split === undefined;
  const prepend = variant === "prepend" ? [{ type: "Prepend", prepend: space }] : [];
  const strips = variant !== "replace" && scheme !== "never";
  return {
    added_tokens: structuredClone(sentencePiece.addedTokens),
    normalizer: byNormalizer ? { type: "Sequence", normalizers: [...prepend, replace] } : null,
    pre_tokenizer: byNormalizer
      ? null
      : { type: "Metaspace", replacement: space, prepend_scheme: scheme, split: split === "split" },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: space }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(strips ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(sentencePiece.pieces.map((piece, id) => [piece, id])),
      merges: structuredClone(sentencePiece.merges),
    },
  };
}
