// The words of a model file, for an engine that takes text.

import { openCheckpoint } from "../../dist/src/checkpoint/open.js";
import { readConfig } from "../../dist/src/model/config/config.js";
import { openTokenizer } from "../../dist/src/tokenizer/tokenizer.js";

/**
 * `broken`: ids whose bytes are no text by themselves. A model of random weights chooses them in any order, and llama.cpp's server code
 * stops at bytes that are no UTF-8.
 */
export async function openVocabulary(file) {
  const checkpoint = await openCheckpoint(file);
  try {
    const { vocab: size } = readConfig(checkpoint).config;
    const tokenizer = openTokenizer(checkpoint, size);
    const ids = tokenizer === null ? [] : Array.from({ length: size }, (_, id) => id);
    const broken = ids.filter((id) => !isText(tokenizer.tokenBytes(id)));
    return { size, broken, textOf: (chosen) => tokenizer?.decode(chosen) ?? chosen.join(" ") };
  } finally {
    await checkpoint.close();
  }
}

const strict = new TextDecoder("utf-8", { fatal: true });

function isText(bytes) {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
