import type { AdapterChoice } from "../generate/adapter-choice.ts";
import type { Scheduler } from "../generate/scheduler.ts";
import { type PixelValues, type Sight, sightless } from "../generate/sight.ts";
import type { ResidentModel } from "../model/run/resident.ts";
import type { TapData } from "../model/run/tap-reader.ts";
import { wantedTaps } from "./wanted-taps.ts";

/** Intermediate tensors of a text, and of the pictures in it. */

export interface TraceOptions {
  taps?: readonly string[];
  adapter?: AdapterChoice;
  /** What the ids' patches stand for. Their taps begin with `vision.`; `projected` enters the text, `merged` is what the layers get. */
  pixelValues?: PixelValues;
  signal?: AbortSignal;
}

export interface Traced {
  readonly resident: ResidentModel;
  readonly scheduler: Scheduler;
  readonly sight: Sight | null;
}

export async function traceModel(
  { resident, scheduler, sight }: Traced,
  ids: readonly number[],
  { taps, pixelValues, signal }: Pick<TraceOptions, "taps" | "pixelValues" | "signal">,
  adapter: number | null,
): Promise<Record<string, TapData>> {
  if (pixelValues !== undefined && !sight) throw sightless("pixelValues");
  const tiles = sight?.read(ids, pixelValues) ?? [];
  // Without pictures there is nothing to read of them.
  const seen = tiles.length > 0 ? sight!.tapNames : [];
  const wanted = wantedTaps(taps, [...seen, ...resident.tapNames], resident.config.layers.length);
  const inText = (name: string) => wanted.has(name) || (name === "embed" && wanted.has("merged"));
  const read = await scheduler.alone(async () => {
    if (tiles.length === 0) return await resident.trace(ids, inText, signal, adapter);
    const { taps: ofTower, rows } = await sight!.trace(tiles, (name) => wanted.has(name), signal);
    const ofText = await resident.trace(sight!.place(ids, rows), inText, signal, adapter);
    return [...ofTower, ...ofText];
  });
  const named: Record<string, TapData> = {};
  for (const [name, data] of read) {
    if (name === "embed" && wanted.has("merged")) named["merged"] = data;
    if (wanted.has(name)) named[name] = data;
  }
  return named;
}
