import { addsDots } from "../../runtime/dots.ts";
import type { Choices } from "../../runtime/kernels.ts";
import type { Kernels } from "../../runtime/module.ts";
import { formsOf } from "../plan/layout.ts";
import { integerTileRows } from "../plan/sizes.ts";
import type { ModelWeights } from "../plan/weights.ts";

/** Dots are measured only where the model has 4-bit tiles. */
export function chooseFor({ module, wide }: Kernels, weights: ModelWeights, activations: "q8" | "f32"): Choices {
  const dotAdd = formsOf(weights, activations).has("q8 quads") && addsDots(module, integerTileRows(wide.on));
  return { wide: wide.on, dotAdd };
}
