import type { StepPart } from "../model/run/step.ts";
import { Pace } from "./pace.ts";
import { rowsOf } from "./running.ts";
import { StepCost } from "./step-cost.ts";
import { StepReports } from "./step-reports.ts";

/** Who learns from the time that steps take: the pace of prompts, what guesses cost, and whoever listens. */
export class StepTimes {
  readonly pace: Pace;
  readonly cost = new StepCost();
  readonly reports = new StepReports();

  constructor(latency: number) {
    this.pace = new Pace(latency);
  }

  /**
   * Steps of these parts, one like the other, took `ms` together: `asked` of them one by one, the others followed each other.
   * `promptRows` of a step's rows were of prompts.
   */
  took(
    ms: number,
    { asked, following }: { readonly asked: number; readonly following: number },
    composed: readonly { readonly part: StepPart }[],
    promptRows: number,
  ): void {
    const steps = asked + following;
    const rows = rowsOf(composed);
    for (let step = 0; step < steps; step++) {
      this.pace.took(promptRows, ms / steps);
      this.reports.tell({ milliseconds: ms / steps, rows, sequences: composed.length });
    }
    // Guesses are weighed against steps that are asked for as theirs are.
    if (asked > 0 && following === 0 && promptRows === 0) this.cost.took(composed.length, rows - composed.length, ms);
  }
}
