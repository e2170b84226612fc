import { EngineError } from "../error.ts";
import { codeOf } from "../realm.ts";
import type { ByteSource, Checkpoint } from "./checkpoint.ts";
import { filesOf } from "./file-source.ts";
import { readText, readWhole } from "./json-file.ts";

/** What a folder holds beside its JSON files to turn messages into ids: chat templates, and SentencePiece's own file. */

const TEMPLATE = "chat_template.jinja";
const FURTHER = "additional_chat_templates";
const SUFFIX = ".jinja";
const SENTENCEPIECE = "tokenizer.model";
/** A processor's four or five are the most that is seen. */
const LIMITS = { templates: 64, templateBytes: 256 * 2 ** 10, sentencePieceBytes: 16 * 2 ** 20 };

type ReadOptional = <T>(path: string, name: string, read: (source: ByteSource) => Promise<T>) => Promise<T | undefined>;

type TextFiles = Pick<Checkpoint, "chatTemplate" | "namedTemplates" | "sentencePiece">;

export async function readTextFiles(path: string, tokenizer: boolean, read: ReadOptional): Promise<TextFiles> {
  const template = (source: ByteSource) => readText(source, LIMITS.templateBytes, "TPL_SIZE");
  const chatTemplate = await read(path, TEMPLATE, template);
  const namedTemplates = new Map<string, string>();
  for (const file of await furtherTemplates(path)) {
    const text = await read(path, `${FURTHER}/${file}`, template);
    if (text !== undefined) namedTemplates.set(file.slice(0, -SUFFIX.length), text);
  }
  const model = (source: ByteSource) => readWhole(source, LIMITS.sentencePieceBytes, "TOK_LENGTH");
  const sentencePiece = tokenizer ? undefined : await read(path, SENTENCEPIECE, model);
  return { chatTemplate, namedTemplates, sentencePiece };
}

async function furtherTemplates(path: string): Promise<string[]> {
  const { readdir } = filesOf(path).system;
  let names: string[];
  try {
    names = await readdir(`${path}/${FURTHER}`);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw new EngineError("FILE_IO", "the folder of further chat templates cannot be read", {
      at: { source: "file", file: FURTHER },
      cause,
    });
  }
  const templates = names.filter((name) => name.endsWith(SUFFIX) && name.length > SUFFIX.length).sort();
  if (templates.length <= LIMITS.templates) return templates;
  throw new EngineError("TPL_SIZE", "too many chat templates", {
    at: { source: "file", file: FURTHER },
    limit: `at most ${LIMITS.templates}`,
    actual: templates.length,
  });
}
