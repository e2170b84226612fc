/** On which grid of tiles a picture is laid: that of Llama 4's processor, whose grids and sizes these must be to the pixel. */

export interface Processor {
  /** Pixels of a tile's side. */
  readonly tileSize: number;
  /** Tiles of one picture at most, the whole not counted. */
  readonly maxTiles: number;
  /** Small pictures are scaled up to fill a canvas. */
  readonly toMaxCanvas: boolean;
  readonly rescale: number;
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

export interface Canvas {
  /** Of tiles. */
  readonly rows: number;
  readonly columns: number;
  /** The picture on it, in pixels, from the upper left corner; the rest is black. */
  readonly height: number;
  readonly width: number;
}

/** All grids of at most so many tiles: from the most tiles down, lower ones first, those of one shape together. */
function gridsOf(most: number): { rows: number; columns: number }[] {
  const byShape = new Map<number, { rows: number; columns: number }[]>();
  for (let tiles = most; tiles >= 1; tiles--) {
    for (let rows = 1; rows <= tiles; rows++) {
      if (tiles % rows !== 0) continue;
      const columns = tiles / rows;
      const shape = rows / columns;
      byShape.set(shape, [...(byShape.get(shape) ?? []), { rows, columns }]);
    }
  }
  return [...byShape.values()].flat();
}

export function chooseCanvas(height: number, width: number, { tileSize, maxTiles, toMaxCanvas }: Processor): Canvas {
  const grids = gridsOf(maxTiles);
  // Scales meet in f32, as the processor compares them.
  const scales = grids.map(({ rows, columns }) =>
    Math.min(Math.fround((rows * tileSize) / height), Math.fround((columns * tileSize) / width)),
  );
  const up = scales.filter((scale) => scale >= 1);
  const wanted = up.length === 0 ? Math.max(...scales) : toMaxCanvas ? Math.max(...up) : Math.min(...up);
  let chosen = -1;
  for (const [index, { rows, columns }] of grids.entries()) {
    if (scales[index] !== wanted) continue;
    if (chosen < 0 || rows * columns < grids[chosen].rows * grids[chosen].columns) chosen = index;
  }
  const { rows, columns } = grids[chosen];
  const [most, widest] = [rows * tileSize, columns * tileSize];
  const [tall, wide] = toMaxCanvas
    ? [most, widest]
    : [Math.min(Math.max(height, tileSize), most), Math.min(Math.max(width, tileSize), widest)];
  const [byWidth, byHeight] = [wide / width, tall / height];
  return byWidth < byHeight
    ? { rows, columns, width: wide, height: Math.max(1, Math.min(Math.floor(height * byWidth), tall)) }
    : { rows, columns, height: tall, width: Math.max(1, Math.min(Math.floor(width * byHeight), wide)) };
}
