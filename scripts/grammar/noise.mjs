import { checkFormat } from "../../dist/src/grammar/format.js";
import { Grammars } from "../../dist/src/grammar/grammars.js";
import { makeVocabulary } from "./vocabulary.mjs";

/** Texts that a model of noise writes under a format: any allowed id, each as likely. */

const SIZE = 3000;
const texts = makeVocabulary(SIZE);
const END = SIZE - 1;
const grammars = new Grammars({ size: SIZE, bytesOf: (id) => texts[id] });
const values = new Float32Array(SIZE);

export const open = (format) => {
  const checked = checkFormat(format);
  grammars.compile(checked);
  return checked;
};

/**
 * So many ids of noise, then to the end by the shortest way that a greedy search finds: what was cut can always be completed.
 * Throws where a special id is allowed, or nothing is.
 */
export function write(format, random, most) {
  const constraint = grammars.begin(format, [END], false);
  const bytes = [];
  for (let step = 0; ; step++) {
    if (step > most + 4000) return { bytes, ended: false };
    values.fill(0);
    constraint.apply(values);
    for (let id = SIZE - 48; id < END; id++) if (values[id] === 0) throw new Error(`the special id ${id} is allowed`);
    if (values[END] === 0 && (step >= most || random() < 0.3)) return { bytes, ended: true };
    const id = step < most ? anyOf(random) : closing(random);
    if (id < 0 || id === END) {
      if (values[END] === 0) return { bytes, ended: true };
      throw new Error("nothing is allowed");
    }
    bytes.push(...texts[id]);
    constraint.accept(id);
  }
}

function anyOf(random) {
  const from = Math.floor(random() * SIZE);
  const at = values.indexOf(0, from);
  return at < 0 ? values.indexOf(0) : at;
}

/** Bytes that end things, else any single byte: texts become short. */
function closing(random) {
  for (const char of ['"', "}", "]"]) if (values[char.charCodeAt(0)] === 0) return char.charCodeAt(0);
  const few = [];
  for (let id = 0; id < 256; id++) if (values[id] === 0) few.push(id);
  return few.length > 0 ? few[Math.floor(random() * few.length)] : anyOf(random);
}
