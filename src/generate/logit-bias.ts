import { entriesOf, isId, isMap, isPlain, tell, wrong } from "../given.ts";

const MAX_BIASES = 1024;

/** `value` is a table or a Map from id to bias; it goes before what is `absent` from it. */
export function checkLogitBias(
  value: unknown,
  absent: ReadonlyMap<number, number>,
  vocab: number,
): ReadonlyMap<number, number> {
  if (value === undefined) return absent;
  const checked = new Map(absent);
  if (!isMap(value) && !isPlain(value)) {
    throw wrong("logitBias", "not a table of ids", "an object or Map from id to bias", value);
  }
  const biases = isMap(value) ? new Map(entriesOf(value)) : biasesOf(value);
  if (biases.size > MAX_BIASES) {
    throw wrong("logitBias", "too many ids", `at most ${MAX_BIASES} ids`, biases.size);
  }
  for (const [id, bias] of biases) {
    const field = `logitBias[${tell(id)}]`;
    if (!isId(id, vocab)) throw wrong(field, "not a token id", `an id in [0, ${vocab - 1}]`, id);
    if (!(typeof bias === "number" && bias >= -100 && bias <= 100)) {
      throw wrong(field, "not a bias", "a number in [-100, 100]", bias);
    }
    checked.set(id, bias);
  }
  return checked;
}

/** Only the canonical form of an id becomes a number: "07", "1e2" and "" stay text, and are refused. */
function biasesOf(table: Record<string, unknown>): Map<unknown, unknown> {
  const keys = Object.keys(table);
  if (keys.length > MAX_BIASES) throw wrong("logitBias", "too many ids", `at most ${MAX_BIASES} ids`, keys.length);
  return new Map(keys.map((key) => [/^(0|[1-9]\d{0,9})$/.test(key) ? Number(key) : key, table[key]]));
}
