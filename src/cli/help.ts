import { formatColumns } from "./format.ts";
import { type CommandName, optionsOf } from "./options.ts";

export function helpText(command: CommandName): string {
  return `${USAGE[command]}\nOptions (defaults in parentheses):\n${optionLines(command)}`;
}

const USAGE: Readonly<Record<CommandName, string>> = {
  run: `wasmaverick: runs Llama 4, Llama, Mistral and Mixtral models.

  wasmaverick [model] [-p "Once upon a time"] [options]   continue a text
  wasmaverick [model] --chat [-p "Hello"] [options]       talk to the model
  wasmaverick serve [model] [options]                     OpenAI's API
  wasmaverick batch in.jsonl out.jsonl -m model           lines of requests
  wasmaverick work [model] --queue redis://...            answers others' lines
  wasmaverick queue redis://...                           how far they are
  wasmaverick inspect [model] [--tensors] [--json]        what is in a file
  wasmaverick perplexity [model] --file text.txt          how well it predicts
  wasmaverick quantize [model] -t q4_k_m -o new.gguf      fewer bits
  wasmaverick bench [model] [options]                     how fast it is here

The model is a GGUF file (the first one where it is split) or a Hugging Face
folder; without one, the storyteller that comes with the sources. Where there
is no -p, the prompt is what is piped in. Only the generated text goes to
stdout, and a newline.
`,
  serve: `wasmaverick serve: OpenAI's API (and Anthropic's messages) over a model.

  wasmaverick serve [model] [options]
  wasmaverick serve model.gguf --host 0.0.0.0 --api-key-file keys.txt

Listens on this machine alone; elsewhere only with a key. When requests are
taken, stdout has one line, "ready http://...", with --json an object. stderr
has a line of JSON for each request that ended. SIGTERM and SIGINT: nothing new
is taken, what runs may end, exit code 0. More in docs/server.md.
`,
  batch: `wasmaverick batch: many requests, a line each, as OpenAI's batches have them.

  wasmaverick batch in.jsonl out.jsonl --model model.gguf [options]

Lines are { custom_id, method: "POST", url, body } for chat completions,
completions and embeddings. What is in the output already is not asked again: a
batch that was stopped, however, goes on where it ended.

  wasmaverick batch in.jsonl out.jsonl --queue redis://host:6379

Workers on any number of machines answer (wasmaverick work), and the results
stand in the order of the lines. More in docs/server.md.
`,
  work: `wasmaverick work: answers lines of a queue in Redis, beside any number of others.

  wasmaverick work [model] --queue redis://host:6379 [options]

All workers of a queue have the same model. stdout has one line, "ready ...", as
soon as lines are taken. What a worker that is gone had in its hands goes back
into the queue. SIGTERM and SIGINT: nothing new is taken, what runs may end, the
rest goes back, exit code 0. A password stands in the address, or in
WASMAVERICK_QUEUE_PASSWORD.
`,
  queue: `wasmaverick queue: batches and workers of a queue, from any machine.

  wasmaverick queue redis://host:6379 [--queue-name name] [--json]
`,
  inspect: `wasmaverick inspect: what is in a checkpoint and what it would need.

  wasmaverick inspect [model] [--tensors] [--json]
`,
  perplexity: `wasmaverick perplexity: how well a model predicts a text, and how far it is
from another.

  wasmaverick perplexity [model] --file text.txt [options]
  wasmaverick perplexity small.gguf --file text.txt --against large.gguf
  wasmaverick perplexity large.gguf --file text.txt --save-logits large.logits
  wasmaverick perplexity small.gguf --file text.txt --logits large.logits

A text of more than one window is cut into whole ones, and of each the second
half is scored, as llama.cpp does; with --stride every token is, once. The nll
is -ln of the probability of the next token, perplexity e to its mean. Compared
are the probabilities of all next tokens: KL divergence from the other model,
in nats, and how often the likeliest token is the same.
`,
  quantize: `wasmaverick quantize: a model as a GGUF file of fewer bits.

  wasmaverick quantize model.gguf --type q4_k_m --output small.gguf
  wasmaverick quantize folder --type q8_0 --output model.gguf

A type is given to every matrix; beside 4 bits the one that makes the logits is
q6_k. q4_k_m is llama.cpp's mix of q4_k and q6_k. Routers and norms stay f32.
A vision tower goes to mmproj-NAME beside the new file, in 16 bits.
The new file is never one of those it is made from.
`,
  bench: `wasmaverick bench: how fast a model is on this machine, and where the time goes.

  wasmaverick bench [model] [options]

Measures a prompt, generation behind contexts of several lengths, sequences
together, each with every number of threads; then times every operation and
compares the bytes that are read with what plain reading reaches. Token ids are
made up. Lists are numbers with commas between.
`,
};

function optionLines(command: CommandName): string {
  const rows = optionsOf(command).map(({ name, short, value, help }) => [
    `${short ? `-${short}, ` : ""}--${name}${value ? ` <${value}>` : ""}`,
    help,
  ]);
  return formatColumns(rows, "ll", "  ");
}
