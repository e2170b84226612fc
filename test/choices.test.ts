/** Kernels by choice: every choice gives the same bits, what is asked for is taken, what does not exist is refused, and a clock finds the fastest. */
import { describe, expect, it } from "vitest";
import { KERNEL_TILE2_F32_FUSED, MATRIX_ROW, MATRIX_STREAMS, MATRIX_TILE, MATRIX_TOUCH } from "../assembly/abi.ts";
import { type Choice, createModel, type Model, type StoredType } from "../dist/src/index.js";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { STREAMS, TOUCHES } from "../src/choice.ts";
import { readConfig } from "../src/model/config/config.ts";
import type { Sizes } from "../src/model/plan/layout.ts";
import { KernelChoices } from "../src/model/run/choices.ts";
import { readHfVision } from "../src/model/vision/config.ts";
import { makeTowerMemory, planTower } from "../src/model/vision/tower.ts";
import { mapVision } from "../src/model/vision/weights.ts";
import { candidatesOf, formOf } from "../src/runtime/forms.ts";
import { choiceAsFor } from "../src/runtime/kernels.ts";
import { fastest } from "../src/runtime/tuning.ts";
import { hasDot } from "./kernels.ts";
import { byteModel } from "./small-models.ts";
import { visionFolder } from "./vision-golden.ts";

/** Layers wide enough for several visits, and more than a cache holds of one type. */
const CONFIG = byteModel(256);
const LARGE = byteModel(1024);
const IDS = [256, 1, 2, 3, 4, 5, 6, 7, 8, 9];

async function scores(model: Model): Promise<readonly number[]> {
  await using closing = model;
  const { ids } = await closing.generate(IDS, { temperature: 0, maxTokens: 6, ignoreEos: true }).result();
  const { nll } = await closing.score(IDS);
  return [...ids, ...nll];
}

const dot = (["unsigned", "signed"] as const).find(hasDot) ?? "saturating";
/** What a model of such weights may be multiplied by on this host, its activations being the default. */
const candidatesHere = (type: StoredType) =>
  candidatesOf(type, formOf(type, { activations: "q16", dot }), { fused: type === "f16", dot })!;

describe.each<StoredType>(["q8_0", "q4_0", "q4_k", "q6_k", "q5_0", "iq4_nl", "f16"])("%s", (type) => {
  it("every tile, row, number of streams and way to touch gives the bits of the default", async () => {
    const expected = await scores(await createModel(CONFIG, { type, threads: 0 }));
    const { tiles, rows } = candidatesHere(type);
    const first: Choice = { tile: Object.keys(tiles)[0], row: Object.keys(rows)[0] ?? null, streams: 1, touch: 0 };
    const all: Choice[] = [
      ...Object.keys(tiles).map((tile) => ({ ...first, tile })),
      { ...first, row: null },
      ...STREAMS.map((streams) => ({ ...first, streams })),
      ...TOUCHES.map((touch) => ({ ...first, touch })),
    ];
    for (const choice of all) {
      const model = await createModel(CONFIG, { type, threads: 0, choices: { [type]: choice } });
      expect(model.info.choices[type]).toEqual(choice);
      expect(await scores(model), JSON.stringify(choice)).toEqual(expected);
    }
  });
});

it("a model whose weights leave the cache is measured at load: a choice among the candidates, the same bits", async () => {
  const measured = await createModel(LARGE, { type: "q8_0", threads: 1 });
  const { choices, tuning } = measured.info;
  const { tiles, rows } = candidatesHere("q8_0");
  expect(Object.keys(tiles)).toContain(choices.q8_0?.tile);
  expect(tuning.gains.q8_0).toBeGreaterThanOrEqual(1);
  const choice: Choice = { tile: Object.keys(tiles)[0], row: Object.keys(rows)[0], streams: 1, touch: 0 };
  const fixed = await createModel(LARGE, { type: "q8_0", threads: 1, choices: { q8_0: choice } });
  expect(fixed.info.tuning.gains).toEqual({});
  expect(await scores(measured)).toEqual(await scores(fixed));
});

it("the tower of a model takes the choices of its types too, whether they fuse or not", async () => {
  const checkpoint = await openCheckpoint(visionFolder());
  const { config: text } = readConfig(checkpoint);
  const { config } = readHfVision(checkpoint, text);
  const { weights } = mapVision(checkpoint, config, text);
  const plan = planTower(config, weights, text, { threads: 1, wide: false, activations: "q8", dot: "saturating" });
  const memory = makeTowerMemory(plan);
  const choices = new KernelChoices([], { plan, memory }, { wide: false } as Sizes);
  const { f32: before } = choices.all;
  expect(before).toEqual({ tile: "tile_f32_fused", row: "gemv4_f32_f32_fused", streams: 1, touch: 1 });
  choices.take({ f32: { tile: "tile2_f32_fused", row: null, streams: 2, touch: 8 } });
  for (const { program, at } of [plan.forward, plan.trace]) {
    for (const { word } of program.matrices) {
      const words = memory.u32(at);
      const chosen = [MATRIX_TILE, MATRIX_ROW, MATRIX_STREAMS, MATRIX_TOUCH].map((operand) => words[word + operand]);
      expect(chosen).toEqual([KERNEL_TILE2_F32_FUSED, 0, 2, 8]);
    }
  }
  const plain = { type: "f32", form: "f32", fused: false, dot: "saturating", apart: false } as const;
  const fused = { ...plain, fused: true };
  const choice: Choice = { tile: "tile2_f32", row: "gemv4_f32_f32", streams: 4, touch: 0 };
  expect(choiceAsFor(fused, plain, choice)).toEqual({
    ...{ tile: "tile2_f32_fused", row: "gemv4_f32_f32_fused", streams: 4, touch: 0 },
  });
  await checkpoint.close();
});

it("the choice is what a clock says is fastest: rows, touch and tile apart; differences within noise change nothing", async () => {
  const kind = { type: "q4_0", form: "q8 quads", fused: false, dot: "saturating", apart: false } as const;
  const costs = async (choice: Choice, rows: string) =>
    rows === "one"
      ? 10 / choice.streams
      : rows === "few"
        ? 10 - (choice.touch === 8 ? 3 : 0)
        : choice.tile === "tile_q4_0_q8_add"
          ? 5
          : 10;
  expect(await fastest(kind, false, costs)).toEqual({
    choice: { tile: "tile_q4_0_q8_add", row: "gemv4_q4_0_q8", streams: 8, touch: 8 },
    gain: 8,
  });
  expect((await fastest({ ...kind, apart: true }, false, async ({ streams }) => streams)).choice.streams).toBe(4);
  const alike = async (choice: Choice) => 10 - choice.streams * 0.01;
  expect((await fastest(kind, false, alike)).choice).toEqual({
    ...{ tile: "tile_q4_0_q8", row: "gemv4_q4_0_q8", streams: 1, touch: 1 },
  });
});

it("choices that are no choices are refused by name", async () => {
  const { tiles, rows } = candidatesHere("q8_0");
  const good = { tile: Object.keys(tiles)[0], row: Object.keys(rows)[0], streams: 1, touch: 0 };
  const wrong: [unknown, string, string][] = [
    [1, "REQ_PARAM", "choices"],
    [{ q9: good }, "OPTION_RANGE", "choices"],
    [{ q4_k: { ...good, tile: "tile_q4_k_q8", row: null } }, "OPTION_RANGE", "choices"],
    [{ q8_0: 1 }, "REQ_PARAM", "choices.q8_0"],
    [{ q8_0: { ...good, tile: "tile_q4_0_q8" } }, "OPTION_RANGE", "choices.q8_0.tile"],
    [{ q8_0: { ...good, tile: "toString" } }, "OPTION_RANGE", "choices.q8_0.tile"],
    [{ q8_0: { ...good, row: "gemv4_q4_0_q8" } }, "OPTION_RANGE", "choices.q8_0.row"],
    [{ q8_0: { ...good, streams: 3 } }, "OPTION_RANGE", "choices.q8_0.streams"],
    [{ q8_0: { ...good, touch: "1" } }, "OPTION_RANGE", "choices.q8_0.touch"],
    [{ q8_0: { ...good, lanes: 1 } }, "REQ_UNSUPPORTED_PARAM", "choices.q8_0.lanes"],
  ];
  for (const [choices, code, field] of wrong) {
    const opened = createModel(CONFIG, { type: "q8_0", threads: 0, choices } as never);
    await expect(opened, JSON.stringify(choices)).rejects.toMatchObject({ code, at: { field } });
  }
});
