import type { Choice, Choices } from "../../choice.ts";
import { outOfRange } from "../../given.ts";
import { candidatesFor, choiceAsFor, defaultChoice, type MatrixKind, streamsFor } from "../../runtime/kernels.ts";
import type { Memory, Tensor } from "../../runtime/memory.ts";
import type { Program } from "../../runtime/program.ts";
import type { Threads } from "../../runtime/threads.ts";
import type { StoredType } from "../../weight-types.ts";
import type { Sizes } from "../plan/layout.ts";
import type { PlannedMemory } from "../plan/sizes.ts";
import type { TowerPlan } from "../vision/tower.ts";
import { type Known, type TunedPlace, type Tuning, tune } from "./tune.ts";

/** Which kernels a model multiplies with, type by type: words of its programs, written between two steps. */

/** What was measured, by module of kernels: it holds as long as the process. */
const KNOWN = new WeakMap<WebAssembly.Module, Map<string, Known>>();

interface Placed extends PlannedMemory {
  readonly memory: Memory;
}

interface PlacedTower {
  readonly plan: TowerPlan;
  readonly memory: Memory;
}

interface ChosenPlace extends TunedPlace {
  /** That of the steps, then others of the same matrices. */
  readonly programs: readonly { readonly program: Program; readonly at: Tensor }[];
}

export class KernelChoices {
  readonly #places: readonly ChosenPlace[];
  readonly #sizes: Sizes;
  #chosen: Choices = {};

  /** Memories in the order of the threads', that of the tower behind those of the text. */
  constructor(placed: readonly Placed[], tower: PlacedTower | null, sizes: Sizes) {
    const places = placed.map(({ memory, layout, programs: { forward, trace, logits } }, index): ChosenPlace => {
      return { memory, layout, index, programs: [forward, trace, ...(logits ? [logits] : [])] };
    });
    if (tower) {
      const { memory, plan } = tower;
      const layout = { own: plan.layout.matrices, loader: plan.layout.loader };
      places.push({ memory, layout, index: places.length, programs: [plan.forward, plan.trace] });
    }
    this.#places = places;
    this.#sizes = sizes;
  }

  /** Every kind of matrix in the steps and the tower, the first of each type. */
  get kinds(): MatrixKind[] {
    const matrices = this.#places.flatMap(({ programs: [{ program }] }) => program.matrices);
    const kinds = matrices.map(({ type, form, fused, dot, apart }): MatrixKind => ({ type, form, fused, dot, apart }));
    return kinds.filter((kind, index) => kinds.findIndex(({ type }) => type === kind.type) === index);
  }

  /** In force: as chosen, else as by default. */
  get all(): Choices {
    const choiceOf = (kind: MatrixKind): [StoredType, Choice] => [
      kind.type,
      this.#chosen[kind.type] ?? defaultChoice(kind, this.#sizes.wide),
    ];
    return Object.fromEntries(this.kinds.map(choiceOf));
  }

  /** Takes these from the next step on: the same bits in another time. OPTION_RANGE: no such matrices, or no such kernel for them. */
  take(choices: Choices): void {
    for (const type of Object.keys(choices) as StoredType[]) this.#check(type, choices[type]!);
    this.#chosen = { ...this.#chosen, ...choices };
    const { kinds } = this;
    this.#write((program, words) => {
      for (const place of program.matrices) {
        const choice = choices[place.type];
        const kind = kinds.find(({ type }) => type === place.type)!;
        if (choice) program.choose(words, place, choiceAsFor(place, kind, choice));
      }
    });
  }

  #write(write: (program: Program, words: Uint32Array) => void): void {
    for (const { memory, programs } of this.#places)
      for (const { program, at } of programs) write(program, memory.u32(at));
  }

  #check(type: StoredType, { tile, row, streams }: Choice): void {
    const kind = this.kinds.find((kind) => kind.type === type);
    if (!kind)
      throw outOfRange("choices", type, `types of this model: ${this.kinds.map(({ type }) => type).join(", ")}`);
    const { tiles, rows } = candidatesFor(kind);
    const among = (names: object) => `one of ${Object.keys(names).join(", ")}`;
    if (!Object.hasOwn(tiles, tile)) throw outOfRange(`choices.${type}.tile`, tile, among(tiles));
    if (row !== null && !Object.hasOwn(rows, row)) throw outOfRange(`choices.${type}.row`, row, `null, ${among(rows)}`);
    const allowed = streamsFor(kind);
    if (!allowed.includes(streams))
      throw outOfRange(`choices.${type}.streams`, streams, `one of ${allowed.join(", ")}`);
  }

  /** Measures what is fastest here of all types but some, each in the memory with most weights of it, and takes it. */
  async tune(
    module: WebAssembly.Module,
    threads: Threads,
    except: readonly string[],
    signal?: AbortSignal,
  ): Promise<Tuning> {
    const known = KNOWN.get(module) ?? new Map<string, Known>();
    KNOWN.set(module, known);
    const options = { places: this.#places, threads, sizes: this.#sizes, known, signal };
    const kinds = this.kinds.filter(({ type }) => !except.includes(type));
    const tuning = await tune(kinds, options);
    this.take(tuning.choices);
    // Keys and values in f32 come out of memory like weights: where those like one stream best, so do these.
    // Rows of floats follow four groups whatever is chosen, so theirs say nothing.
    const [streams] = kinds.flatMap(({ type, form }) => (form === "f32" ? [] : (tuning.choices[type]?.streams ?? [])));
    if (streams !== undefined && this.#sizes.cache === "f32")
      this.#write((program, words) => program.chooseCacheStreams(words, Math.min(streams, 4)));
    return tuning;
  }
}
