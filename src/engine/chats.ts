import type { Generation } from "../generate/generation.ts";
import type { Seat } from "../generate/seat.ts";
import type { Starter } from "../generate/starter.ts";
import { wrong } from "../given.ts";
import type { ChatMessage, ChatTemplates, MarkedText, Recalled } from "../tokenizer/chat.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type ChatOptions, type ChatRequest, readChat } from "./chat-request.ts";
import type { Pictures } from "./pictures.ts";

/** The chats of one model: messages -> prompts -> answers. */
export class Chats {
  readonly #templates: ChatTemplates | null;
  readonly #starter: Starter;
  readonly #context: number;
  readonly #pictures: Pictures;

  constructor(templates: ChatTemplates | null, starter: Starter, context: number, pictures: Pictures) {
    this.#pictures = pictures;
    this.#templates = templates;
    this.#starter = starter;
    this.#context = context;
  }

  /** Throws TOKENIZER_MISSING where the checkpoint has none. */
  get tokenizer(): Tokenizer {
    return this.#starter.text();
  }

  /** `recall`: what of the prompt has ids from before. */
  read(
    messages: readonly ChatMessage[],
    options: ChatOptions | undefined,
    recall?: (prompt: MarkedText) => Recalled,
  ): ChatRequest {
    return readChat(this.#templates, this.tokenizer, messages, options, this.#context, this.#pictures, recall);
  }

  /** Of ids that a template made: what is a control token in them is settled. */
  answer({ ids, pictures, open, warnings, calls, format, options }: ChatRequest, seat?: Seat): Generation {
    if (options.specialTokens !== undefined) {
      throw wrong(
        "specialTokens",
        "the control tokens of a chat are its template's",
        "no such option",
        "specialTokens",
      );
    }
    const checked = this.#starter.check(options);
    if (format) checked.responseFormat = format;
    this.#starter.fits(ids);
    const fits = (seen: readonly number[]) => this.#starter.fits(seen);
    const see =
      pictures.length === 0 ? undefined : (signal: AbortSignal) => this.#pictures.see(ids, pictures, fits, signal);
    return this.#starter.generation(ids, checked, { warnings, continues: open, calls, seat, see });
  }
}
