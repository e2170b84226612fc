import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace } from "../../error.ts";
import { isPlain } from "../../given.ts";
import { ARCHITECTURES, type Architecture } from "./architectures.ts";
import type { ModelConfig } from "./config.ts";
import { at, eachOf, type Field, flag, type Json, refuse } from "./field.ts";
import { deriveConfig, type Hyperparameters } from "./rules.ts";

/** HF's `config.json` and `generation_config.json`. */

/** What a reader of either format finds. */
export interface ReadConfig {
  config: ModelConfig;
  warnings: string[];
  /** What is said of the size of the vocabulary. */
  vocab: Field;
}

export function readHfConfig(checkpoint: Checkpoint, rows: number | undefined): ReadConfig {
  const warnings: string[] = [];
  const top = checkpoint.json.get("config.json");
  const place = { source: "config" as const, file: "config.json" };
  if (!isPlain(top)) throw new EngineError("CONFIG_MISSING", "no hyper-parameters", { at: place, limit: "an object" });
  const architecture = findArchitecture(top, place);
  const nested = top["text_config"] !== undefined || top["model_type"] === "llama4";
  const text = nested ? top["text_config"] : top;
  if (!isPlain(text)) throw refuse("CONFIG_MISSING", at(place, "/text_config", text), "an object");

  const prefix = nested ? "/text_config" : "";
  for (const [path, object] of nested ? [["", top] as const, [prefix, text] as const] : [["", top] as const]) {
    const quantization = at(place, `${path}/quantization_config`, object["quantization_config"]);
    checkQuantization(quantization);
  }
  if (top["auto_map"] != null || text["auto_map"] != null) {
    warnings.push("config.json names code of its own (auto_map); it is not run");
  }
  const field = textFields(text, { ...place, field: prefix });
  const own = field("tie_word_embeddings");
  const tied = flag(own.value == null ? at(place, "/tie_word_embeddings", top["tie_word_embeddings"]) : own, false);
  const eos = endIds(checkpoint, field, at(place, "/eos_token_id", top["eos_token_id"]));
  if (eos.length === 0) warnings.push("no eos_token_id: generation ends at its token limit only");
  return { config: deriveConfig({ architecture, field, eos, tied, rows }), warnings, vocab: field("vocab_size") };
}

/** 8-bit floats with a scale for each output or each tensor; whatever else there is would be read wrongly. */
function checkQuantization(field: Field): void {
  if (field.value == null) return;
  const limit = "fbgemm_fp8, or compressed-tensors of 8-bit floats by channel or tensor";
  const { value } = field;
  if (!isPlain(value)) throw refuse("CONFIG_QUANT", field, limit);
  const method = value["quant_method"];
  if (method === "fbgemm_fp8") return;
  const groups = value["config_groups"];
  if (method !== "compressed-tensors" || !isPlain(groups)) {
    throw refuse("CONFIG_QUANT", at(field.place, `${field.place.field}/quant_method`, method), limit);
  }
  for (const [name, group] of Object.entries(groups)) {
    const weights = isPlain(group) ? group["weights"] : undefined;
    const known =
      isPlain(weights) &&
      weights["num_bits"] === 8 &&
      weights["type"] === "float" &&
      ["channel", "tensor"].includes(weights["strategy"] as string);
    if (!known)
      throw refuse(
        "CONFIG_QUANT",
        at(field.place, `${field.place.field}/config_groups/${name}`, "weights of another kind"),
        limit,
      );
  }
}

function findArchitecture(top: Json, place: ErrorPlace): Architecture {
  const type = top["model_type"];
  const found = ARCHITECTURES.find(({ modelTypes }) => modelTypes.includes(type as string));
  if (!found) {
    const known = ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes);
    throw refuse("CONFIG_ARCH", at(place, "/model_type", type), known.join(" or "));
  }
  const names = top["architectures"];
  if (Array.isArray(names) && names.some((name) => found.classes.includes(name))) return found;
  const value = Array.isArray(names) && names.length > 0 ? names.join(", ") : names;
  throw refuse("CONFIG_ARCH", at(place, "/architectures", value), found.classes.join(" or "));
}

const IN_ROPE_PARAMETERS = ["rope_theta", "partial_rotary_factor"];

/** Looks names up in a `text_config`; `rope_theta` and the scaling stand in `rope_parameters` in files since v5. */
export function textFields(text: Json, place: ErrorPlace): Hyperparameters["field"] {
  const prefix = place.field ?? "";
  return (name) => {
    const rope = text["rope_parameters"];
    if (name === "rope_scaling" && rope != null) return at(place, `${prefix}/rope_parameters`, rope);
    if (IN_ROPE_PARAMETERS.includes(name) && isPlain(rope) && rope[name] != null) {
      return at(place, `${prefix}/rope_parameters/${name}`, rope[name]);
    }
    return at(place, `${prefix}/${name}`, text[name]);
  };
}

/** The ids that end generation: `generation_config.json` knows more of them than the text model does. */
function endIds(checkpoint: Checkpoint, field: Hyperparameters["field"], top: Field): Field[] {
  const generation = checkpoint.json.get("generation_config.json");
  const place: ErrorPlace = { source: "config", file: "generation_config.json" };
  const first = isPlain(generation) ? at(place, "/eos_token_id", generation["eos_token_id"]) : top;
  return eachOf([first, field("eos_token_id"), top].find(({ value }) => value != null) ?? top);
}
