import type { ChatOptions } from "../../index.ts";
import { bodyOf, leaseOf, type Route } from "../call.ts";
import { chatOptions } from "../engine-options.ts";
import { refusalOf } from "../refusal.ts";
import { detokenizeRequest, templateRequest, tokenizeRequest } from "../schemas/tokens.ts";
import { textOf } from "../token-texts.ts";
import { messagesOf } from "./chat.ts";

/** What a model reads, as llama.cpp's server tells it. */
export const tokenRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/tokenize",
    summary: "Text as ids",
    body: tokenizeRequest,
    answer: async (call) => {
      const asked = await bodyOf(call, tokenizeRequest);
      const { tokenizer } = (await leaseOf(call, asked.model)).model;
      const options = { addBos: (asked.add_special ?? false) && tokenizer.addBos, specialTokens: asked.parse_special };
      try {
        const ids = tokenizer.encode(asked.content, options);
        const piece = (id: number) => ({ id, piece: textOf(tokenizer, id) });
        return Response.json({ tokens: asked.with_pieces ? ids.map(piece) : ids });
      } catch (error) {
        throw refusalOf(error, { text: "content" });
      }
    },
  },
  {
    method: "POST",
    path: "/detokenize",
    summary: "Ids as text",
    body: detokenizeRequest,
    answer: async (call) => {
      const asked = await bodyOf(call, detokenizeRequest);
      const { tokenizer } = (await leaseOf(call, asked.model)).model;
      try {
        return Response.json({ content: tokenizer.decode(asked.tokens, { specialTokens: asked.with_special }) });
      } catch (error) {
        throw refusalOf(error, { id: "tokens", ids: "tokens" });
      }
    },
  },
  {
    method: "POST",
    path: "/apply-template",
    summary: "Messages as the prompt that answers them",
    body: templateRequest,
    answer: async (call) => {
      const asked = await bodyOf(call, templateRequest);
      const lease = await leaseOf(call, asked.model);
      const options: ChatOptions = {
        ...chatOptions(lease, asked.tools),
        tools: asked.tools as ChatOptions["tools"],
        addGenerationPrompt: asked.add_generation_prompt ?? true,
      };
      try {
        const { text, ids, warnings } = lease.model.render(messagesOf(asked.messages), options);
        return Response.json({ prompt: text, tokens: ids, ...(warnings.length > 0 && { warnings }) });
      } catch (error) {
        throw refusalOf(error);
      }
    },
  },
];
